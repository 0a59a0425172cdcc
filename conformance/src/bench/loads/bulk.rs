//! Reading and writing a file from front to back.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use wire::{FileId, NtStatus};

use super::Direction;
use crate::bench::lanes::{self, At, Message, Operation, Until};
use crate::bench::options::Scale;
use crate::bench::variant::{Connected, Variant};
use crate::bench::{Bed, Outcome};
use crate::client::{CallError, OpenFile, Reply, requests};

/// Moves as many bytes as the scale says, over and over the same file.
pub fn run(bed: &Bed<'_>, variant: Variant, direction: Direction, size: u32) -> Outcome {
    let mut connected = variant.connect(bed.server)?;
    let file = open(&mut connected)?;
    verify(&mut connected, &file)?;
    let mut operation = Transfer {
        file: file.id,
        direction,
        size,
        file_size: bed.scale.file_size,
        data: Bytes::from(vec![PATTERN; size as usize]),
    };
    let count = bed.scale.bytes / u64::from(size);
    // Small pieces need more of them under way to keep a server busy.
    let lanes = bed.scale.depth * if size < LARGE { 4 } else { 1 };
    let clients = std::slice::from_mut(&mut connected);
    lanes::run(
        bed.server,
        clients,
        lanes,
        Until::operations(count),
        &mut operation,
    )
}

/// Makes the file, so that every page of it exists: one for all servers, since how the pages of a
/// file lie in memory decides what a copy costs.
pub fn prepare(shares: &[&Path], scale: &Scale) -> io::Result<()> {
    let Some((first, others)) = shares.split_first() else {
        return Ok(());
    };
    let path = first.join(NAME);
    let mut file = File::create(&path)?;
    let piece = vec![PATTERN; 1 << 20];
    for _ in 0..scale.file_size >> 20 {
        file.write_all(&piece)?;
    }
    super::open(&path)?;
    others
        .iter()
        .try_for_each(|share| std::fs::hard_link(&path, share.join(NAME)))
}

/// Opens the file.
pub fn open(connected: &mut Connected) -> Result<OpenFile, CallError> {
    connected
        .client
        .open(connected.scope, requests::open_or_create(NAME))
}

/// Reads a piece and looks at it: once, before the clock runs.
fn verify(connected: &mut Connected, file: &OpenFile) -> Result<(), CallError> {
    let data = connected.client.read(file, 0, 65_536)?;
    if data.len() == 65_536 && data.iter().all(|byte| *byte == PATTERN) {
        Ok(())
    } else {
        Err(CallError::Io(io::Error::other("the file has other data")))
    }
}

struct Transfer {
    file: FileId,
    direction: Direction,
    size: u32,
    file_size: u64,
    data: Bytes,
}

impl Operation for Transfer {
    fn next(&mut self, at: At, _last: Option<&Reply>) -> Option<Message> {
        if at.step > 0 {
            return None;
        }
        let offset = at.index * u64::from(self.size) % self.file_size;
        Some(match self.direction {
            Direction::Read => requests::read(self.file, offset, self.size).into(),
            Direction::Write => requests::write(self.file, offset, self.data.clone()).into(),
        })
    }

    fn accepts(&self, status: NtStatus) -> bool {
        status == NtStatus::SUCCESS
    }

    fn work(&self, operations: u64) -> f64 {
        (operations * u64::from(self.size)) as f64 / GIB
    }
}

const NAME: &str = "large file";
const PATTERN: u8 = 0xa5;
const LARGE: u32 = 1 << 20;
/// Data are counted in these.
pub const GIB: f64 = 1_073_741_824.0;
