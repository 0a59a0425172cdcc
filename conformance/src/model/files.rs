//! The state: names, files, opens, locks; and what an operation that succeeded does to it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wire::NtStatus;
use wire::create::LeaseState;
use wire::fscc::FileAction;

use super::away::{Durable, Keeping};
use super::caching::{Cache, ROOT};
use super::channels::ChannelSequence;
use super::locks::{Lock, LockSequence, LockSequences};
use super::operation::{Access, Holder, Kind, Operation, Outcome, Sharing};
use super::rules;
use super::watching::Watch;

/// All files of one share.
#[derive(Debug, Clone, Default, Hash)]
pub struct Model {
    pub(super) names: BTreeMap<String, u64>,
    pub(super) files: BTreeMap<u64, File>,
    pub(super) opens: BTreeMap<u64, Open>,
    pub(super) caches: BTreeMap<Holder, Cache>,
    /// By client.
    pub(super) watches: BTreeMap<usize, Watch>,
    /// Files that the loss of a connection may have others give up: it deletes them.
    pub(super) disturbed: BTreeSet<u64>,
    pub(super) now: Duration,
    last_file: u64,
}

#[derive(Debug, Clone, Default, Hash)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) is_folder: bool,
    pub(super) contents: Vec<u8>,
    pub(super) delete_pending: bool,
    pub(super) locks: Vec<Lock>,
}

#[derive(Debug, Clone, Hash)]
pub(super) struct Open {
    pub(super) client: usize,
    pub(super) file: u64,
    pub(super) access: Access,
    pub(super) sharing: Sharing,
    pub(super) delete_on_close: bool,
    /// Whose caching is its own.
    pub(super) holder: Holder,
    /// The client's lease on the folder above.
    pub(super) parent: Option<Holder>,
    pub(super) durable: Option<Durable>,
    pub(super) lock_sequences: LockSequences,
    /// CreateGuid, whether or not the open is durable.
    pub(super) create_guid: Option<u128>,
    pub(super) is_replay_eligible: bool,
    pub(super) channel_sequence: ChannelSequence,
    /// Until when it waits for its client, while that is away.
    pub(super) away: Option<Duration>,
    /// The CREATEs of its file that were under way when its client went away: they may go on.
    pub(super) wanted_by: Vec<Operation>,
}

impl Model {
    /// A share with nothing in its root.
    #[must_use]
    pub fn new() -> Self {
        Self {
            files: [(ROOT, File::new("", Kind::Folder))].into(),
            ..Self::default()
        }
    }

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
        if let Operation::LockList {
            open,
            elements,
            sequence,
        } = operation
            && self.opens.contains_key(open)
        {
            return self.judge_list(*open, elements, *sequence, outcome.status());
        }
        self.unsettle(operation);
        let allowed = rules::allowed(self, client, operation);
        if !allowed.contains(&outcome.status()) {
            return Err(format!(
                "client {client}: {operation:?} gave {:?}; right is {allowed:?}",
                outcome.status()
            ));
        }
        match outcome {
            Outcome::Refused(NtStatus::NOTIFY_ENUM_DIR) => {
                self.forget_news(client);
                Ok(())
            }
            Outcome::Refused(_) => Ok(()),
            _ => self.apply(client, operation, outcome),
        }
    }

    /// Whether a LOCK that waits could be granted.
    #[must_use]
    pub fn could_go_on(&self, client: usize, operation: &Operation) -> bool {
        operation.is_lock() && rules::allowed(self, client, operation) == [NtStatus::SUCCESS]
    }

    /// How many opens of files there are.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.opens.len()
    }

    /// How many ranges are locked.
    #[must_use]
    pub fn lock_count(&self) -> usize {
        self.files.values().map(|file| file.locks.len()).sum()
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
            (Operation::Open { .. }, Outcome::Opened { .. }) => {
                self.check_new(operation, outcome)?;
                self.open(client, operation, outcome)?;
            }
            (Operation::OpenRoot { .. }, Outcome::Opened { .. }) => {
                self.open(client, operation, outcome)?;
            }
            (Operation::Reconnect { open, .. }, Outcome::Opened { id, state, .. }) => {
                expect("persistent FileId", id, open)?;
                self.settle_doubt(*open, *state);
                self.check_told(*open, *state)?;
                if let Some(open) = self.opens.get_mut(open) {
                    (open.client, open.away) = (client, None);
                }
            }
            (Operation::OpenAgain { open, .. }, Outcome::Opened { id, state, .. }) => {
                expect("FileId", id, open)?;
                self.check_told(*open, *state)?;
            }
            (Operation::Acknowledge { holder, kept }, Outcome::Kept(state)) => {
                expect("what is kept", state, kept)?;
                self.settle(*holder, *kept);
            }
            (Operation::Watch { .. }, Outcome::Changes(changes)) => self.tell(client, changes)?,
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
                expect("names", &names, &self.names_in(ROOT))?;
            }
            (Operation::Rename { open, target, .. }, Outcome::Done) => self.rename(*open, target),
            (
                Operation::MakeResilient {
                    open,
                    timeout,
                    user,
                    ..
                },
                Outcome::Done,
            ) => self.make_resilient(*open, *timeout, user),
            (Operation::Close { open }, Outcome::Done) => self.close(*open),
            (_, Outcome::Done) => self.change(operation),
            _ => return Err(format!("{operation:?} cannot give {outcome:?}")),
        }
        Ok(())
    }

    /// Whether a client is told the right things of a new open.
    fn check_new(&self, operation: &Operation, outcome: &Outcome) -> Result<(), String> {
        let Operation::Open {
            name,
            persistent: wanted,
            ..
        } = operation
        else {
            return Ok(());
        };
        let Outcome::Opened {
            created,
            persistent,
            ..
        } = outcome
        else {
            return Ok(());
        };
        expect("FILE_CREATED", created, &!self.names.contains_key(name))?;
        // [MS-SMB2] 3.3.5.9.10
        expect("SMB2_DHANDLE_FLAG_PERSISTENT", persistent, wanted)
    }

    /// Whether a client that has an open back is told what it may cache.
    fn check_told(&self, open: u64, state: LeaseState) -> Result<(), String> {
        let open = &self.opens[&open];
        let held = self.caches.get(&open.holder).map(|cache| cache.state);
        if self.has_lost_lease(open) {
            return Ok(());
        }
        expect("what is cached", &state, &held.unwrap_or(LeaseState::NONE))
    }

    /// What changes one file only.
    fn change(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { open, offset, data } => {
                self.file_mut(*open).write(*offset, data);
                self.renew_own_view(*open);
            }
            Operation::SetEndOfFile { open, length } => {
                let length = usize::try_from(*length).unwrap_or(0);
                self.file_mut(*open).contents.resize(length, 0);
                self.renew_own_view(*open);
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
                // It is judged, and locked.
                let _ = self.file_mut(*open).unlock(*open, *offset, *length);
            }
            _ => {}
        }
    }

    fn open(
        &mut self,
        client: usize,
        operation: &Operation,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let Outcome::Opened {
            id,
            state,
            durable,
            persistent,
            ..
        } = outcome
        else {
            return Ok(());
        };
        let lease = operation.lease();
        let of_client = |key| Holder::Lease { client, key };
        let holder = lease.map_or(Holder::Open(*id), |lease| of_client(lease.key));
        let parent = lease.and_then(|lease| lease.parent).map(of_client);
        let mut open = Open {
            client,
            file: ROOT,
            access: Access::NONE,
            sharing: Sharing::ALL,
            delete_on_close: false,
            holder,
            parent,
            durable: None,
            lock_sequences: LockSequences::new(),
            create_guid: None,
            is_replay_eligible: false,
            channel_sequence: ChannelSequence::default(),
            away: None,
            wanted_by: Vec::new(),
        };
        if let Operation::Open {
            name,
            kind,
            access,
            sharing,
            disposition,
            delete_on_close,
            create_guid,
            user,
            ..
        } = operation
        {
            open.file = self.find_or_create(name, *kind, parent);
            (open.access, open.sharing) = (*access, *sharing);
            open.delete_on_close = *delete_on_close;
            open.create_guid = *create_guid;
            // [MS-SMB2] 3.3.5.9.10
            open.is_replay_eligible = create_guid.is_some() && access.uses_contents();
            open.durable = durable.map(|timeout| Durable {
                timeout,
                create_guid: create_guid.unwrap_or(0),
                user,
                maker: client,
                keeping: if *persistent {
                    Keeping::Persistent
                } else {
                    Keeping::Durable
                },
            });
            if disposition.destroys() {
                self.files.entry(open.file).or_default().contents.clear();
                self.renew_view(Some(holder), open.file);
            }
        }
        self.grant(*id, &open, *state, lease.is_some_and(|lease| lease.is_v2))?;
        self.opens.insert(*id, open);
        Ok(())
    }

    fn find_or_create(&mut self, name: &str, kind: Kind, parent: Option<Holder>) -> u64 {
        if let Some(file) = self.names.get(name) {
            return *file;
        }
        self.last_file += 1;
        self.names.insert(name.to_owned(), self.last_file);
        let new = File::new(name, kind);
        self.report(new.is_folder, &[(FileAction::ADDED, name)]);
        self.files.insert(self.last_file, new);
        self.renew_folder_view(parent, name);
        self.last_file
    }

    /// An open has ended.
    pub(super) fn close(&mut self, id: u64) {
        let Some(open) = self.opens.remove(&id) else {
            return;
        };
        self.release(id, open.holder);
        if open.file == ROOT {
            return;
        }
        if open.delete_on_close {
            // [MS-FSA] 2.1.4.12
            self.doubt_others(open.file, Some(open.holder));
        }
        let is_last = !self.opens.values().any(|other| other.file == open.file);
        let file = self.files.entry(open.file).or_default();
        file.locks.retain(|lock| lock.open != id);
        file.delete_pending |= open.delete_on_close;
        if is_last && file.delete_pending {
            let (name, is_folder) = (std::mem::take(&mut file.name), file.is_folder);
            self.names.remove(&name);
            self.files.remove(&open.file);
            self.report(is_folder, &[(FileAction::REMOVED, &name)]);
            self.renew_folder_view(open.parent, &name);
        }
    }

    fn rename(&mut self, open: u64, target: &str) {
        let Open { file, parent, .. } = self.opens[&open];
        let replaced = self.names.get(target).copied();
        if replaced == Some(file) {
            return;
        }
        let old = std::mem::replace(&mut self.file_mut(open).name, target.to_owned());
        self.names.remove(&old);
        self.names.insert(target.to_owned(), file);
        let is_folder = self.file(open).is_folder;
        // [MS-FSA] 2.1.5.15.12
        if let Some(replaced) = replaced {
            self.files.remove(&replaced);
            // Who watches names alone does not hear that the name has another file now.
            self.report(is_folder, &[(FileAction::REMOVED, &old)]);
        } else {
            let (before, after) = if self.folder_of(&old) == self.folder_of(target) {
                (FileAction::RENAMED_OLD_NAME, FileAction::RENAMED_NEW_NAME)
            } else {
                (FileAction::REMOVED, FileAction::ADDED)
            };
            self.report(is_folder, &[(before, &old), (after, target)]);
        }
        if is_folder {
            self.move_below(&old, target);
        }
        self.renew_folder_view(parent, &old);
        self.renew_folder_view(parent, target);
    }

    /// Who changes names in a folder that it caches knows of the change.
    fn renew_folder_view(&mut self, holder: Option<Holder>, name: &str) {
        if let Some(folder) = self.folder_of(name) {
            self.renew_view(holder, folder);
        }
    }

    fn renew_own_view(&mut self, open: u64) {
        let Open { file, holder, .. } = self.opens[&open];
        self.renew_view(Some(holder), file);
    }

    fn file(&self, open: u64) -> &File {
        &self.files[&self.opens[&open].file]
    }

    fn file_mut(&mut self, open: u64) -> &mut File {
        let id = self.opens[&open].file;
        self.files.entry(id).or_default()
    }
}

impl Open {
    /// Whether a LOCK through this open is told from one that was carried out before.
    // [MS-SMB2] 3.3.5.14
    pub(super) fn verifies(&self, sequence: &LockSequence) -> bool {
        !sequence.needs_durable || self.durable.is_some()
    }
}

impl File {
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            is_folder: kind == Kind::Folder,
            ..Self::default()
        }
    }

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

pub(super) fn expect<T: PartialEq + std::fmt::Debug + ?Sized>(
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
