//! Reading and writing 4 KiB anywhere in a file.

use bytes::Bytes;
use wire::FileId;

use super::{Direction, bulk};
use crate::bench::lanes::{self, At, Message, Operation, Until};
use crate::bench::variant::Variant;
use crate::bench::{Bed, Outcome};
use crate::client::{Reply, requests};

/// Reads or writes as often as the time allows.
pub fn run(bed: &Bed<'_>, variant: Variant, direction: Direction) -> Outcome {
    let mut connected = variant.connect(bed.server)?;
    let mut operation = Random {
        file: bulk::open(&mut connected)?.id,
        direction,
        pieces: bed.scale.file_size / u64::from(SIZE),
        state: 0x9e37_79b9_7f4a_7c15,
        data: Bytes::from(vec![0xa5; SIZE as usize]),
    };
    let clients = std::slice::from_mut(&mut connected);
    let until = Until::time(bed.scale.time);
    lanes::run(bed.server, clients, LANES, until, &mut operation)
}

struct Random {
    file: FileId,
    direction: Direction,
    pieces: u64,
    state: u64,
    data: Bytes,
}

impl Random {
    /// The next of a series that is the same in every run.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

impl Operation for Random {
    fn next(&mut self, at: At, _last: Option<&Reply>) -> Option<Message> {
        if at.step > 0 {
            return None;
        }
        let offset = self.random() % self.pieces * u64::from(SIZE);
        Some(match self.direction {
            Direction::Read => requests::read(self.file, offset, SIZE).into(),
            Direction::Write => requests::write(self.file, offset, self.data.clone()).into(),
        })
    }
}

const SIZE: u32 = 4096;
const LANES: usize = 32;
