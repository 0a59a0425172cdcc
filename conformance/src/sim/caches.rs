//! What one simulated client may cache, as it was told; judges each notice by what came before it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::create::{CreateResponseContext, LeaseContext, LeaseContextV2, LeaseFlags, LeaseState};
use wire::oplock_break::{LeaseBreak, LeaseBreakFlags, LeaseBreakNotification, OplockBreak};
use wire::{
    CreateResponse, FileId, LeaseKey, OplockBreakAcknowledgment, OplockBreakNotification,
    OplockBreakResponse, Response,
};

use super::random::Random;
use crate::client::Reply;

/// The oplocks and leases of one client.
#[derive(Default)]
pub struct Caches {
    /// Every open that the server has told of; a notice may cross with its CLOSE.
    opens: BTreeSet<FileId>,
    leases: BTreeMap<LeaseKey, Lease>,
    /// What is to be acknowledged, the oldest first.
    broken: VecDeque<OplockBreakAcknowledgment>,
    last_key: u128,
    is_doubtful: bool,
    /// The key last used for each name.
    keys: BTreeMap<String, LeaseKey>,
    /// When what is noted has come.
    now: Heard,
}

/// A lease as its client knows it.
#[derive(Clone, Copy)]
struct Lease {
    state: LeaseState,
    /// Zero in version 1.
    epoch: u16,
    /// When the client last heard of it.
    heard: Heard,
}

/// When something came, and over which channel. What comes in one round over several channels is in no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Heard {
    round: u64,
    channel: u64,
}

impl Lease {
    /// Whether a reply is older than what the client knows, though it comes later: another channel was faster.
    /// A lower epoch that comes in another round is that of a new lease of the key.
    // [MS-SMB2] 3.2.5.7.5
    fn has_overtaken(&self, epoch: u16, heard: Heard) -> bool {
        let is_newer = self.epoch != 0 && epoch != 0 && is_before(epoch, self.epoch);
        let is_unordered = self.heard.round == heard.round && self.heard.channel != heard.channel;
        is_newer && is_unordered
    }
}

/// Whether one epoch is before another: they wrap around.
fn is_before(epoch: u16, other: u16) -> bool {
    epoch.wrapping_sub(other) > i16::MAX as u16
}

impl Caches {
    /// Those of a client that has nothing yet. Its keys are no other client's: a change spares whoever has the key
    /// that it names.
    pub fn of(client: usize) -> Self {
        Self {
            last_key: (client as u128) << 64,
            ..Self::default()
        }
    }

    /// The key of the client's lease on the root: none that [`Caches::new_lease`] makes.
    pub fn root_key(client: usize) -> LeaseKey {
        LeaseKey((u128::MAX - client as u128).to_be_bytes())
    }

    /// A lease of a key of its own to ask for.
    pub fn new_lease(&mut self, random: &mut Random) -> LeaseContext {
        self.last_key += 1;
        let read = LeaseState::READ_CACHING;
        let handle = read | LeaseState::HANDLE_CACHING;
        let write = LeaseState::WRITE_CACHING;
        LeaseContext {
            lease_key: LeaseKey(self.last_key.to_be_bytes()),
            lease_state: *random.pick(&[read, handle, read | write, handle | write]),
            lease_flags: LeaseFlags::NONE,
            v2: random.once_in(2).then_some(LeaseContextV2 {
                parent_lease_key: LeaseKey([0; 16]),
                epoch: 0,
            }),
        }
    }

    /// The key of the lease that was last asked for on a name.
    pub fn key_for(&self, name: &str) -> Option<LeaseKey> {
        self.keys.get(name).copied()
    }

    /// Remembers that a key is used for a name.
    pub fn name_key(&mut self, key: LeaseKey, name: &str) {
        self.keys.insert(name.to_owned(), key);
    }

    /// The connection is lost, with the breaks that were to be acknowledged on it.
    pub fn disconnected(&mut self) {
        self.broken.clear();
    }

    /// The acknowledgment of the oldest break.
    pub fn acknowledge(&mut self) -> Option<OplockBreakAcknowledgment> {
        self.broken.pop_front()
    }

    /// What comes from now on has come later than all before.
    pub fn begin_round(&mut self) {
        self.now.round += 1;
    }

    /// These, to take note of what has come over this channel.
    pub fn over(&mut self, channel: u64) -> &mut Self {
        self.now.channel = channel;
        self
    }

    /// Takes note of what a message says of caching; false if the client has heard of what came after it.
    ///
    /// # Errors
    /// A notice does not fit what the client was told before.
    pub fn note(&mut self, reply: &Reply) -> Result<bool, String> {
        match reply.response() {
            Ok(Response::Create(created)) => self.note_open(&created),
            Ok(Response::OplockBreakNotification(OplockBreakNotification::Oplock(broken))) => {
                self.note_oplock_break(broken)?;
            }
            Ok(Response::OplockBreakNotification(OplockBreakNotification::Lease(broken))) => {
                return self.note_lease_break(broken);
            }
            Ok(Response::OplockBreak(OplockBreakResponse::Lease(kept))) => {
                if let Some(lease) = self.leases.get_mut(&kept.lease_key) {
                    lease.state = kept.lease_state;
                    lease.heard = self.now;
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// The same of a notice that comes late: of what was before it, the client may not have heard.
    ///
    /// # Errors
    /// Its open or lease is not known.
    pub fn note_late(&mut self, reply: &Reply) -> Result<bool, String> {
        let is_doubtful = std::mem::replace(&mut self.is_doubtful, true);
        let noted = self.note(reply);
        self.is_doubtful = is_doubtful;
        noted
    }

    /// The same of a notice that the client has heard already: it only has another epoch, if it is news.
    pub fn note_again(&mut self, reply: &Reply) {
        if let Ok(Response::OplockBreakNotification(OplockBreakNotification::Lease(broken))) =
            reply.response()
            && let Some(lease) = self.leases.get_mut(&broken.lease_key)
            && lease.epoch != 0
            && !is_before(broken.new_epoch, lease.epoch)
        {
            lease.epoch = broken.new_epoch;
            lease.heard = self.now;
        }
    }

    /// From now on, leases may be other than the client knows: a CREATE may have changed one and then failed,
    /// or have been carried out when its connection was lost.
    pub fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    fn note_open(&mut self, created: &CreateResponse) {
        self.opens.insert(created.file_id);
        for context in &created.contexts {
            if let CreateResponseContext::Lease(lease) = context {
                let epoch = lease.v2.map_or(0, |v2| v2.epoch);
                let state = lease.lease_state;
                let known = self.leases.get(&lease.lease_key);
                if known.is_some_and(|known| known.has_overtaken(epoch, self.now)) {
                    continue;
                }
                // Without epochs, nobody can tell whether less is an older reply or a newer lease.
                self.is_doubtful |= epoch == 0 && known.is_some_and(|known| known.state != state);
                let heard = self.now;
                let news = Lease {
                    state,
                    epoch,
                    heard,
                };
                self.leases.insert(lease.lease_key, news);
            }
        }
    }

    fn note_oplock_break(&mut self, broken: OplockBreak) -> Result<(), String> {
        if !self.opens.contains(&broken.file_id) && !self.is_doubtful {
            return Err(format!("{broken:?} before its open is known"));
        }
        self.broken
            .push_back(OplockBreakAcknowledgment::Oplock(broken));
        Ok(())
    }

    fn note_lease_break(&mut self, broken: LeaseBreakNotification) -> Result<bool, String> {
        let lease = self.leases.get_mut(&broken.lease_key);
        if lease.is_none() && self.is_doubtful {
            return Ok(false);
        }
        let lease = lease.ok_or_else(|| format!("{broken:?} before its lease is known"))?;
        let wants_answer = broken.flags.contains(LeaseBreakFlags::ACK_REQUIRED);
        // [MS-SMB2] 3.2.5.19.2
        let is_old = lease.epoch != 0 && is_before(broken.new_epoch, lease.epoch);
        let is_nothing = lease.epoch == 0 && lease.state.is_empty();
        if !wants_answer && (is_nothing || is_old) {
            return Ok(false);
        }
        if self.is_doubtful {
            lease.state = broken.current_lease_state;
            lease.epoch = broken.new_epoch.saturating_sub(1);
        }
        // [MS-SMB2] 3.3.4.7
        let next = if lease.epoch == 0 {
            0
        } else {
            lease.epoch.wrapping_add(1)
        };
        let follows = broken.new_epoch == next && broken.current_lease_state == lease.state;
        let is_less = lease.state.contains(broken.new_lease_state);
        if !follows || !is_less || broken.new_lease_state == lease.state {
            return Err(format!(
                "{broken:?} of {:?}, epoch {}",
                lease.state, lease.epoch
            ));
        }
        lease.epoch = next;
        lease.heard = self.now;
        if wants_answer {
            self.broken
                .push_back(OplockBreakAcknowledgment::Lease(LeaseBreak {
                    lease_key: broken.lease_key,
                    lease_state: broken.new_lease_state,
                }));
        } else {
            lease.state = broken.new_lease_state;
        }
        Ok(true)
    }
}
