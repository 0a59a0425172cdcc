//! What is known of a job besides its document, and how that is kept in the spool folder.
//!
//! Owns the text of a job's file and the name under which clients see a job. A text is one line per fact, because
//! nothing in it may break lines; what is missing has its default.

use wire::Utf16String;
use wire::dtyp::FileTime;

/// What is kept of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    /// The number, unique in its queue.
    pub id: u32,
    /// What the document is called, without what no file name may have.
    pub title: String,
    /// Who printed it, for people.
    pub user: String,
    /// The account that may change the job; none for a guest's.
    pub owner: Option<String>,
    /// The client's address, empty for a local one.
    pub client: String,
    /// When it was begun.
    pub submitted: FileTime,
    /// Where it is between two runs of the server.
    pub rest: Rest,
}

/// Where a job is that nobody prints just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Rest {
    /// It waits for its turn.
    #[default]
    Queued,
    /// It waits for somebody to let it go on.
    Paused,
    /// It could not be printed.
    Failed,
}

impl Record {
    /// The name of the job's file in listings: titles may be the same, numbers are not.
    pub(super) fn file_name(&self) -> Utf16String {
        let title = if self.title.is_empty() {
            UNTITLED
        } else {
            &self.title
        };
        format!("{}-{title}", self.id).as_str().into()
    }

    /// The text that [`Record::decode`] reads.
    pub(super) fn encode(&self) -> String {
        let rest = RESTS.iter().find(|(rest, _)| *rest == self.rest);
        let rest = rest.map_or("", |(_, word)| *word);
        let mut text = format!(
            "{VERSION}\ntitle={}\nuser={}\nclient={}\nsubmitted={}\nstate={rest}\n",
            self.title, self.user, self.client, self.submitted.0
        );
        if let Some(owner) = &self.owner {
            text.push_str(&format!("owner={owner}\n"));
        }
        text
    }

    /// The job with this number and this text; none if the text is no job's.
    pub(super) fn decode(id: u32, text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(VERSION) {
            return None;
        }
        let mut record = Self {
            id,
            ..Self::default()
        };
        for line in lines {
            let (key, value) = line.split_once('=')?;
            match key {
                "title" => record.title = title(value),
                "user" => record.user = one_line(value),
                "owner" => record.owner = Some(one_line(value)),
                "client" => record.client = one_line(value),
                "submitted" => record.submitted = FileTime(value.parse().ok()?),
                "state" => record.rest = RESTS.iter().find(|(_, word)| *word == value)?.0,
                _ => return None,
            }
        }
        Some(record)
    }
}

/// A title of which a file's name can be made: short, and without what no name may have.
// [MS-FSCC] 2.1.5
pub(super) fn title(asked: &str) -> String {
    let is_forbidden = |letter: char| letter.is_control() || "\"\\/:|<>*?".contains(letter);
    let allowed = |letter| if is_forbidden(letter) { '_' } else { letter };
    let title: String = asked.chars().map(allowed).take(LONGEST_TITLE).collect();
    title.trim_end_matches([' ', '.']).to_owned()
}

/// A text without what would end its line.
pub(super) fn one_line(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

const VERSION: &str = "print job 1";
const UNTITLED: &str = "document";
/// Letters of a title, of which each may be two units: a name has 255 at most, and a number comes first.
const LONGEST_TITLE: usize = 100;

const RESTS: &[(Rest, &str)] = &[
    (Rest::Queued, "queued"),
    (Rest::Paused, "paused"),
    (Rest::Failed, "failed"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            id: 7,
            title: title("Report = 1.ps"),
            user: "alice".into(),
            owner: Some("alice".into()),
            client: "192.0.2.7".into(),
            submitted: FileTime(134_000_000_000_000_000),
            rest: Rest::Failed,
        }
    }

    #[test]
    fn a_job_is_read_as_it_was_written() {
        let guest = Record {
            owner: None,
            rest: Rest::Paused,
            ..record()
        };
        for record in [record(), guest] {
            assert_eq!(Record::decode(7, &record.encode()), Some(record));
        }
    }

    #[test]
    fn what_is_no_job_is_not_taken_for_one() {
        for text in [
            "",
            "print job 2\n",
            "print job 1\nstate=lost\n",
            "print job 1\nx",
        ] {
            assert_eq!(Record::decode(1, text), None, "{text}");
        }
    }

    #[test]
    fn titles_make_names_of_files_and_break_no_lines() {
        assert_eq!(title("a\\b:c\nowner=eve"), "a_b_c_owner=eve");
        assert_eq!(title(" 1. "), " 1");
        assert_eq!(title(&"x".repeat(300)).len(), LONGEST_TITLE);
        assert_eq!(record().file_name(), Utf16String::from("7-Report = 1.ps"));
        let untitled = Record {
            title: title(""),
            ..record()
        };
        assert_eq!(untitled.file_name(), Utf16String::from("7-document"));
    }
}
