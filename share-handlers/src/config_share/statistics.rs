//! `statistics`: what the server does and has done, and its sessions and opens, which are closed by
//! deleting their files.

use std::sync::Arc;

use bytes::Bytes;
use server::share::{Answer, OpenSnapshot, ServerView, SessionSnapshot};
use wire::dtyp::AccessMask;
use wire::{NtStatus, Utf16String};

use super::items::{File, Folder, Item, Listed, access, entries_of, find_in, id_of, is_called};
use super::reports::{self, REPORTS, Report};
use super::table::Format;

/// The folder.
pub(super) struct Statistics {
    view: Arc<dyn ServerView>,
}

/// What the folder is called.
pub(super) const NAME: &str = "statistics";

impl Statistics {
    /// Shows what `view` does.
    pub(super) fn new(view: Arc<dyn ServerView>) -> Self {
        Self { view }
    }

    fn items(&self) -> Vec<(String, Item)> {
        let mut items: Vec<(String, Item)> = Vec::new();
        for (name, report) in REPORTS {
            for (ending, format) in [("txt", Format::Text), ("json", Format::Json)] {
                let file = ReportFile {
                    view: Arc::clone(&self.view),
                    name,
                    report: *report,
                    format,
                };
                items.push((format!("{name}.{ending}"), Item::File(Arc::new(file))));
            }
        }
        for what in [What::Sessions, What::Opens] {
            let folder = Closables {
                view: Arc::clone(&self.view),
                what,
            };
            items.push((what.name().to_owned(), Item::Folder(Arc::new(folder))));
        }
        items
    }
}

impl Folder for Statistics {
    fn id(&self) -> u64 {
        id_of(NAME)
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        Ok(entries_of(self.items()))
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        Ok(find_in(self.items(), name))
    }
}

/// A report as text or JSON.
struct ReportFile {
    view: Arc<dyn ServerView>,
    name: &'static str,
    report: Report,
    format: Format,
}

impl File for ReportFile {
    fn id(&self) -> u64 {
        id_of((NAME, self.name, self.format))
    }

    fn access(&self) -> AccessMask {
        access::READ
    }

    fn contents(&self) -> Result<Bytes, NtStatus> {
        Ok((self.report)(&*self.view).render(self.format))
    }
}

/// A folder with a file for each session or each open.
struct Closables {
    view: Arc<dyn ServerView>,
    what: What,
}

/// What can be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Sessions,
    Opens,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Opens => "opens",
        }
    }
}

impl Closables {
    fn all(&self) -> Vec<Closable> {
        match self.what {
            What::Sessions => {
                let sessions = self.view.sessions().into_iter();
                sessions.map(Closable::Session).collect()
            }
            What::Opens => {
                let opens = self.view.opens().into_iter();
                opens.take(MOST_ENTRIES).map(Closable::Open).collect()
            }
        }
    }

    fn item(&self, closable: Closable) -> Item {
        Item::File(Arc::new(ClosableFile {
            view: Arc::clone(&self.view),
            closable,
        }))
    }
}

impl Folder for Closables {
    fn id(&self) -> u64 {
        id_of((NAME, self.what))
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        let all = self.all().into_iter();
        let listed = all.map(|one| {
            let name = one.name();
            self.item(one).listed(&*name)
        });
        Ok(listed.collect())
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        let found = self.all().into_iter().find(|one| {
            let own = one.name();
            is_called(&own, name)
        });
        Ok(found.map(|one| (one.name().as_str().into(), self.item(one))))
    }
}

/// A session or an open.
enum Closable {
    Session(SessionSnapshot),
    Open(OpenSnapshot),
}

impl Closable {
    /// Its number and what tells people which it is.
    fn name(&self) -> String {
        let name = match self {
            Self::Session(session) => {
                format!("{} {} {}", session.id, session.user, session.client)
            }
            Self::Open(open) => format!("{} {} {} {}", open.id, open.user, open.share, open.name),
        };
        format!("{}.txt", harmless(&name))
    }
}

/// The file of a session or an open.
struct ClosableFile {
    view: Arc<dyn ServerView>,
    closable: Closable,
}

impl File for ClosableFile {
    fn id(&self) -> u64 {
        match &self.closable {
            Closable::Session(session) => id_of((NAME, What::Sessions, session.id)),
            Closable::Open(open) => id_of((NAME, What::Opens, open.id)),
        }
    }

    fn access(&self) -> AccessMask {
        access::CLOSABLE
    }

    fn contents(&self) -> Result<Bytes, NtStatus> {
        let table = match &self.closable {
            Closable::Session(session) => reports::session(session),
            Closable::Open(open) => reports::open(open),
        };
        Ok(table.render(Format::Text))
    }

    fn check_delete(&self) -> Result<(), NtStatus> {
        Ok(())
    }

    /// What has ended meanwhile is closed already.
    fn delete(&self) -> Answer<'static, ()> {
        let (closing, gone) = match &self.closable {
            Closable::Session(session) => (
                self.view.close_session(session.id),
                NtStatus::USER_SESSION_DELETED,
            ),
            Closable::Open(open) => (self.view.close_open(open.id), NtStatus::FILE_CLOSED),
        };
        Box::pin(async move {
            match closing.await {
                Err(status) if status == gone => Ok(()),
                other => other,
            }
        })
    }
}

/// A text that can be the name of a file, and is not too long for one.
pub(super) fn harmless(text: &str) -> String {
    let mild = text.chars().map(|letter| match letter {
        letter if letter.is_control() || "\"\\/:|<>*?".contains(letter) => '_',
        letter => letter,
    });
    let mild: String = mild.take(LONGEST_NAME).collect();
    mild.trim_end_matches([' ', '.']).to_owned()
}

/// The longest name in letters, before its ending.
const LONGEST_NAME: usize = 100;
/// How many opens have a file; the reports tell of all.
const MOST_ENTRIES: usize = 10_000;
