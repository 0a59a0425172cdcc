//! The state: names, files, opens, locks; and what an operation that succeeded does to it.

use std::collections::BTreeMap;

use super::operation::{Access, Operation, Outcome, Sharing};
use super::rules;

/// All files of one share.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub(super) names: BTreeMap<String, u64>,
    pub(super) files: BTreeMap<u64, File>,
    pub(super) opens: BTreeMap<u64, Open>,
    last_file: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) contents: Vec<u8>,
    pub(super) delete_pending: bool,
    pub(super) locks: Vec<Lock>,
}

#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) client: usize,
    pub(super) file: u64,
    pub(super) access: Access,
    pub(super) sharing: Sharing,
    pub(super) delete_on_close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) open: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) exclusive: bool,
}

impl Model {
    /// Judges the answer to an operation, and goes on as it says.
    ///
    /// # Errors
    /// What would have been right.
    pub fn judge(
        &mut self,
        client: usize,
        operation: &Operation,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let allowed = rules::allowed(self, operation);
        if !allowed.contains(&outcome.status()) {
            return Err(format!(
                "client {client}: {operation:?} gave {:?}; right is {allowed:?}",
                outcome.status()
            ));
        }
        match outcome {
            Outcome::Refused(_) => Ok(()),
            _ => self.apply(client, operation, outcome),
        }
    }

    /// Whether a LOCK that waits could be granted.
    #[must_use]
    pub fn could_go_on(&self, operation: &Operation) -> bool {
        matches!(operation, Operation::Lock { .. })
            && rules::allowed(self, operation) == [wire::NtStatus::SUCCESS]
    }

    /// A client is gone: all its opens are closed.
    pub fn disconnect(&mut self, client: usize) {
        let of_client = self.opens.iter().filter(|(_, open)| open.client == client);
        for id in of_client.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id);
        }
    }

    /// Every file's name and contents.
    pub fn contents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let file = |id| self.files.get(id).map_or(&[][..], |file| &file.contents);
        self.names
            .iter()
            .map(move |(name, id)| (name.as_str(), file(id)))
    }

    fn apply(
        &mut self,
        client: usize,
        operation: &Operation,
        outcome: &Outcome,
    ) -> Result<(), String> {
        match (operation, outcome) {
            (Operation::Open { name, .. }, Outcome::Opened { id, created }) => {
                expect("FILE_CREATED", created, &!self.names.contains_key(name))?;
                self.open(client, operation, *id);
            }
            (
                Operation::Read {
                    open,
                    offset,
                    length,
                },
                Outcome::Data(data),
            ) => {
                let right = self.file(*open).read(*offset, *length);
                expect("contents", data.as_slice(), right)?;
            }
            (
                Operation::Query { open },
                Outcome::Standing {
                    length,
                    delete_pending,
                },
            ) => {
                let file = self.file(*open);
                expect("length", length, &(file.contents.len() as u64))?;
                expect("DeletePending", delete_pending, &file.delete_pending)?;
            }
            (Operation::List, Outcome::Names(names)) => {
                let mut names = names.clone();
                names.sort();
                expect("names", &names, &self.names.keys().cloned().collect())?;
            }
            (Operation::Rename { open, target, .. }, Outcome::Done) => self.rename(*open, target),
            (Operation::Close { open }, Outcome::Done) => self.close(*open),
            (_, Outcome::Done) => self.change(operation),
            _ => return Err(format!("{operation:?} cannot give {outcome:?}")),
        }
        Ok(())
    }

    /// What changes one file only.
    fn change(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { open, offset, data } => {
                self.file_mut(*open).write(*offset, data);
            }
            Operation::SetEndOfFile { open, length } => {
                let length = usize::try_from(*length).unwrap_or(0);
                self.file_mut(*open).contents.resize(length, 0);
            }
            Operation::SetDisposition { open, delete } => {
                self.file_mut(*open).delete_pending = *delete;
            }
            Operation::Lock {
                open,
                offset,
                length,
                exclusive,
                ..
            } => {
                let lock = Lock {
                    open: *open,
                    offset: *offset,
                    length: *length,
                    exclusive: *exclusive,
                };
                self.file_mut(*open).locks.push(lock);
            }
            Operation::Unlock {
                open,
                offset,
                length,
            } => {
                let wanted = (*open, *offset, *length);
                let locks = &mut self.file_mut(*open).locks;
                let is_it = |lock: &Lock| (lock.open, lock.offset, lock.length) == wanted;
                if let Some(at) = locks.iter().position(is_it) {
                    locks.remove(at);
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, client: usize, operation: &Operation, id: u64) {
        let Operation::Open {
            name,
            access,
            sharing,
            disposition,
            delete_on_close,
        } = operation
        else {
            return;
        };
        let file = match self.names.get(name) {
            Some(file) => *file,
            None => {
                self.last_file += 1;
                self.names.insert(name.clone(), self.last_file);
                let new = File {
                    name: name.clone(),
                    ..File::default()
                };
                self.files.insert(self.last_file, new);
                self.last_file
            }
        };
        if disposition.destroys() {
            self.files.entry(file).or_default().contents.clear();
        }
        let open = Open {
            client,
            file,
            access: *access,
            sharing: *sharing,
            delete_on_close: *delete_on_close,
        };
        self.opens.insert(id, open);
    }

    fn close(&mut self, id: u64) {
        let Some(open) = self.opens.remove(&id) else {
            return;
        };
        let is_last = !self.opens.values().any(|other| other.file == open.file);
        let file = self.files.entry(open.file).or_default();
        file.locks.retain(|lock| lock.open != id);
        file.delete_pending |= open.delete_on_close;
        if is_last && file.delete_pending {
            self.names.remove(&file.name);
            self.files.remove(&open.file);
        }
    }

    fn rename(&mut self, open: u64, target: &str) {
        let id = self.opens[&open].file;
        if let Some(replaced) = self.names.get(target).filter(|other| **other != id) {
            self.files.remove(replaced);
        }
        let old = std::mem::replace(&mut self.file_mut(open).name, target.to_owned());
        self.names.remove(&old);
        self.names.insert(target.to_owned(), id);
    }

    fn file(&self, open: u64) -> &File {
        &self.files[&self.opens[&open].file]
    }

    fn file_mut(&mut self, open: u64) -> &mut File {
        let id = self.opens[&open].file;
        self.files.entry(id).or_default()
    }
}

impl File {
    fn read(&self, offset: u64, length: u32) -> &[u8] {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.contents.len());
        let end = (start + length as usize).min(self.contents.len());
        &self.contents[start..end]
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        let start = usize::try_from(offset).unwrap_or(0);
        let end = start + data.len();
        if self.contents.len() < end {
            self.contents.resize(end, 0);
        }
        self.contents[start..end].copy_from_slice(data);
    }
}

fn expect<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    found: &T,
    right: &T,
) -> Result<(), String> {
    if found == right {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}; right is {right:?}"))
    }
}
