//! One mistake in a configuration file: where it is, what is wrong, and what would be right.

use std::fmt;

/// One mistake, printed as `file:line: key: what is wrong; what would be right`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {key}: {wrong}; {right}")]
pub struct Mistake {
    /// The file's name as it was handed in.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The setting with its section, such as `server.signing`; `syntax` if the text is not TOML.
    pub key: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

/// Every mistake of one file, in the order of its lines; printed one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The text that mistakes point into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// A mistake at byte `at` of the text.
    pub(crate) fn mistake(&self, at: usize, key: String, wrong: String, right: String) -> Mistake {
        let before = self.text.as_bytes().iter().take(at);
        let line = before
            .filter(|byte| **byte == b'\n')
            .count()
            .saturating_add(1);
        Mistake {
            file: self.file.to_owned(),
            line,
            key,
            wrong,
            right,
        }
    }
}

/// The known word nearest to `word`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let enough = (word.chars().count() / 3).max(2);
    known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or replaced to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (done, letter) in one.chars().enumerate() {
        let mut next = vec![done.saturating_add(1)];
        let pairs = row.iter().zip(row.iter().skip(1));
        for ((diagonal, above), candidate) in pairs.zip(&other) {
            let left = next.last().copied().unwrap_or_default();
            let replaced = diagonal.saturating_add(usize::from(*candidate != letter));
            next.push(replaced.min(left.min(*above).saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_names_the_line_of_its_byte() {
        let source = Source {
            file: "f.toml",
            text: "a = 1\nb = 2\nc = 3\n",
        };
        let mistake = source.mistake(12, "c".into(), "is odd".into(), "give 4".into());
        assert_eq!(mistake.to_string(), "f.toml:3: c: is odd; give 4");
        assert_eq!(
            source
                .mistake(0, String::new(), String::new(), String::new())
                .line,
            1
        );
        assert_eq!(
            source
                .mistake(99, String::new(), String::new(), String::new())
                .line,
            4
        );
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lisen", "listen"), 1);
        assert_eq!(distance("listne", "listen"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn nearest_offers_only_what_may_be_meant() {
        let known = ["read_only", "read_only_users", "path"];
        assert_eq!(nearest("readonly", &known), Some("read_only"));
        assert_eq!(nearest("pth", &known), Some("path"));
        assert_eq!(nearest("compression", &known), None);
    }
}
