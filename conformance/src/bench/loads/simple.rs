//! Operations that change nothing: echo, open-query-close, stat.

use wire::fscc::FileInfoClass;
use wire::{CreateResponse, EchoRequest, FileId};

use super::Folder;
use crate::bench::lanes::{self, At, Message, Operation, Until};
use crate::bench::variant::Variant;
use crate::bench::{Bed, Outcome};
use crate::client::{Reply, requests};

/// ECHO, with `depth` under way.
pub fn echo(bed: &Bed<'_>, variant: Variant, depth: usize) -> Outcome {
    run(bed, variant, depth, &mut Echo)
}

/// CREATE, QUERY_INFO and CLOSE, each awaited.
pub fn open_query_close(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let mut operation = OpenQueryClose {
        names: Names::of(Folder::Large, bed),
        files: vec![FileId::NONE; LANES],
    };
    run(bed, variant, LANES, &mut operation)
}

/// CREATE, QUERY_INFO and CLOSE in one compound.
pub fn stat(bed: &Bed<'_>, variant: Variant, folder: Folder) -> Outcome {
    run(bed, variant, LANES, &mut Stat::of(folder, bed))
}

fn run(bed: &Bed<'_>, variant: Variant, lanes: usize, operation: &mut dyn Operation) -> Outcome {
    let mut connected = variant.connect(bed.server)?;
    let clients = std::slice::from_mut(&mut connected);
    let until = Until::time(bed.scale.time);
    lanes::run(bed.server, clients, lanes, until, operation)
}

struct Echo;

impl Operation for Echo {
    fn next(&mut self, at: At, _last: Option<&Reply>) -> Option<Message> {
        (at.step == 0).then(|| EchoRequest.into())
    }
}

struct OpenQueryClose {
    names: Names,
    /// The open of each lane.
    files: Vec<FileId>,
}

impl Operation for OpenQueryClose {
    fn next(&mut self, at: At, last: Option<&Reply>) -> Option<Message> {
        let file = &mut self.files[at.lane];
        match at.step {
            0 => Some(requests::open(&self.names.name(at.index)).into()),
            1 => {
                *file = last?.body::<CreateResponse>().ok()?.file_id;
                Some(requests::query_file(*file, FileInfoClass::ALL).into())
            }
            2 => Some(requests::close(*file).into()),
            _ => None,
        }
    }
}

/// One compound that asks for everything about a file.
pub struct Stat {
    names: Names,
}

impl Stat {
    /// About the files of a folder, one after the other.
    pub fn of(folder: Folder, bed: &Bed<'_>) -> Self {
        Self {
            names: Names::of(folder, bed),
        }
    }
}

impl Operation for Stat {
    fn next(&mut self, at: At, _last: Option<&Reply>) -> Option<Message> {
        (at.step == 0).then(|| {
            Message::Related(vec![
                requests::open(&self.names.name(at.index)).into(),
                requests::query_file(FileId::NONE, FileInfoClass::ALL).into(),
                requests::close(FileId::NONE).into(),
            ])
        })
    }
}

/// The files of a folder, in an order in which neighbours are far apart.
struct Names {
    folder: &'static str,
    count: u64,
}

impl Names {
    fn of(folder: Folder, bed: &Bed<'_>) -> Self {
        Self {
            folder: folder.name(),
            count: folder.size(bed.scale) as u64,
        }
    }

    fn name(&self, index: u64) -> String {
        let name = super::file_name(index.wrapping_mul(STRIDE) % self.count);
        format!("{}\\{name}", self.folder)
    }
}

const LANES: usize = 8;
/// A prime, so that all files have their turn.
const STRIDE: u64 = 7919;
