//! `docs/specifications.md`: the documents, their revisions, and the cited sections with titles.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::citation::{Place, Section};

/// The pinned documents by short name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Specifications(BTreeMap<String, Document>);

/// One document at one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// The full title.
    pub title: String,
    /// The revision and its date, as the document's own history gives them.
    pub revision: String,
    /// The titles of sections. Only the cited ones are written down.
    pub sections: BTreeMap<Place, String>,
}

impl Specifications {
    /// Reads what [`Specifications::to_markdown`] wrote.
    #[must_use]
    pub fn from_markdown(text: &str) -> Self {
        let mut all = Self::default();
        let mut name = String::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## [") {
                let (short, title) = heading.split_once("] ").unwrap_or((heading, ""));
                name = short.to_owned();
                all.0.entry(name.clone()).or_default().title = title.to_owned();
            } else if let Some(revision) = line.strip_prefix("Revision ") {
                all.0.entry(name.clone()).or_default().revision = revision.to_owned();
            } else if let Some((place, title)) = table_row(line) {
                let document = all.0.entry(name.clone()).or_default();
                document.sections.insert(place, title);
            }
        }
        all
    }

    /// Reads the documents themselves, as Markdown, from `folder/MS-X.md`.
    ///
    /// # Errors
    /// A document is missing or cannot be read.
    pub fn from_documents(folder: &Path, names: &[String]) -> io::Result<Self> {
        let mut all = Self::default();
        for name in names {
            let path = folder.join(format!("{name}.md"));
            let text = fs::read_to_string(&path)
                .map_err(|error| io::Error::new(error.kind(), format!("{name}.md: {error}")))?;
            all.0.insert(name.clone(), Document::parse(&text));
        }
        Ok(all)
    }

    /// The section's title; none for a section that is not there.
    #[must_use]
    pub fn title(&self, section: &Section) -> Option<&str> {
        let document = self.0.get(&section.document)?;
        document.sections.get(&section.place).map(String::as_str)
    }

    /// Leaves the cited sections only.
    pub fn keep(&mut self, cited: &[Section]) {
        for (name, document) in &mut self.0 {
            document.sections.retain(|place, _| {
                cited
                    .iter()
                    .any(|section| section.document == *name && section.place == *place)
            });
        }
    }

    /// The file's text.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::from(INTRODUCTION);
        for (name, document) in &self.0 {
            let _ = write!(text, "\n## [{name}] {}\n\n", document.title);
            let _ = write!(text, "Revision {}\n\n", document.revision);
            text.push_str("| section | title |\n|---|---|\n");
            for (place, title) in &document.sections {
                let _ = writeln!(text, "| {place} | {title} |");
            }
        }
        text
    }
}

impl Document {
    /// Takes headings, notes and the last row of the revision history out of a document.
    fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let mut in_history = false;
        let mut anchor = None;
        for line in text.lines() {
            // A heading may have lost its number; the mark above it has not.
            if let Some(mark) = line.strip_prefix("<a id=\"Section_") {
                anchor = mark.split_once('"').map(|(number, _)| number);
                continue;
            }
            let anchor = anchor.take();
            if let Some(heading) = line.strip_prefix('#') {
                let heading = heading.trim_start_matches('#').trim();
                in_history = heading == "Revision History";
                if let Some((_, title)) = heading.split_once("]: ") {
                    document.title = title.to_owned();
                } else if let Some((place, title)) = numbered(heading, anchor) {
                    document.sections.insert(place, title.replace('|', "/"));
                }
            } else if let Some((number, rest)) = line.strip_prefix('<').and_then(note) {
                let (section, _) = rest.split_once(':').unwrap_or((rest, ""));
                let title = format!("Product behaviour, {}", section.to_lowercase());
                document.sections.insert(Place::Note(number), title);
            } else if in_history && line.starts_with("| ") {
                let cells: Vec<_> = line.split('|').map(str::trim).collect();
                if let (Some(date), Some(revision)) = (cells.get(1), cells.get(2))
                    && revision.starts_with(|c: char| c.is_ascii_digit())
                {
                    document.revision = format!("{revision}, {date}");
                }
            }
        }
        document
    }
}

/// The place and the title of a heading, whose number stands in it or in the mark above it.
fn numbered<'a>(heading: &'a str, anchor: Option<&str>) -> Option<(Place, &'a str)> {
    let (number, title) = heading.split_once(' ')?;
    match anchor.filter(|anchor| *anchor != number) {
        Some(anchor) => Some((parse_place(anchor)?, heading)),
        None => Some((parse_place(number)?, title)),
    }
}

fn table_row(line: &str) -> Option<(Place, String)> {
    let (place, title) = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split_once(" | ")?;
    Some((parse_place(place)?, title.to_owned()))
}

fn parse_place(text: &str) -> Option<Place> {
    if let Some(number) = text.strip_prefix("note ") {
        return number.parse().ok().map(Place::Note);
    }
    let parts = text.split('.').map(str::parse).collect::<Result<_, _>>();
    parts.ok().map(Place::Section)
}

fn note(text: &str) -> Option<(u32, &str)> {
    let (number, rest) = text.split_once("> ")?;
    Some((number.parse().ok()?, rest))
}

const INTRODUCTION: &str = "\
# Specifications

Section numbers move between revisions. These are the documents that the code cites, the revisions
that number them so, and every section cited. `cargo trace` lists who cites each section and which
have no test; `cargo trace -- --write FOLDER` writes this file anew from the documents, kept in
FOLDER as `MS-X.md`. A citation of a section that is not listed here fails the house checks.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let document = Document::parse(
            "# [MS-X]: A Protocol\n## 2.1 Transport\n<7> Section 2.1: Windows does.\n\
             <a id=\"Section_2.1.1\"></a>\n### 8.3 Names\n\
             ## Revision History\n| Date | Revision |\n| 1/1/2025 | 3.0 |\n| 2/1/2026 | 4.0 |\n",
        );
        assert_eq!(document.revision, "4.0, 2/1/2026");
        let place = Place::Section(vec![2, 1, 1]);
        assert_eq!(document.sections[&place], "8.3 Names");
        let all = Specifications(BTreeMap::from([("MS-X".to_owned(), document)]));
        assert_eq!(Specifications::from_markdown(&all.to_markdown()), all);
        let place = Place::Note(7);
        let document = "MS-X".to_owned();
        assert!(all.title(&Section { document, place }).is_some());
    }
}
