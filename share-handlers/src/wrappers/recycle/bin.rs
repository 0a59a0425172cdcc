//! The folder of deleted files: who sees what there, what files are called there, and when they go
//! for good.
//!
//! ```text
//! .recycle              made by the server: everybody may add a folder
//! └── alice             made by alice: nobody else sees what is in it
//!     └── letters       with `keep_tree`, the folders that files were deleted from
//!         ├── a.txt
//!         └── a (2).txt     a later one of the same name
//! ```
//!
//! Everything but the first folder is done with the rights of the user who deletes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use server::Environment;
use server::share::{
    Caller, CloseHow, Disposition, Entry, FileStat, ListFrom, Name, OpenHow, Opened, Replace,
    SetInfo, ShareHandler, Wanted,
};
use wire::dtyp::{
    AccessMask, Ace, AceFlags, Acl, AclSlot, FileTime, SecurityControl, SecurityDescriptor, Sid,
};
use wire::fscc::{CaseRule, FileAttributes, Pattern};
use wire::{NtStatus, Utf16String};

use super::RecycleOptions;

/// The folder of deleted files of a share.
pub(super) struct Bin {
    inner: Arc<dyn ShareHandler>,
    options: RecycleOptions,
    exclude: Vec<Pattern>,
    own: Caller,
    environment: Arc<dyn Environment>,
    /// When each user's folder was last swept, by the user's name.
    swept: Mutex<HashMap<Arc<str>, FileTime>>,
}

impl Bin {
    pub(super) fn new(
        inner: Arc<dyn ShareHandler>,
        options: RecycleOptions,
        own: Caller,
        environment: Arc<dyn Environment>,
    ) -> Self {
        let pattern = |text: &String| {
            Pattern::new(&text.encode_utf16().collect::<Vec<_>>(), CaseRule::Ignore)
        };
        Self {
            exclude: options.exclude.iter().map(pattern).collect(),
            inner,
            options,
            own,
            environment,
            swept: Mutex::default(),
        }
    }

    /// The share that the bin is in.
    pub(super) fn share(&self) -> &dyn ShareHandler {
        &*self.inner
    }

    /// Whether a file is kept when it is deleted.
    pub(super) fn wants(&self, name: &Name, stat: &FileStat) -> bool {
        let is_excluded = |component: &Utf16String| {
            let mut exclude = self.exclude.iter();
            exclude.any(|pattern| pattern.matches(component.as_units()))
        };
        let is_small = |largest: u64| stat.end_of_file <= largest;
        !stat.is_directory()
            && !self.is_in_bin(name)
            && !name.components().iter().any(is_excluded)
            && self.options.largest.is_none_or(is_small)
    }

    fn is_in_bin(&self, name: &Name) -> bool {
        let first = name.components().first().map(Utf16String::to_string_lossy);
        first.is_some_and(|first| first.to_lowercase() == self.options.folder.to_lowercase())
    }

    /// Opens a file so that it can be given another name.
    pub(super) async fn open_to_move(
        &self,
        caller: &Caller,
        name: &Name,
    ) -> Result<Opened, NtStatus> {
        let how = OpenHow::to_look(AccessMask::DELETE.with(AccessMask::FILE_READ_ATTRIBUTES));
        self.inner.open(caller, name, &how).await
    }

    /// Moves a file that was called `name` into the caller's folder, and makes room there.
    pub(super) async fn keep(
        &self,
        caller: &Caller,
        file: &Opened,
        name: &Name,
    ) -> Result<(), NtStatus> {
        let last = name.file_name().ok_or(NtStatus::CANNOT_DELETE)?;
        let home = self.home(caller).await?;
        let mut folder = home.clone();
        if self.options.keep_tree {
            for component in name.parent().unwrap_or_default().components() {
                folder = folder.child(component.clone());
                self.make_folder(caller, &folder, None).await?;
            }
        }
        let kept = self.versions_of(caller, &folder, last).await?;
        self.move_to(file, &folder, last, &kept).await?;
        self.forget_versions(caller, &folder, kept).await;
        self.sweep(caller, &home).await;
        Ok(())
    }

    /// Gives a file the next number that no other file of its name has.
    async fn move_to(
        &self,
        file: &Opened,
        folder: &Name,
        last: &Utf16String,
        kept: &[Version],
    ) -> Result<(), NtStatus> {
        let latest = kept.iter().map(|version| version.number).max();
        let mut number = latest.map_or(1, |latest| latest.saturating_add(1));
        // Somebody else may delete a file of this name at the same time.
        for _ in 0..MOST_TRIES {
            let target = folder.child(numbered(last, number));
            let replace = Replace::Never;
            match file.handle.set(SetInfo::Rename { target, replace }).await {
                Err(NtStatus::OBJECT_NAME_COLLISION) => number = number.saturating_add(1),
                result => return result,
            }
        }
        Err(NtStatus::OBJECT_NAME_COLLISION)
    }

    /// Deletes the earliest files of a name until there are no more than wanted, with the one that
    /// has just come.
    async fn forget_versions(&self, caller: &Caller, folder: &Name, mut kept: Vec<Version>) {
        let most = usize::try_from(self.options.versions).unwrap_or(usize::MAX);
        if most == 0 {
            return;
        }
        kept.sort_by_key(|version| version.number);
        let surplus = kept.len().saturating_add(1).saturating_sub(most);
        for version in kept.iter().take(surplus) {
            self.forget(caller, &folder.child(version.name.clone()))
                .await;
        }
    }

    /// Deletes what is older than the caller's files may get, once in a while.
    async fn sweep(&self, caller: &Caller, home: &Name) {
        let Some(max_age) = self.options.max_age else {
            return;
        };
        let now = self.environment.wall_clock();
        let pause = max_age.min(SWEEP_EVERY);
        {
            let mut swept = self.swept.lock();
            let last = swept.get(&caller.user).copied();
            if last.is_some_and(|last| age(last, now) < pause) {
                return;
            }
            if swept.len() >= MOST_USERS {
                swept.clear();
            }
            swept.insert(caller.user.clone(), now);
        }
        let mut folders = vec![home.clone()];
        let mut looked_at = 0_usize;
        while let Some(folder) = folders.pop() {
            let Ok(entries) = self.list(caller, &folder, &Pattern::any()).await else {
                continue;
            };
            looked_at = looked_at.saturating_add(entries.len());
            for entry in entries {
                let name = folder.child(entry.name);
                if entry.stat.is_directory() {
                    folders.push(name);
                } else if age(entry.stat.change_time, now) >= max_age {
                    self.forget(caller, &name).await;
                }
            }
            if looked_at > MOST_SWEPT {
                return;
            }
        }
    }

    /// Deletes a file in the bin. What cannot be deleted stays: somebody may have it open.
    async fn forget(&self, caller: &Caller, name: &Name) {
        if let Ok(opened) = self.open_to_move(caller, name).await {
            let deleted = opened.handle.close(CloseHow::Delete(caller.clone())).await;
            if let Err(status) = deleted {
                tracing::debug!(target: "smb::share", %status, "a recycled file stays");
            }
        }
    }

    /// The folder of a user, made where it is missing.
    async fn home(&self, caller: &Caller) -> Result<Name, NtStatus> {
        let folder = Name::root().child(Utf16String::from(self.options.folder.as_str()));
        let home = folder.child(folder_name(caller));
        if self.make_folder(caller, &home, None).await.is_err() {
            self.make_folder(&self.own, &folder, Some(shared_folder()?))
                .await?;
            self.make_folder(caller, &home, None).await?;
        }
        Ok(home)
    }

    async fn make_folder(
        &self,
        caller: &Caller,
        name: &Name,
        security: Option<SecurityDescriptor>,
    ) -> Result<(), NtStatus> {
        let attributes = if security.is_some() {
            FileAttributes::HIDDEN
        } else {
            FileAttributes::NONE
        };
        let how = OpenHow {
            disposition: Disposition::Either,
            wanted: Wanted::Directory,
            attributes,
            security,
            open_reparse_point: false,
            ..OpenHow::to_look(AccessMask::FILE_READ_ATTRIBUTES)
        };
        let opened = self.inner.open(caller, name, &how).await?;
        opened.handle.close(CloseHow::Keep).await
    }

    /// The files in a folder of the bin that were called `last` when they were deleted.
    async fn versions_of(
        &self,
        caller: &Caller,
        folder: &Name,
        last: &Utf16String,
    ) -> Result<Vec<Version>, NtStatus> {
        let (stem, _) = split(last.as_units());
        // Of a long stem the end is cut off to make room for the number.
        let mut expression = stem.get(..LONGEST_COMMON).unwrap_or(stem).to_vec();
        expression.push(STAR);
        let pattern = Pattern::new(&expression, CaseRule::Ignore);
        let entries = self.list(caller, folder, &pattern).await?;
        let version = |entry: Entry| {
            let number = number_of(last, &entry.name)?;
            let name = entry.name;
            Some(Version { number, name })
        };
        Ok(entries.into_iter().filter_map(version).collect())
    }

    async fn list(
        &self,
        caller: &Caller,
        folder: &Name,
        pattern: &Pattern,
    ) -> Result<Vec<Entry>, NtStatus> {
        let how = OpenHow::to_look(AccessMask::FILE_LIST_DIRECTORY);
        let opened = self.inner.open(caller, folder, &how).await?;
        let mut all: Vec<Entry> = Vec::new();
        let mut from = ListFrom::Start;
        let listed = loop {
            match opened.handle.list(from, pattern, LISTING_ROOM).await {
                Ok(entries) => match entries.last() {
                    Some(last) if all.len() < MOST_SWEPT => {
                        from = ListFrom::After(last.position);
                        all.extend(entries);
                    }
                    _ => break Ok(()),
                },
                Err(status) => break Err(status),
            }
        };
        opened.handle.close(CloseHow::Keep).await?;
        listed?;
        all.retain(|entry| ![".", ".."].contains(&&*entry.name.to_string_lossy()));
        Ok(all)
    }
}

/// A file in the bin, and the how-manieth of its name it is.
struct Version {
    number: u32,
    name: Utf16String,
}

/// What the folder of a user is called: as the user, if that can be a name.
fn folder_name(caller: &Caller) -> Utf16String {
    let is_name = |name: &Name| name.components().len() == 1 && name.stream_type().is_none();
    let name = Name::parse_text(&caller.user).ok().filter(is_name);
    let last = name.and_then(|name| name.file_name().cloned());
    last.unwrap_or_else(|| Utf16String::from(caller.token.user().to_string().as_str()))
}

/// Everybody may add a folder and find it again, and has it for himself.
fn shared_folder() -> Result<SecurityDescriptor, NtStatus> {
    let inherit = AceFlags::OBJECT_INHERIT | AceFlags::CONTAINER_INHERIT;
    let all = AccessMask::FILE_ALL_ACCESS;
    let add = AccessMask::FILE_LIST_DIRECTORY
        .with(AccessMask::FILE_ADD_SUBDIRECTORY)
        .with(AccessMask::FILE_TRAVERSE)
        .with(AccessMask::FILE_READ_ATTRIBUTES)
        .with(AccessMask::READ_CONTROL)
        .with(AccessMask::SYNCHRONIZE);
    let dacl = Acl::from_aces([
        Ace::allowed(Sid::SYSTEM, all, inherit),
        Ace::allowed(Sid::ADMINISTRATORS, all, inherit),
        Ace::allowed(Sid::CREATOR_OWNER, all, inherit | AceFlags::INHERIT_ONLY),
        Ace::allowed(Sid::EVERYONE, add, AceFlags::NONE),
    ])
    .map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
    Ok(SecurityDescriptor {
        control: SecurityControl::SELF_RELATIVE | SecurityControl::DACL_PROTECTED,
        dacl: AclSlot::List(dacl),
        ..SecurityDescriptor::default()
    })
}

/// The name of the how-manieth file called `last`: `a.txt`, `a (2).txt`. The stem is cut where the
/// whole would be longer than a name may be.
fn numbered(last: &Utf16String, number: u32) -> Utf16String {
    if number <= 1 {
        return last.clone();
    }
    let (stem, extension) = split(last.as_units());
    let suffix: Vec<u16> = format!(" ({number})").encode_utf16().collect();
    let room = LONGEST_NAME.saturating_sub(suffix.len().saturating_add(extension.len()));
    let stem = stem.get(..room).unwrap_or(stem);
    Utf16String::from_units([stem, &suffix, extension].concat())
}

/// The how-manieth file called `last` has this name; none if no such file has.
fn number_of(last: &Utf16String, name: &Utf16String) -> Option<u32> {
    let (last, name) = (last.to_string_lossy(), name.to_string_lossy());
    if last.to_lowercase() == name.to_lowercase() {
        return Some(1);
    }
    let inside = name.rsplit_once(" (")?.1.split_once(')')?.0;
    let number = inside.parse().ok().filter(|number| *number > 1)?;
    let expected = numbered(&Utf16String::from(last.as_str()), number).to_string_lossy();
    (expected.to_lowercase() == name.to_lowercase()).then_some(number)
}

/// A name before its extension, and the extension with its dot.
fn split(name: &[u16]) -> (&[u16], &[u16]) {
    let dot = name.iter().rposition(|unit| *unit == DOT);
    name.split_at(dot.filter(|at| *at > 0).unwrap_or(name.len()))
}

fn age(then: FileTime, now: FileTime) -> Duration {
    let ticks = now.0.saturating_sub(then.0);
    Duration::from_micros(ticks / 10)
}

const DOT: u16 = 0x2e;
const STAR: u16 = 0x2a;
/// In UTF-16 units.
const LONGEST_NAME: usize = 255;
/// What all numbered names of one file begin with, at most.
const LONGEST_COMMON: usize = 100;
/// How many names are tried, each of which somebody else took in the meantime.
const MOST_TRIES: u32 = 100;
const LISTING_ROOM: usize = 64 << 10;
/// How often a user's folder is swept, at most.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// How many entries are looked at in one sweep.
const MOST_SWEPT: usize = 10_000;
/// How many users' sweeps are remembered.
const MOST_USERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Utf16String {
        Utf16String::from(text)
    }

    #[test]
    fn later_files_of_a_name_are_numbered_before_the_extension() {
        for (last, number, expected) in [
            ("a.txt", 1, "a.txt"),
            ("a.txt", 2, "a (2).txt"),
            ("a.tar.gz", 3, "a.tar (3).gz"),
            ("Makefile", 2, "Makefile (2)"),
            (".profile", 2, ".profile (2)"),
        ] {
            assert_eq!(numbered(&name(last), number), name(expected));
            assert_eq!(number_of(&name(last), &name(expected)), Some(number));
        }
        assert_eq!(number_of(&name("a.txt"), &name("a (x).txt")), None);
        assert_eq!(number_of(&name("a.txt"), &name("ab (2).txt")), None);
        assert_eq!(number_of(&name("a.txt"), &name("a (1).txt")), None);
    }

    #[test]
    fn a_numbered_name_is_no_longer_than_a_name_may_be() {
        let longest = name(&format!("{}.txt", "x".repeat(251)));
        let next = numbered(&longest, 1000);
        assert_eq!(next.as_units().len(), LONGEST_NAME);
        assert!(next.to_string_lossy().ends_with("x (1000).txt"));
        assert_eq!(number_of(&longest, &next), Some(1000));
    }
}
