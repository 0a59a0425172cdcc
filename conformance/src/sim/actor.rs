//! One simulated client: its connections, what it has open, and what it has asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use server::Server;
use wire::create::LeaseState;
use wire::dtyp::Guid;
use wire::{
    Dialect, FileId, HeaderFlags, MessageId, NtStatus, OplockBreakAcknowledgment, OplockLevel,
    Request,
};

use super::caches::Caches;
use super::channel::{Channel, Identity, Purpose};
use super::channels::Hearing;
use super::environment::Virtual;
use super::locks::SentLocks;
use super::plan::Profile;
use super::random::Random;
use super::translation::state_of;
use super::world::{OTHER_USER, SHARE, USER};
use crate::client::{Protection, Reply, Scope, requests};
use crate::model::{Counted, Holder, Operation, Sending};

/// By what a client knows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The number of the connection that it went over.
    pub channel: u64,
    /// Its MessageId.
    pub message_id: MessageId,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is asked for, as the model sees it once it has reached the server.
    pub operation: Operation,
    /// What is asked for.
    pub meant: Operation,
    /// How that is said.
    pub request: Request,
    /// How it was sent; none in dialects without channels.
    pub sending: Option<Sending>,
    /// How the model counts it, once it has reached the server.
    pub counted: Option<Counted>,
}

/// One client.
pub struct Actor {
    /// Its connections: one, or the channels of its session.
    pub channels: Vec<Channel>,
    /// What the client has asked for and not been answered.
    pub asked: BTreeMap<RequestId, Asked>,
    /// Which client it is.
    pub client: usize,
    /// What it does.
    pub profile: Profile,
    /// The opens of files that it knows of, by number.
    pub opens: BTreeMap<u64, FileId>,
    /// Its further opens of the root.
    pub roots: BTreeMap<u64, FileId>,
    /// The opens of folders that it knows of.
    pub folders: BTreeMap<u64, FileId>,
    /// Whether nobody renames a folder yet: which of two that came free together was the first, and what the folder is
    /// called then, nobody could tell.
    pub may_move_folders: bool,
    /// The opens that a lost connection has taken, and that it has not asked for again.
    pub lost: BTreeSet<u64>,
    /// The CREATEs of the opens that are not durable, where these may become resilient.
    pub creates: BTreeMap<u64, Operation>,
    /// What the client may cache.
    pub caches: Caches,
    /// The requests that the server was told to cancel.
    pub cancelled: BTreeSet<RequestId>,
    /// What it may send again.
    pub sent_locks: SentLocks,
    /// Which channel a request goes over, and other things that only a client with several has to choose.
    pub routing: Random,
    /// What the client was told over its channels.
    pub hearing: Hearing,
    /// What was answered last.
    pub last_answered: Option<Asked>,
    /// The number of the latest channel.
    pub last_channel: u64,
    /// ChannelSequence: how many channels this session has lost.
    pub channel_sequence: u16,
    pub(super) identity: Identity,
    pub(super) protection: Protection,
    pub(super) scope: Scope,
    root: Option<FileId>,
}

impl Actor {
    /// A client that has connected, logged on and opened the share's root, if the share lets it.
    ///
    /// # Panics
    /// The server refuses a log-on that is right.
    #[must_use]
    pub fn connect(
        client: usize,
        profile: Profile,
        world: (&Arc<Server>, &Virtual),
        random: &mut Random,
    ) -> Self {
        let dialects = match profile {
            Profile::Channels => &DIALECTS[2..],
            // One without persistent opens is there, for those of the others to meet.
            Profile::Persistent => &DIALECTS[1..],
            _ => &DIALECTS[..],
        };
        let dialect = *random.pick(dialects);
        let mut guid = Guid([0; 16]);
        random.clone().fill(&mut guid.0);
        let is_other = profile >= Profile::Durable && client % 3 == 2;
        let identity = Identity {
            dialect,
            guid,
            user: if is_other { OTHER_USER } else { USER },
        };
        let mut actor = Self::new(client, profile, identity, world);
        actor.begin(world.1, random);
        actor
    }

    /// The same client on a new connection, with what it knows of its leases. In profiles in which nobody
    /// comes back, it is a new one.
    ///
    /// # Panics
    /// The server refuses a log-on that is right.
    pub fn come_back(&mut self, world: (&Arc<Server>, &Virtual), random: &mut Random) {
        if self.profile < Profile::Durable {
            *self = Self::connect(self.client, self.profile, world, random);
            return;
        }
        let mut caches = std::mem::take(&mut self.caches);
        caches.disconnected();
        let mut lost = std::mem::take(&mut self.lost);
        lost.extend(self.opens.keys());
        let sent_locks = std::mem::take(&mut self.sent_locks);
        *self = Self {
            caches,
            lost,
            sent_locks,
            ..Self::new(self.client, self.profile, self.identity, world)
        };
        self.begin(world.1, random);
    }

    fn new(
        client: usize,
        profile: Profile,
        identity: Identity,
        world: (&Arc<Server>, &Virtual),
    ) -> Self {
        let [.., last] = identity.guid.0;
        Self {
            channels: vec![Channel::new(0, identity, world)],
            asked: BTreeMap::new(),
            client,
            profile,
            opens: BTreeMap::new(),
            roots: BTreeMap::new(),
            folders: BTreeMap::new(),
            may_move_folders: true,
            lost: BTreeSet::new(),
            creates: BTreeMap::new(),
            caches: Caches::of(client),
            cancelled: BTreeSet::new(),
            sent_locks: SentLocks::new(),
            routing: Random::new(last.into()),
            hearing: Hearing::default(),
            last_answered: None,
            last_channel: 0,
            channel_sequence: 0,
            identity,
            protection: Protection::Plain,
            scope: Scope::NONE,
            root: None,
        }
    }

    fn begin(&mut self, environment: &Virtual, random: &mut Random) {
        let identity = self.identity;
        let first = &mut self.channels[0];
        let session = first.log_on(identity, environment, random);
        self.scope = Scope::session(session);
        let protections: &[_] = if self.has_channels() {
            &[Protection::Plain, Protection::Signed, Protection::Sealed]
        } else {
            &[Protection::Plain, Protection::Signed]
        };
        self.protection = *random.pick(protections);
        let first = &mut self.channels[0];
        first.protect(session, self.protection);
        let tree = requests::tree_connect(&format!("\\\\server\\{SHARE}"));
        let reply = first.ask(environment, self.scope, tree.into());
        self.scope.tree = reply.header.tree_id().expect("a tree connect");
        let root = requests::open_directory("");
        let reply = first.ask(environment, self.scope, root.into());
        let created: Option<wire::CreateResponse> = reply.body().ok();
        self.root = created
            .filter(|_| reply.status().0 == 0)
            .map(|body| body.file_id);
    }

    /// Whether its dialect knows channels.
    #[must_use]
    pub fn has_channels(&self) -> bool {
        self.identity.dialect.0 >= Dialect::SMB_3_0.0
    }

    /// Puts an operation on the link.
    pub fn ask(&mut self, operation: Operation, request: Request) {
        self.send(operation, request, HeaderFlags::NONE);
    }

    /// Puts an operation on the link again that was on another, or was answered over another.
    pub fn ask_again(&mut self, operation: Operation, request: Request) {
        self.send(operation, request, HeaderFlags::REPLAY_OPERATION);
    }

    fn send(&mut self, operation: Operation, request: Request, flags: HeaderFlags) {
        let mut sequence = self.channel_sequence;
        if self.profile >= Profile::Channels && self.routing.once_in(12) {
            // As if it had been under way when a channel was lost.
            sequence = sequence.wrapping_sub(1);
        }
        let is_replay = flags != HeaderFlags::NONE;
        let sending = self.has_channels().then_some(Sending {
            sequence,
            is_replay,
        });
        let at = match self.channels.len() {
            1 => 0,
            several => self.routing.below(several),
        };
        let channel = &mut self.channels[at];
        let mut outgoing = channel.prepare(self.scope, request.clone());
        outgoing.header.status = NtStatus(sequence.into());
        outgoing.header.flags |= flags;
        channel.put(&outgoing);
        let id = RequestId {
            channel: channel.number,
            message_id: outgoing.message_id(),
        };
        let asked = Asked {
            meant: operation.clone(),
            operation,
            request,
            sending,
            counted: None,
        };
        self.asked.insert(id, asked);
    }

    /// Acknowledges the oldest break; where clients are so inclined, sometimes with less than was left.
    pub fn acknowledge(&mut self, random: &mut Random) {
        let Some(mut request) = self.caches.acknowledge() else {
            return;
        };
        if self.profile == Profile::Trees && random.once_in(2) && self.close_broken(&request) {
            return;
        }
        let gives_all_up = self.profile >= Profile::Durable && random.once_in(6);
        let (holder, kept) = match &mut request {
            OplockBreakAcknowledgment::Oplock(kept) => {
                if gives_all_up {
                    kept.oplock_level = OplockLevel::NONE;
                }
                let holder = Holder::Open(kept.file_id.persistent);
                (holder, state_of(kept.oplock_level))
            }
            OplockBreakAcknowledgment::Lease(kept) => {
                if gives_all_up {
                    kept.lease_state = LeaseState::NONE;
                }
                let client = self.client;
                let key = u128::from_be_bytes(kept.lease_key.0);
                (Holder::Lease { client, key }, kept.lease_state)
            }
        };
        self.ask(Operation::Acknowledge { holder, kept }, request.into());
    }

    /// Cancels one of the requests under way.
    pub fn cancel(&mut self, random: &mut Random) {
        self.cancel_any(|_| true, random);
    }

    /// Cancels one of the LOCKs under way.
    pub fn cancel_lock(&mut self, random: &mut Random) {
        self.cancel_any(Operation::is_lock, random);
    }

    fn cancel_any(&mut self, is_wanted: impl Fn(&Operation) -> bool, random: &mut Random) {
        let asked = self.asked.iter();
        let asked = asked.filter(|(_, asked)| is_wanted(&asked.operation));
        let asked: Vec<_> = asked.map(|(id, _)| *id).collect();
        if !asked.is_empty() {
            let id = *random.pick(&asked);
            let mut channels = self.channels.iter_mut();
            if let Some(channel) = channels.find(|channel| channel.number == id.channel) {
                let request = channel.cancel(id.message_id, self.scope);
                channel.put(&request);
            }
        }
    }

    /// What was asked for, has reached the server and is not answered.
    pub fn waiting(&self) -> impl Iterator<Item = &Operation> {
        self.waiting_on(|_| true)
    }

    /// The same over some of the channels alone.
    pub fn waiting_on(&self, is_wanted: impl Fn(u64) -> bool) -> impl Iterator<Item = &Operation> {
        let is_on_link = |id: &RequestId| {
            let mut channels = self.channels.iter();
            channels
                .any(|channel| channel.number == id.channel && channel.has_on_link(id.message_id))
        };
        let asked = self.asked.iter();
        let asked = asked.filter(move |(id, _)| is_wanted(id.channel) && !is_on_link(id));
        asked.map(|(_, asked)| &asked.operation)
    }

    /// Whether a LOCK through this open is not answered.
    #[must_use]
    pub fn has_lock_under_way(&self, open: u64) -> bool {
        let mut asked = self.asked.values();
        asked.any(|asked| asked.meant.is_lock() && asked.meant.open() == Some(open))
    }

    /// What the server was told to cancel, and has not answered.
    #[must_use]
    pub fn cancelled_in_vain(&self) -> Option<&Operation> {
        let mut cancelled = self.cancelled.iter();
        cancelled.find_map(|id| Some(&self.asked.get(id)?.operation))
    }

    /// Whether something is on its way to the server.
    #[must_use]
    pub fn has_link(&self) -> bool {
        let mut channels = self.channels.iter();
        channels.any(|channel| channel.next_to_deliver().is_some())
    }

    /// Delivers the oldest frame of a link. Before that, `note` hears of what it asks for.
    ///
    /// # Errors
    /// The server ended the connection, which no client here gives it a reason for.
    pub fn deliver(&mut self, note: impl FnOnce(&mut Asked)) -> Result<(), String> {
        let channels = self.channels.iter().enumerate();
        let full = channels.filter_map(|(at, channel)| Some((at, channel.next_to_deliver()?)));
        let full: Vec<_> = full.collect();
        let (at, purpose) = match full[..] {
            [] => return Ok(()),
            [only] => only,
            _ => *self.routing.pick(&full),
        };
        let channel = self.channels[at].number;
        let id = |message_id| RequestId {
            channel,
            message_id,
        };
        match purpose {
            Purpose::Ask(message_id) => {
                if let Some(asked) = self.asked.get_mut(&id(message_id)) {
                    note(asked);
                }
            }
            Purpose::Cancel(message_id) => {
                self.cancelled.insert(id(message_id));
            }
        }
        self.channels[at].deliver()
    }

    /// Takes and reads what the server has sent, with the number of the channel that it came over. A notice
    /// goes on from answers that may have come over other channels, and so comes after them.
    ///
    /// # Errors
    /// The server ended a connection, or sent what cannot be read.
    pub fn take_replies(&mut self) -> Result<Vec<(u64, Reply)>, String> {
        self.caches.begin_round();
        let mut queues: Vec<(u64, VecDeque<Reply>)> = Vec::new();
        // That an answer has left over one channel may set a notice free for another.
        loop {
            let known = queues.len();
            for channel in &mut self.channels {
                let replies = channel.take_replies()?;
                if !replies.is_empty() {
                    queues.push((channel.number, replies.into()));
                }
            }
            if queues.len() == known {
                break;
            }
        }
        let mut replies = Vec::new();
        loop {
            queues.retain(|(_, queue)| !queue.is_empty());
            let is_answer = |queue: &VecDeque<Reply>| !queue[0].is_notification();
            let answers = queues.iter().position(|(_, queue)| is_answer(queue));
            let Some((number, queue)) = queues.get_mut(answers.unwrap_or(0)) else {
                return Ok(replies);
            };
            replies.extend(queue.pop_front().map(|reply| (*number, reply)));
        }
    }

    /// All its connections are lost.
    pub fn close(&mut self) {
        for channel in &mut self.channels {
            channel.close();
        }
    }

    /// The dialect that it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.identity.dialect
    }

    /// The account that it logs on as.
    #[must_use]
    pub fn user(&self) -> &'static str {
        self.identity.user
    }

    /// The open of the share's root.
    #[must_use]
    pub fn root(&self) -> Option<FileId> {
        self.root
    }
}

const DIALECTS: [Dialect; 5] = [
    Dialect::SMB_2_0_2,
    Dialect::SMB_2_1,
    Dialect::SMB_3_0,
    Dialect::SMB_3_0_2,
    Dialect::SMB_3_1_1,
];
