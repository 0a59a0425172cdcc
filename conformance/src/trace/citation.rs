//! Citations: how a comment names the section of a specification that the code carries out.
//!
//! Four forms, each alone on its line: the bare citation above code, the same after `test`, and
//! after `departs` or `todo` with a colon and the reason behind it. Documentation comments name a
//! section in running text instead.

use std::fmt;

/// A section of a specification.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Section {
    /// The document's short name, such as `MS-SMB2`.
    pub document: String,
    /// Where in the document.
    pub place: Place,
}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A numbered section.
    Section(Vec<u32>),
    /// A numbered note of the appendix on product behaviour.
    Note(u32),
}

/// What a citation says of its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The code below carries it out.
    Code,
    /// The test below covers it.
    Test,
    /// The code below does something else, and says why.
    Departs,
    /// Something is left to do, and why.
    Todo,
    /// A documentation comment names it.
    Documentation,
}

/// A citation on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// What it says.
    pub kind: Kind,
    /// What it cites.
    pub section: Section,
}

/// The citations on a line of Rust.
///
/// # Errors
/// What is wrong with the line's form.
pub fn parse(line: &str) -> Result<Vec<Citation>, &'static str> {
    let line = line.trim();
    let documentation = ["///", "//!"]
        .iter()
        .find_map(|mark| line.strip_prefix(mark));
    if let Some(text) = documentation {
        return Ok(mentions(text));
    }
    let Some(comment) = line.strip_prefix("//").map(str::trim) else {
        let trails = line
            .split_once("// ")
            .is_some_and(|(_, rest)| is_cited(rest));
        return if trails {
            Err("a citation stands on the line above the code")
        } else {
            Ok(Vec::new())
        };
    };
    parse_comment(comment)
}

fn parse_comment(comment: &str) -> Result<Vec<Citation>, &'static str> {
    let lower = comment.to_lowercase();
    if lower.starts_with("todo") {
        let text = comment
            .strip_prefix("todo ")
            .ok_or("the form is `todo [MS-X] n.n: why`")?;
        return with_reason(Kind::Todo, text);
    }
    if let Some(text) = comment.strip_prefix("departs ") {
        return with_reason(Kind::Departs, text);
    }
    // What a client was seen to do may name the section that it goes against.
    if !comment.contains("[MS-") || comment.starts_with("observed: ") {
        return Ok(Vec::new());
    }
    let (kind, text) = match comment.strip_prefix("test ") {
        Some(text) => (Kind::Test, text),
        None => (Kind::Code, comment),
    };
    match take_section(text) {
        Some((section, "")) => Ok(vec![Citation { kind, section }]),
        _ => Err("a citation is `[MS-X] n.n` alone on its line"),
    }
}

fn with_reason(kind: Kind, text: &str) -> Result<Vec<Citation>, &'static str> {
    let (section, rest) = take_section(text).ok_or("a section is to follow")?;
    match rest.strip_prefix(": ") {
        Some(reason) if !reason.trim().is_empty() => Ok(vec![Citation { kind, section }]),
        _ => Err("the reason is to follow after `: `"),
    }
}

/// The sections that running text names: `[MS-X] 1.2`, and further numbers after a comma or "and".
fn mentions(text: &str) -> Vec<Citation> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("[MS-") {
        rest = &rest[at..];
        let Some((section, mut after)) = take_section(rest) else {
            rest = &rest[1..];
            continue;
        };
        let document = section.document.clone();
        found.push(section);
        while let Some((place, next)) = [", ", " and ", " to "]
            .iter()
            .find_map(|mark| take_place(after.strip_prefix(mark)?))
            .filter(|(place, _)| matches!(place, Place::Section(parts) if parts.len() > 1))
        {
            let document = document.clone();
            found.push(Section { document, place });
            after = next;
        }
        rest = after;
    }
    let kind = Kind::Documentation;
    let cite = |section| Citation { kind, section };
    found.into_iter().map(cite).collect()
}

fn is_cited(text: &str) -> bool {
    take_section(text.strip_prefix("test ").unwrap_or(text)).is_some()
}

/// Takes `[MS-X] place` off the front of a text.
fn take_section(text: &str) -> Option<(Section, &str)> {
    let (document, rest) = text.strip_prefix('[')?.split_once("] ")?;
    let is_name = document
        .strip_prefix("MS-")?
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let (place, rest) = take_place(rest).filter(|_| is_name)?;
    let document = document.to_owned();
    Some((Section { document, place }, rest))
}

fn take_place(text: &str) -> Option<(Place, &str)> {
    if let Some(number) = text.strip_prefix("note ") {
        let end = number
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(number.len());
        return Some((Place::Note(number[..end].parse().ok()?), &number[end..]));
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    // A full stop behind the number ends the sentence.
    let number = text[..end].trim_end_matches('.');
    let parts = number.split('.').map(str::parse).collect::<Result<_, _>>();
    Some((Place::Section(parts.ok()?), &text[number.len()..]))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Section(parts) => {
                let parts: Vec<_> = parts.iter().map(u32::to_string).collect();
                f.write_str(&parts.join("."))
            }
            Self::Note(number) => write!(f, "note {number}"),
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.document, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<String> {
        let citations = parse(line).expect("well-formed");
        let show = |citation: &Citation| format!("{:?} {}", citation.kind, citation.section);
        citations.iter().map(show).collect()
    }

    #[test]
    fn the_four_forms_are_read() {
        assert_eq!(shown("  // [MS-SMB2] 3.3.5.9"), ["Code [MS-SMB2] 3.3.5.9"]);
        assert_eq!(shown("// test [MS-FSA] 2.1"), ["Test [MS-FSA] 2.1"]);
        assert_eq!(
            shown("// departs [MS-FSA] 2.1: so"),
            ["Departs [MS-FSA] 2.1"]
        );
        assert_eq!(
            shown("// todo [MS-SMB2] note 9: so"),
            ["Todo [MS-SMB2] note 9"]
        );
    }

    #[test]
    fn documentation_names_sections_in_running_text() {
        assert_eq!(
            shown("/// Both of [MS-SMB2] 2.2.37 and 2.2.38."),
            [
                "Documentation [MS-SMB2] 2.2.37",
                "Documentation [MS-SMB2] 2.2.38"
            ]
        );
        assert!(shown("/// By the rules of [MS-FSA].").is_empty());
    }

    #[test]
    fn looser_forms_are_refused() {
        for line in [
            "// [MS-SMB2] 3.3.5.9: with text",
            "// Text first. [MS-SMB2] 3.3.5.9",
            "// departs [MS-SMB2] 3.3.5.9",
            "// TODO: later",
            "let x = 1; // [MS-SMB2] 3.3.5.9",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
