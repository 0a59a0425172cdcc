//! The rows of the report: which loads, with which protection, and how fast they should be.

use super::loads::{Crowd, Direction, Folder, Load};
use super::options::Options;
use super::variant::Variant;

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is done.
    pub load: Load,
    /// How messages are protected.
    pub variant: Variant,
    /// What the work is counted in.
    pub unit: Unit,
    /// What it is compared with.
    pub bar: Option<Bar>,
    name: &'static str,
}

/// What the work of a row is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// GiB.
    Data,
    /// Operations, entries or log-ons.
    Operations,
    /// Connections, whose memory is what counts.
    Memory,
}

/// What this server is to reach, as ratios to the better Samba of the row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// At most this much of its CPU time.
    pub cpu: f64,
    /// At least this much of its throughput.
    pub throughput: f64,
}

impl Row {
    /// The row's name, with its protection.
    pub fn name(&self) -> String {
        format!("{}, {}", self.name, self.variant)
    }
}

/// All rows that the options ask for.
pub fn all(options: &Options) -> Vec<Row> {
    // First of all: memory that another row needed and gave back would not be counted.
    let mut rows = vec![row(
        "idle connections",
        Load::Idle,
        Variant::Plain,
        Unit::Memory,
        None,
    )];
    rows.extend(bulk());
    rows.extend(metadata());
    rows.extend(caching());
    rows.extend(scaling());
    let is_wanted = |row: &Row| {
        let name = row.name();
        options.rows.is_empty() || options.rows.iter().any(|part| name.contains(part))
    };
    rows.retain(is_wanted);
    rows
}

fn bulk() -> Vec<Row> {
    use Direction::{Read, Write};
    use Variant::{Ccm, Cmac, Gcm, Gmac, Plain};
    let all = [Plain, Cmac, Gmac, Gcm, Ccm];
    let mut rows = Vec::new();
    for (name, load) in [
        ("read 1 MiB", Load::Bulk(Read, 1 << 20)),
        ("write 1 MiB", Load::Bulk(Write, 1 << 20)),
        ("read 64 KiB", Load::Bulk(Read, 1 << 16)),
        ("write 64 KiB", Load::Bulk(Write, 1 << 16)),
    ] {
        rows.extend(all.map(|variant| row(name, load, variant, Unit::Data, data_bar(variant))));
    }
    for (name, load) in [
        ("random read 4 KiB", Load::Random(Read)),
        ("random write 4 KiB", Load::Random(Write)),
    ] {
        let some = [Plain, Cmac, Gmac, Gcm];
        let unit = Unit::Operations;
        rows.extend(some.map(|variant| row(name, load, variant, unit, data_bar(variant))));
    }
    rows
}

fn metadata() -> Vec<Row> {
    let folder = Folder::Small;
    let mut rows = Vec::new();
    for (name, load) in [
        ("open-query-close", Load::OpenQueryClose),
        ("stat, 10,000 files", Load::Stat(Folder::Large)),
        (
            "create-write-close, 10,000 files",
            Load::CreateWriteClose(Folder::Large),
        ),
        ("rename", Load::Rename),
        ("delete", Load::Delete),
        ("list 10,000 entries", Load::Listing(Folder::Large)),
        ("list 100,000 entries", Load::Listing(Folder::Huge)),
    ] {
        let both = [Variant::Plain, Variant::Gmac, Variant::Gcm];
        rows.extend(both.map(|variant| operations(name, load, variant, Some(METADATA))));
    }
    let plain = Variant::Plain;
    rows.extend([
        operations("log-on", Load::Logon, plain, Some(LOGON)),
        operations("echo, depth 1", Load::Echo(1), plain, None),
        operations("echo, depth 32", Load::Echo(32), plain, None),
        operations("stat, 100 files", Load::Stat(folder), plain, Some(METADATA)),
    ]);
    rows
}

/// Rows of what clients may cache and lock.
fn caching() -> Vec<Row> {
    [
        ("open with lease", Load::OpenWithLease),
        ("open with batch oplock, many clients", Load::BatchOplocks),
        ("lock, unlock, depth 32", Load::LockUnlock),
        ("lease break", Load::LeaseBreak),
    ]
    .map(|(name, load)| operations(name, load, Variant::Plain, Some(OPEN_STATE)))
    .into()
}

/// Rows that show what grows with the number of files and connections, and what does not.
fn scaling() -> Vec<Row> {
    let plain = Variant::Plain;
    let small = Load::CreateWriteClose(Folder::Small);
    let huge = Load::CreateWriteClose(Folder::Huge);
    let one = Load::StatOver(Crowd::One);
    let hundred = Load::StatOver(Crowd::Hundred);
    let thousands = Load::StatOver(Crowd::Thousands);
    vec![
        operations(
            "create-write-close, 100 files",
            small,
            plain,
            Some(METADATA),
        ),
        operations(
            "create-write-close, 100,000 files",
            huge,
            plain,
            Some(METADATA),
        ),
        operations(
            "stat, 100,000 files",
            Load::Stat(Folder::Huge),
            plain,
            Some(METADATA),
        ),
        operations("stat in turn, 1 connection", one, plain, None),
        operations("stat in turn, 100 connections", hundred, plain, None),
        operations("stat in turn, many connections", thousands, plain, None),
    ]
}

fn operations(name: &'static str, load: Load, variant: Variant, bar: Option<Bar>) -> Row {
    row(name, load, variant, Unit::Operations, bar)
}

fn row(name: &'static str, load: Load, variant: Variant, unit: Unit, bar: Option<Bar>) -> Row {
    Row {
        load,
        variant,
        unit,
        bar,
        name,
    }
}

fn data_bar(variant: Variant) -> Option<Bar> {
    Some(if variant == Variant::Plain {
        PLAIN_DATA
    } else {
        PROTECTED_DATA
    })
}

const PLAIN_DATA: Bar = Bar {
    cpu: 1.0,
    throughput: 1.0,
};
const PROTECTED_DATA: Bar = Bar {
    cpu: 0.7,
    throughput: 1.3,
};
const METADATA: Bar = Bar {
    cpu: 0.4,
    throughput: 1.5,
};
const OPEN_STATE: Bar = Bar {
    cpu: 0.5,
    throughput: 1.0,
};
const LOGON: Bar = Bar {
    cpu: 0.2,
    throughput: 3.0,
};
