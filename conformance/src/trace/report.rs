//! The listing: each cited section, who carries it out and who tests it.

use std::collections::BTreeMap;
use std::fmt;

use super::citation::{self, Kind, Section};
use super::specifications::Specifications;
use super::workspace::TextFile;

/// Where each section is cited.
#[derive(Debug, Default)]
pub struct Report {
    sections: BTreeMap<Section, Vec<(Kind, String)>>,
    /// Lines whose citation has no known form, as `path:line: what is wrong`.
    pub malformed: Vec<String>,
    /// Sections that are not pinned, as `path:line: section`.
    pub unpinned: Vec<String>,
    titles: Specifications,
}

impl Report {
    /// Collects the citations of `sources`; `titles` are the pinned sections.
    #[must_use]
    pub fn new(sources: &[TextFile], titles: Specifications) -> Self {
        let mut report = Self {
            titles,
            ..Self::default()
        };
        for file in sources {
            // Its examples are citations of nothing.
            if file.path != "conformance/src/trace/citation.rs" {
                report.add(file);
            }
        }
        report
    }

    fn add(&mut self, file: &TextFile) {
        for (index, line) in file.text.lines().enumerate() {
            let place = format!("{}:{}", file.path, index + 1);
            match citation::parse(line) {
                Ok(citations) => {
                    for citation in citations {
                        if self.titles.title(&citation.section).is_none() {
                            self.unpinned.push(format!("{place}: {}", citation.section));
                        }
                        let places = self.sections.entry(citation.section).or_default();
                        places.push((citation.kind, place.clone()));
                    }
                }
                Err(wrong) => self.malformed.push(format!("{place}: {wrong}")),
            }
        }
    }

    /// All cited sections, in order.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        self.sections.keys().cloned().collect()
    }

    /// The cited documents' short names.
    #[must_use]
    pub fn documents(&self) -> Vec<String> {
        let mut names: Vec<_> = self.sections.keys().map(|s| s.document.clone()).collect();
        names.dedup();
        names
    }

    /// Takes new pinned sections.
    pub fn pin(&mut self, titles: Specifications) {
        self.titles = titles;
    }

    fn lacks(places: &[(Kind, String)]) -> Option<&'static str> {
        let has = |kinds: &[Kind]| places.iter().any(|(kind, _)| kinds.contains(kind));
        let code = has(&[Kind::Code, Kind::Departs, Kind::Documentation]);
        match (code, has(&[Kind::Test])) {
            (true, true) => None,
            (true, false) => Some("no test"),
            (false, true) => Some("no code"),
            (false, false) => Some("neither code nor test"),
        }
    }

    /// The sections that lack code or test.
    #[must_use]
    pub fn lacking(&self) -> usize {
        let places = self.sections.values();
        places
            .filter(|places| Self::lacks(places).is_some())
            .count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (section, places) in &self.sections {
            let title = self.titles.title(section).unwrap_or("not pinned");
            writeln!(f, "{section}  {title}")?;
            for (kind, place) in places {
                let kind = match kind {
                    Kind::Code => "code",
                    Kind::Test => "test",
                    Kind::Departs => "departs",
                    Kind::Todo => "todo",
                    Kind::Documentation => "named",
                };
                writeln!(f, "    {kind:7} {place}")?;
            }
            if let Some(lack) = Self::lacks(places) {
                writeln!(f, "    {lack}")?;
            }
        }
        let (all, lacking) = (self.sections.len(), self.lacking());
        write!(f, "{all} sections are cited; {lacking} lack code or test")
    }
}
