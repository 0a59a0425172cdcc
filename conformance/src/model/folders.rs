//! Folders: which names are below which, and what a folder lets happen to itself and to them.

use wire::NtStatus;

use super::caching::ROOT;
use super::files::{Model, Open};
use super::operation::{Access, Sharing};
use super::rules;

impl Model {
    /// The folder that a name is in, if there is such a folder.
    pub(super) fn folder_of(&self, name: &str) -> Option<u64> {
        match name.rsplit_once(SEPARATOR) {
            Some((folder, _)) => self.names.get(folder).copied(),
            None => Some(ROOT),
        }
    }

    /// The names in a folder, in their order.
    pub(super) fn names_in(&self, folder: u64) -> Vec<String> {
        let prefix = self.prefix(folder);
        let names = self.names.keys();
        let below = names.filter_map(|name| name.strip_prefix(&prefix));
        let own = below.filter(|name| !name.contains(SEPARATOR));
        own.map(str::to_owned).collect()
    }

    /// Whether a file is anywhere below a folder.
    pub(super) fn is_below(&self, file: u64, folder: u64) -> bool {
        let is_folder = self.files.get(&folder).is_some_and(|file| file.is_folder);
        let file = self.files.get(&file);
        is_folder && file.is_some_and(|file| file.name.starts_with(&self.prefix(folder)))
    }

    /// Gives everything below a folder the name that it has with the folder's new one.
    pub(super) fn move_below(&mut self, old: &str, new: &str) {
        let prefix = format!("{old}{SEPARATOR}");
        let names = self.names.iter();
        let below = names.filter(|(name, _)| name.starts_with(&prefix));
        let below: Vec<_> = below.map(|(name, file)| (name.clone(), *file)).collect();
        for (name, file) in below {
            self.names.remove(&name);
            let moved = format!("{new}{}", &name[old.len()..]);
            if let Some(file) = self.files.get_mut(&file) {
                file.name.clone_from(&moved);
            }
            self.names.insert(moved, file);
        }
    }

    /// Why nothing can be opened or made by a name.
    // [MS-FSA] 2.1.5.1
    pub(super) fn refused_path(&self, name: &str) -> Option<NtStatus> {
        let Some(folder) = self.folder_of(name) else {
            return Some(NtStatus::OBJECT_PATH_NOT_FOUND);
        };
        let is_going = self.files[&folder].delete_pending;
        is_going.then_some(NtStatus::DELETE_PENDING)
    }

    /// Why nothing that is there already gets this name.
    // [MS-FSA] 2.1.5.15.12
    pub(super) fn refused_target(&self, name: &str) -> Vec<NtStatus> {
        let mut wrong: Vec<_> = self.refused_path(name).into_iter().collect();
        let folder = self.folder_of(name);
        // observed: Windows 11 and Windows Server 2022 open the folder without sharing DELETE
        let adding = Access {
            write: true,
            ..Access::NONE
        };
        let sharing = Sharing {
            delete: false,
            ..Sharing::ALL
        };
        let mut opens = self.opens.values().filter(|open| Some(open.file) == folder);
        let excludes =
            |open: &Open| rules::conflicts((adding, sharing), (open.access, open.sharing));
        if opens.any(excludes) {
            wrong.push(NtStatus::SHARING_VIOLATION);
        }
        wrong
    }

    /// The opens of what is below a folder: as long as there are any, it keeps its name.
    // [MS-FSA] 2.1.4.2
    pub(super) fn opens_below(&self, folder: u64) -> Vec<&Open> {
        let opens = self.opens.values();
        opens
            .filter(|open| self.is_below(open.file, folder))
            .collect()
    }

    fn prefix(&self, folder: u64) -> String {
        match self.files.get(&folder) {
            Some(file) if folder != ROOT => format!("{}{SEPARATOR}", file.name),
            _ => String::new(),
        }
    }
}

/// What stands between the names on a path.
pub(super) const SEPARATOR: char = '\\';
