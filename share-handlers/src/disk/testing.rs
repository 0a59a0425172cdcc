//! What the tests of the disk handler share: a folder, a handler on it, and short ways to use it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use server::access::{LogOn, Privileges, SecurityToken};
use server::share::{
    Caller, CloseHow, Disposition, Handle, HostUser, ListFrom, Name, OpenHow, Opened, Place,
    Replace, ReplyRoom, SetInfo, ShareHandler, Wanted, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{AccessMask, Sid};
use wire::fscc::{CaseRule, FileAttributes, Pattern};

use super::{DiskHandler, DiskOptions};
use crate::offload::tests::{Threads, wait};

/// A share of an empty folder.
pub(super) struct Fixture {
    /// The folder that holds the share's and, beside it, what must not be reached.
    pub outside: tempfile::TempDir,
    pub handler: DiskHandler,
    pub caller: Caller,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut DiskOptions)) -> Self {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("share");
        fs::create_dir(&root).unwrap();
        let mut options = DiskOptions::new(&root);
        change(&mut options);
        let handler = DiskHandler::new(options, Arc::new(Threads)).unwrap();
        Self {
            outside,
            handler,
            caller: caller(None),
        }
    }

    /// A path on the host below the share's root.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.outside.path().join("share").join(below)
    }

    /// What is in the share's folder, on the host.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(super) fn open_as(
        &self,
        caller: &Caller,
        name: &str,
        how: &OpenHow,
    ) -> Result<Opened, NtStatus> {
        wait(
            self.handler
                .open(caller, &Name::parse_text(name).unwrap(), how),
        )
    }

    pub(super) fn open(&self, name: &str, how: &OpenHow) -> Result<Opened, NtStatus> {
        self.open_as(&self.caller, name, how)
    }

    /// Makes a file, or a folder if the name ends in a backslash.
    pub(super) fn create(&self, name: &str) -> Opened {
        let wanted = if name.ends_with('\\') {
            Wanted::Directory
        } else {
            Wanted::File
        };
        self.open(
            name,
            &OpenHow {
                wanted,
                ..how(Disposition::New)
            },
        )
        .unwrap()
    }

    /// Opens what exists.
    pub(super) fn existing(&self, name: &str) -> Result<Opened, NtStatus> {
        self.open(name, &how(Disposition::Existing))
    }

    pub(super) fn list(&self, folder: &str, pattern: &str) -> Vec<String> {
        let opened = self.existing(folder).unwrap();
        let units: Vec<u16> = pattern.encode_utf16().collect();
        let pattern = Pattern::new(&units, CaseRule::Ignore);
        let mut names = Vec::new();
        let mut from = ListFrom::Start;
        loop {
            let entries = wait(opened.handle.list(from, &pattern, 400)).unwrap();
            let Some(last) = entries.last() else {
                return names;
            };
            from = ListFrom::After(last.position);
            names.extend(entries.iter().map(|entry| entry.name.to_string_lossy()));
        }
    }
}

pub(super) fn caller(host: Option<Arc<HostUser>>) -> Caller {
    let user = Sid::unix_user(host.as_ref().map_or(0, |host| host.uid));
    let group = Sid::unix_group(host.as_ref().map_or(0, |host| host.gid));
    let token =
        SecurityToken::for_log_on(LogOn::Authenticated, user, group, vec![], Privileges::NONE);
    Caller {
        user: "user".into(),
        token: Arc::new(token),
        host,
        log_on: None,
    }
}

pub(super) fn how(disposition: Disposition) -> OpenHow {
    OpenHow {
        desired_access: AccessMask::FILE_READ_DATA
            | AccessMask::FILE_WRITE_DATA
            | AccessMask::DELETE,
        disposition,
        overwrite: false,
        wanted: Wanted::Any,
        attributes: FileAttributes::NONE,
        security: None,
        allocation_size: 0,
        extended_attributes: vec![],
        write_through: false,
        open_reparse_point: false,
        backup_intent: false,
        snapshot: None,
    }
}

/// An open for the attributes alone.
pub(super) fn looking() -> OpenHow {
    OpenHow::to_look(AccessMask::FILE_READ_ATTRIBUTES)
}

pub(super) fn write(handle: &Arc<dyn Handle>, at: u64, data: &[u8]) -> Result<u32, NtStatus> {
    let at = WriteAt {
        place: Place::Offset(at),
        write_through: false,
    };
    wait(handle.write(at, Bytes::copy_from_slice(data)))
}

pub(super) fn read(handle: &Arc<dyn Handle>, at: u64, length: usize) -> Result<Vec<u8>, NtStatus> {
    let mut room = ReplyRoom::new(BytesMut::new(), 80, length);
    let read = wait(handle.read(at, &mut room))?;
    Ok(room.as_mut_slice()[..read as usize].to_vec())
}

pub(super) fn set(opened: &Opened, request: SetInfo) -> Result<(), NtStatus> {
    wait(opened.handle.set(request))
}

pub(super) fn rename(opened: &Opened, target: &str, replace: Replace) -> Result<(), NtStatus> {
    let target = Name::parse_text(target).unwrap();
    set(opened, SetInfo::Rename { target, replace })
}

pub(super) fn delete(opened: &Opened) -> Result<(), NtStatus> {
    delete_as(opened, &caller(None))
}

pub(super) fn delete_as(opened: &Opened, caller: &Caller) -> Result<(), NtStatus> {
    wait(opened.handle.close(CloseHow::Delete(caller.clone())))
}
