//! Many connections at once: what each costs in memory, and what all cost an operation on one.

use super::simple::Stat;
use super::{Crowd, Folder};
use crate::bench::lanes::{self, Until};
use crate::bench::measure::{Latencies, Meter};
use crate::bench::options::Scale;
use crate::bench::servers::Kind;
use crate::bench::variant::{Connected, Variant};
use crate::bench::{Bed, Outcome};
use crate::client::{CallError, requests};

/// Holds connections, each logged on and with one open file, and asks what memory they take.
pub fn idle(bed: &Bed<'_>, variant: Variant) -> Outcome {
    // Whatever the server allocates once is there after the first.
    drop(connect(bed, variant, 1)?);
    let before = bed.server.memory();
    let meter = Meter::start(bed.server);
    let count = Crowd::Thousands.size(bed);
    let connected = connect(bed, variant, count)?;
    let taken = bed.server.memory().saturating_sub(before);
    let mut measurement = meter.finish(connected.len() as f64, Latencies::default());
    measurement.memory = Some(taken as f64 / connected.len() as f64);
    Ok(measurement)
}

/// One compound after the other, each on another connection.
pub fn stat(bed: &Bed<'_>, variant: Variant, crowd: Crowd) -> Outcome {
    let mut connected = connect(bed, variant, crowd.size(bed))?;
    let mut operation = Stat::of(Folder::Small, bed);
    let until = Until::time(bed.scale.time);
    lanes::run(bed.server, &mut connected, 1, until, &mut operation)
}

/// Connects so many clients, each with one open file.
pub fn connect(bed: &Bed<'_>, variant: Variant, count: usize) -> Result<Vec<Connected>, CallError> {
    let mut all = Vec::with_capacity(count);
    for index in 0..count {
        let mut connected = variant.connect(bed.server)?;
        let name = super::file_name(index as u64 % 100);
        let name = format!("{}\\{name}", Folder::Small.name());
        connected
            .client
            .open(connected.scope, requests::open(&name))?;
        all.push(connected);
    }
    Ok(all)
}

impl Crowd {
    /// How many connections it has.
    pub fn size(self, bed: &Bed<'_>) -> usize {
        match self {
            Self::One => 1,
            Self::Hundred => 100.min(many(bed.server.kind(), bed.scale)),
            Self::Thousand => 1000.min(many(bed.server.kind(), bed.scale)),
            Self::Thousands => many(bed.server.kind(), bed.scale),
        }
    }
}

fn many(kind: Kind, scale: &Scale) -> usize {
    let [ours, samba] = scale.connections;
    if kind == Kind::Ours { ours } else { samba }
}
