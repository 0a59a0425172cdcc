//! Patterns of arguments: which texts a program may be given.
//!
//! Owns what `*`, `**` and `?` stand for. Whoever writes `/srv/data/*` means what is in that folder: so `*` and `?` do
//! not lead into other folders, nor up from one. `**` does; who writes it, says so.

/// Whether a whole text fits a pattern, with case. `?` stands for one letter and `*` for any number of them, which are no
/// `/` and make no `..`, not even together with a dot beside them; `**` stands for anything.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut fitting = Fitting::nothing(&text);
    for step in steps(pattern) {
        fitting = match step {
            Step::Letter(letter) => fitting.letter(letter),
            Step::One => fitting.one(),
            Step::Several => fitting.several(),
            Step::Anything => fitting.anything(),
        };
    }
    fitting.ends[text.len()].any()
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Letter(char),
    One,
    Several,
    Anything,
}

fn steps(pattern: &str) -> impl Iterator<Item = Step> {
    let mut letters = pattern.chars().peekable();
    std::iter::from_fn(move || {
        Some(match letters.next()? {
            '*' if letters.next_if_eq(&'*').is_some() => Step::Anything,
            '*' => Step::Several,
            '?' => Step::One,
            letter => Step::Letter(letter),
        })
    })
}

/// Which beginnings of a text fit a beginning of a pattern.
struct Fitting<'a> {
    text: &'a [char],
    /// By the length of the beginning.
    ends: Vec<End>,
}

/// How a beginning of the text can fit: it matters to the next letter what stands for the last one.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    /// With a last letter that the pattern names or leaves open altogether.
    by_name: bool,
    /// With a last letter that `*` or `?` stands for.
    by_wildcard: bool,
}

impl End {
    fn any(self) -> bool {
        self.by_name || self.by_wildcard
    }
}

impl<'a> Fitting<'a> {
    /// The beginning without letters fits the pattern without letters.
    fn nothing(text: &'a [char]) -> Self {
        let mut ends = vec![End::default(); text.len() + 1];
        ends[0].by_name = true;
        Self { text, ends }
    }

    fn letter(&self, letter: char) -> Self {
        self.after(|fitting, at| End {
            by_name: fitting.text[at] == letter && fitting.takes_by_name(at),
            by_wildcard: false,
        })
    }

    fn one(&self) -> Self {
        self.after(|fitting, at| End {
            by_name: false,
            by_wildcard: fitting.takes_by_wildcard(at),
        })
    }

    fn several(mut self) -> Self {
        for at in 0..self.text.len() {
            self.ends[at + 1].by_wildcard |= self.takes_by_wildcard(at);
        }
        self
    }

    fn anything(mut self) -> Self {
        for at in 0..self.text.len() {
            self.ends[at + 1].by_name |= self.takes_by_name(at);
        }
        self
    }

    /// What fits when each beginning is one letter longer.
    fn after(&self, end: impl Fn(&Self, usize) -> End) -> Self {
        let longer = (0..self.text.len()).map(|at| end(self, at));
        let ends = std::iter::once(End::default()).chain(longer).collect();
        Self {
            text: self.text,
            ends,
        }
    }

    /// Whether the letter at `at` may come next where the pattern names it.
    fn takes_by_name(&self, at: usize) -> bool {
        self.ends[at].by_name || self.ends[at].by_wildcard && !self.is_second_dot(at)
    }

    /// Whether the letter at `at` may come next where a wildcard stands for it.
    fn takes_by_wildcard(&self, at: usize) -> bool {
        self.ends[at].any() && self.text[at] != '/' && !self.is_second_dot(at)
    }

    fn is_second_dot(&self, at: usize) -> bool {
        at > 0 && self.text[at - 1..=at] == ['.', '.']
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: bool, cases: &[(&str, &str)]) {
        for (pattern, text) in cases {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_fit_whole_texts_with_case() {
        let fitting = [
            ("*", ""),
            ("*", "a b"),
            ("a?c", "abc"),
            ("a*c*", "abcd"),
            ("**b*", "abc"),
            ("", ""),
        ];
        check(true, &fitting);
        let unfit = [
            ("a", "A"),
            ("a", "ab"),
            ("?", ""),
            ("*.txt", "a.txt;b"),
            ("**x", "y"),
            ("", "a"),
        ];
        check(false, &unfit);
    }

    #[test]
    fn one_star_and_question_marks_stay_in_their_folder() {
        let fitting = [
            ("/srv/*", "/srv/a.b.c"),
            ("/srv/*/x", "/srv/a/x"),
            ("/srv/../*", "/srv/../a"),
            ("*", "."),
            ("*.*", "a.b"),
            ("..?", "..a"),
        ];
        check(true, &fitting);
        let unfit = [
            ("*", "/"),
            ("?", "/"),
            ("/srv/*", "/srv/a/b"),
            ("/srv/*", "/srv/.."),
            ("/srv/*", "/srv/a..b"),
            ("/srv/.*", "/srv/.."),
            ("/srv/*.", "/srv/.."),
            ("/srv/??", "/srv/.."),
            ("/srv/?*", "/srv/.."),
            ("/srv/*?", "/srv/.."),
            ("/srv/.?/etc", "/srv/../etc"),
            ("--file=*", "--file=.."),
            ("..*", "..."),
        ];
        check(false, &unfit);
    }

    #[test]
    fn two_stars_go_anywhere() {
        let fitting = [
            ("**", ""),
            ("**", "../a/.."),
            ("/srv/**", "/srv/../etc"),
            ("/srv/**/*.txt", "/srv/a/../b/c.txt"),
            ("*/**", "a/../b"),
        ];
        check(true, &fitting);
        check(false, &[("/srv/**", "/etc"), ("*/**", "../b")]);
    }
}
