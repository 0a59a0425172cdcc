//! What clients may cache: opens with leases and oplocks, their breaks, and byte-range locks.

use std::io;
use std::time::Instant;

use wire::create::{CreateContext, LeaseContext, LeaseContextV2, LeaseFlags, LeaseState};
use wire::lock::{LockElement, LockFlags, LockSequence};
use wire::oplock_break::{LeaseBreak, OplockBreakAcknowledgment, OplockBreakNotification};
use wire::{CreateRequest, CreateResponse, FileId, LeaseKey, LockRequest, OplockLevel};

use super::{Crowd, Folder, file_name};
use crate::bench::lanes::{self, At, Message, Operation, Until};
use crate::bench::measure::{Latencies, Meter};
use crate::bench::variant::{Connected, Variant};
use crate::bench::{Bed, Outcome};
use crate::client::{CallError, Reply, requests};

/// CREATE with a lease of its own that nobody contests, and CLOSE.
pub fn open_with_lease(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let mut connected = variant.connect(bed.server)?;
    grants(&mut connected, Asked::Lease)?;
    let clients = std::slice::from_mut(&mut connected);
    run(bed, clients, LANES, &mut OpenClose::of(Asked::Lease, bed))
}

/// CREATE with a batch oplock and CLOSE, by many clients in turn and each on another file.
pub fn batch_oplocks(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let mut clients = super::connections::connect(bed, variant, Crowd::Thousand.size(bed))?;
    grants(&mut clients[0], Asked::Batch)?;
    let mut operation = OpenClose::of(Asked::Batch, bed);
    run(bed, &mut clients, LANES, &mut operation)
}

/// LOCK and unlock, of as many ranges of one open at once as there are lanes.
pub fn lock_unlock(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let mut connected = variant.connect(bed.server)?;
    let request = requests::open_or_create(&name(0));
    let file = connected.client.open(connected.scope, request)?.id;
    let clients = std::slice::from_mut(&mut connected);
    run(bed, clients, LOCK_LANES, &mut LockUnlock { file })
}

/// One client's lease is broken by another's open, again and again; the time is that of the open.
pub fn lease_break(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let mut holder = variant.connect(bed.server)?;
    let mut other = variant.connect(bed.server)?;
    grants(&mut holder, Asked::Lease)?;
    let leased = Asked::Lease.of(requests::open_or_create(&name(0)), 0);
    // Keeps the lease from ending when the open that raises it again is closed.
    holder.client.open(holder.scope, leased.clone())?;
    let mut latencies = Latencies::with_room();
    let meter = Meter::start(bed.server);
    while meter.elapsed() < bed.scale.time {
        let begun = Instant::now();
        let request = requests::open(&name(0));
        let awaited = other.client.post(other.scope, request)?;
        acknowledge(&mut holder)?;
        let reply = other.client.receive_final(awaited)?;
        latencies.push(begun.elapsed());
        let opened: CreateResponse = reply.body().map_err(io::Error::other)?;
        other
            .client
            .call(other.scope, requests::close(opened.file_id))?;
        let again = holder.client.open(holder.scope, leased.clone())?;
        holder.client.close(&again)?;
    }
    let done = latencies.count() as f64;
    Ok(meter.finish(done, latencies))
}

/// Waits for the break of a lease, and gives up what has to be given up.
fn acknowledge(holder: &mut Connected) -> Result<(), CallError> {
    let notice = loop {
        let message = holder.client.receive()?;
        if message.is_notification() {
            break message.body().map_err(io::Error::other)?;
        }
    };
    let OplockBreakNotification::Lease(broken) = notice else {
        return Err(io::Error::other("an oplock was broken, not the lease").into());
    };
    let kept = OplockBreakAcknowledgment::Lease(LeaseBreak {
        lease_key: broken.lease_key,
        lease_state: broken.new_lease_state,
    });
    let reply = holder.client.call(holder.scope, kept)?;
    if reply.status().is_error() {
        return Err(CallError::Status(reply.status()));
    }
    Ok(())
}

/// Fails unless the server grants what the load is about.
fn grants(connected: &mut Connected, asked: Asked) -> Result<(), CallError> {
    let request = asked.of(requests::open_or_create(&name(0)), 0);
    let reply = connected.client.call(connected.scope, request)?;
    let opened: CreateResponse = reply.body().map_err(io::Error::other)?;
    let is_granted = opened.oplock_level == asked.level();
    connected
        .client
        .call(connected.scope, requests::close(opened.file_id))?;
    if is_granted {
        Ok(())
    } else {
        Err(io::Error::other(format!("{asked:?} is not granted")).into())
    }
}

fn run(
    bed: &Bed<'_>,
    clients: &mut [Connected],
    lanes: usize,
    operation: &mut dyn Operation,
) -> Outcome {
    let until = Until::time(bed.scale.time);
    lanes::run(bed.server, clients, lanes, until, operation)
}

fn name(index: u64) -> String {
    format!("{}\\{}", Folder::Large.name(), file_name(index))
}

/// The caching that an open asks for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Everything that a lease can give.
    Lease,
    /// A batch oplock.
    Batch,
}

impl Asked {
    fn level(self) -> OplockLevel {
        match self {
            Self::Lease => OplockLevel::LEASE,
            Self::Batch => OplockLevel::BATCH,
        }
    }

    /// The request that asks for it; `key` tells leases apart.
    fn of(self, request: CreateRequest, key: u64) -> CreateRequest {
        let contexts = match self {
            Self::Lease => vec![CreateContext::RequestLease(lease(key))],
            Self::Batch => Vec::new(),
        };
        CreateRequest {
            requested_oplock_level: self.level(),
            contexts: contexts.into(),
            ..request
        }
    }
}

fn lease(key: u64) -> LeaseContext {
    let mut lease_key = LeaseKey([0x11; 16]);
    lease_key.0[..8].copy_from_slice(&key.to_le_bytes());
    LeaseContext {
        lease_key,
        lease_state: LeaseState::READ_CACHING
            | LeaseState::HANDLE_CACHING
            | LeaseState::WRITE_CACHING,
        lease_flags: LeaseFlags::NONE,
        v2: Some(LeaseContextV2 {
            parent_lease_key: LeaseKey([0; 16]),
            epoch: 1,
        }),
    }
}

struct OpenClose {
    asked: Asked,
    files: u64,
}

impl OpenClose {
    fn of(asked: Asked, bed: &Bed<'_>) -> Self {
        let files = Folder::Large.size(bed.scale) as u64;
        Self { asked, files }
    }
}

impl Operation for OpenClose {
    fn next(&mut self, at: At, last: Option<&Reply>) -> Option<Message> {
        match at.step {
            0 => {
                let file = at.index % self.files;
                let request = requests::open_or_create(&name(file));
                Some(self.asked.of(request, file).into())
            }
            1 => {
                let opened: CreateResponse = last?.body().ok()?;
                Some(requests::close(opened.file_id).into())
            }
            _ => None,
        }
    }
}

struct LockUnlock {
    file: FileId,
}

impl Operation for LockUnlock {
    fn next(&mut self, at: At, _last: Option<&Reply>) -> Option<Message> {
        let flags = match at.step {
            0 => LockFlags::EXCLUSIVE_LOCK | LockFlags::FAIL_IMMEDIATELY,
            1 => LockFlags::UNLOCK,
            _ => return None,
        };
        let range = LockElement {
            offset: at.lane as u64 * 64,
            length: 64,
            flags,
        };
        let request = LockRequest {
            lock_sequence: LockSequence::default(),
            file_id: self.file,
            locks: vec![range],
        };
        Some(request.into())
    }
}

const LANES: usize = 8;
/// With fewer under way, waking the client is all that costs anything.
const LOCK_LANES: usize = 32;
