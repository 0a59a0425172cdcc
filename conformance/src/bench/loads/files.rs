//! Operations that change folders: create, rename, delete.

use bytes::Bytes;
use wire::create::{CreateDisposition, CreateOptions};
use wire::dtyp::AccessMask;
use wire::fscc::SetFileInformation;
use wire::fscc::file_info::{RenameFlags, RenameInformation};
use wire::{CreateRequest, CreateResponse, FileId};

use super::Folder;
use crate::bench::lanes::{self, At, Message, Operation, Until};
use crate::bench::variant::Variant;
use crate::bench::{Bed, Outcome};
use crate::client::{Reply, requests};

/// Creates files of 1 KiB beside those that `folder` has.
pub fn create(bed: &Bed<'_>, variant: Variant, folder: Folder) -> Outcome {
    let name = fresh_folder(bed, variant, "create", folder.size(bed.scale))?;
    let mut operation = Create {
        folder: name,
        data: Bytes::from_static(&[0x5a; 1024]),
        files: vec![FileId::NONE; LANES],
    };
    run(bed, variant, Until::time(bed.scale.time), &mut operation)
}

/// Gives each of 1,000 files another name, in turn.
pub fn rename(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let mut operation = Rename {
        folder: fresh_folder(bed, variant, "rename", RENAMED)?,
        files: vec![FileId::NONE; LANES],
    };
    run(bed, variant, Until::time(bed.scale.time), &mut operation)
}

/// Opens files to delete them, and closes them.
pub fn delete(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let count = (bed.scale.time.as_secs_f64() * DELETED_PER_SECOND) as usize + LANES;
    let mut operation = Delete {
        folder: fresh_folder(bed, variant, "delete", count)?,
        files: vec![FileId::NONE; LANES],
    };
    let until = Until {
        operations: count as u64,
        time: bed.scale.time,
    };
    run(bed, variant, until, &mut operation)
}

/// Makes a folder for this run alone, with so many files.
fn fresh_folder(
    bed: &Bed<'_>,
    variant: Variant,
    purpose: &str,
    count: usize,
) -> std::io::Result<String> {
    let name = format!("{purpose} {count} {variant} {}", bed.round);
    super::fill(&bed.server.share().join(&name), count)?;
    Ok(name)
}

fn run(bed: &Bed<'_>, variant: Variant, until: Until, operation: &mut dyn Operation) -> Outcome {
    let mut connected = variant.connect(bed.server)?;
    let clients = std::slice::from_mut(&mut connected);
    lanes::run(bed.server, clients, LANES, until, operation)
}

struct Create {
    folder: String,
    data: Bytes,
    files: Vec<FileId>,
}

impl Operation for Create {
    fn next(&mut self, at: At, last: Option<&Reply>) -> Option<Message> {
        let file = &mut self.files[at.lane];
        match at.step {
            0 => Some(create_new(&format!("{}\\New file {}.txt", self.folder, at.index)).into()),
            1 => {
                *file = opened(last)?;
                Some(requests::write(*file, 0, self.data.clone()).into())
            }
            2 => Some(requests::close(*file).into()),
            _ => None,
        }
    }
}

fn create_new(name: &str) -> CreateRequest {
    CreateRequest {
        create_disposition: CreateDisposition::CREATE,
        ..requests::open_or_create(name)
    }
}

struct Rename {
    folder: String,
    files: Vec<FileId>,
}

impl Rename {
    /// The name that a file has after it was renamed so many times.
    fn name(&self, file: u64, times: u64) -> String {
        let name = super::file_name(file);
        if times.is_multiple_of(2) {
            format!("{}\\{name}", self.folder)
        } else {
            format!("{}\\Renamed {name}", self.folder)
        }
    }
}

impl Operation for Rename {
    fn next(&mut self, at: At, last: Option<&Reply>) -> Option<Message> {
        let (file, times) = (at.index % RENAMED as u64, at.index / RENAMED as u64);
        match at.step {
            0 => Some(open_to_delete(&self.name(file, times), CreateOptions::NONE).into()),
            1 => {
                let change = SetFileInformation::Rename(RenameInformation {
                    flags: RenameFlags::NONE,
                    root_directory: 0,
                    file_name: self.name(file, times + 1).as_str().into(),
                });
                self.files[at.lane] = opened(last)?;
                Some(requests::set_file(self.files[at.lane], &change).into())
            }
            2 => Some(requests::close(self.files[at.lane]).into()),
            _ => None,
        }
    }
}

struct Delete {
    folder: String,
    files: Vec<FileId>,
}

impl Operation for Delete {
    fn next(&mut self, at: At, last: Option<&Reply>) -> Option<Message> {
        match at.step {
            0 => {
                let name = format!("{}\\{}", self.folder, super::file_name(at.index));
                Some(open_to_delete(&name, CreateOptions::DELETE_ON_CLOSE).into())
            }
            1 => {
                self.files[at.lane] = opened(last)?;
                Some(requests::close(self.files[at.lane]).into())
            }
            _ => None,
        }
    }
}

fn open_to_delete(name: &str, options: CreateOptions) -> CreateRequest {
    CreateRequest {
        desired_access: AccessMask::DELETE | AccessMask::FILE_READ_ATTRIBUTES,
        create_options: CreateOptions::NON_DIRECTORY_FILE | options,
        ..requests::open(name)
    }
}

fn opened(last: Option<&Reply>) -> Option<FileId> {
    Some(last?.body::<CreateResponse>().ok()?.file_id)
}

const LANES: usize = 8;
const RENAMED: usize = 1000;
/// More than any server deletes.
const DELETED_PER_SECOND: f64 = 30_000.0;
