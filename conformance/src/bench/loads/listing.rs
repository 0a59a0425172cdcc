//! Listing a folder from its first entry to its last.

use wire::{CreateResponse, FileId, NtStatus, QueryDirectoryResponse};

use super::Folder;
use crate::bench::lanes::{self, At, Message, Operation, Until};
use crate::bench::variant::Variant;
use crate::bench::{Bed, Outcome};
use crate::client::{Reply, requests};

/// Lists a folder again and again; the work is counted in entries.
pub fn run(bed: &Bed<'_>, variant: Variant, folder: Folder) -> Outcome {
    let mut connected = variant.connect(bed.server)?;
    let mut operation = Listing {
        folder: folder.name(),
        directory: FileId::NONE,
        entries: 0,
    };
    let clients = std::slice::from_mut(&mut connected);
    let until = Until::time(bed.scale.time);
    lanes::run(bed.server, clients, 1, until, &mut operation)
}

struct Listing {
    folder: &'static str,
    directory: FileId,
    entries: u64,
}

impl Operation for Listing {
    fn next(&mut self, at: At, last: Option<&Reply>) -> Option<Message> {
        let Some(last) = last else {
            return Some(requests::open_directory(self.folder).into());
        };
        if at.step == 1 {
            self.directory = last.body::<CreateResponse>().ok()?.file_id;
        } else if last.header.command == wire::Command::Close.into() {
            return None;
        } else if last.status() == NtStatus::NO_MORE_FILES {
            return Some(requests::close(self.directory).into());
        } else {
            let page = last.body::<QueryDirectoryResponse>().ok()?;
            self.entries += count(&page.output);
        }
        Some(requests::list(self.directory, ROOM).into())
    }

    fn accepts(&self, status: NtStatus) -> bool {
        status == NtStatus::SUCCESS || status == NtStatus::NO_MORE_FILES
    }

    fn work(&self, _operations: u64) -> f64 {
        self.entries as f64
    }
}

/// How many entries a page has: they are linked by their first four bytes.
fn count(mut page: &[u8]) -> u64 {
    let mut entries = 0;
    while let Some(next) = page.first_chunk() {
        entries += 1;
        match u32::from_le_bytes(*next) as usize {
            0 => break,
            next => page = page.get(next..).unwrap_or_default(),
        }
    }
    entries
}

const ROOM: u32 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_along_their_links() {
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[8, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1]), 2);
        assert_eq!(count(&[255, 0, 0, 0]), 1);
    }
}
