//! Further names of a file.

use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{AtFlags, CWD};
use server::share::{Name, Replace};
use wire::NtStatus;

use super::errno::status;
use super::file::Opening;
use super::names;
use super::rename::moved;
use super::security::ParentSecurity;
use super::watch::Kind;

impl Opening {
    /// Gives the file a further name. [MS-FSA] 2.1.5.15.8
    pub(super) fn link_now(&self, target: &Name, replace: Replace) -> Result<(), NtStatus> {
        if self.file.directory {
            return Err(NtStatus::FILE_IS_A_DIRECTORY);
        }
        if self.stream.is_some() || target.is_root() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let (folder, last) = self.share.root.parent(target)?;
        let wanted = names::to_disk(last).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
        ParentSecurity::of(&folder)?.check_may_add(&self.caller, self.file.directory)?;
        let _alone = self.share.changing(&folder);
        if let Some(existing) = self.share.root.stored(&folder, last).map_err(status)? {
            if replace == Replace::Never {
                return Err(NtStatus::OBJECT_NAME_COLLISION);
            }
            let Some(victim) = self.may_replace(&folder, &existing, replace)? else {
                return Ok(());
            };
            self.unlink(&self.caller, &victim, &folder, &existing)?;
        }
        let source = format!("/proc/self/fd/{}", self.file.as_fd().as_raw_fd());
        let flags = AtFlags::SYMLINK_FOLLOW;
        let own = [(folder.id, &wanted[..], Kind::Added)];
        let link = || rustix::fs::linkat(CWD, source, &folder.descriptor, &wanted[..], flags);
        self.share.watcher.own(&own, link).map_err(moved)
    }
}

#[cfg(test)]
mod tests {
    use server::share::{CloseHow, SetInfo};

    use super::super::testing::{Fixture, rename, set};
    use super::*;
    use crate::offload::tests::wait;

    #[test]
    fn a_link_is_a_further_name_of_the_file() {
        let fixture = Fixture::new();
        let file = fixture.create("file");
        let link = |name: &str, replace| {
            set(
                &file,
                SetInfo::Link {
                    target: Name::parse_text(name).unwrap(),
                    replace,
                },
            )
        };
        link("second", Replace::Never).unwrap();
        assert_eq!(
            link("SECOND", Replace::Never),
            Err(NtStatus::OBJECT_NAME_COLLISION)
        );
        link("second", Replace::IfExists).unwrap();
        assert_eq!(wait(file.handle.stat()).unwrap().links, 2);
        let second = fixture.existing("second").unwrap();
        assert_eq!(second.handle.object(), file.handle.object());
        rename(&second, "file", Replace::IfExists).unwrap();
        assert_eq!(fixture.names(), ["file"]);
        wait(second.handle.close(CloseHow::Keep)).unwrap();
        let folder = fixture.create("folder\\");
        let refused = set(
            &folder,
            SetInfo::Link {
                target: Name::parse_text("x").unwrap(),
                replace: Replace::Never,
            },
        );
        assert_eq!(refused, Err(NtStatus::FILE_IS_A_DIRECTORY));
    }
}
