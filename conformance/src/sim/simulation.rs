//! One run: clients, links, a server, and the model that judges what the server answers.
//!
//! Frames of one connection stay in order; between connections any order happens, links are cut,
//! and time jumps. Every second seed is *judged*: handler calls take no time, so that an operation
//! takes effect at one moment, and the model knows the right answer. The other seeds are *faulty*:
//! handler calls are late and fail. Then replies are only counted, one for each request. At the
//! end of both, when all clients are gone, nothing may be left in the server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::share::ShareHandler;
use server::{Census, Environment, Server};
use share_handlers::wrappers::faulty::{Fault, Faults, Faulty};
use wire::oplock_break::OplockBreakNotification;
use wire::{FileId, NtStatus, Response};

use super::actor::{Actor, Asked, RequestId};
use super::environment::Virtual;
use super::plan::{Failure, Plan, Profile, Summary};
use super::random::Random;
use super::restart;
use super::script::{self, Handle};
use super::translation::{outcome, state_of};
use super::world::{self, Estate};
use crate::client::Reply;
use crate::fuzz::rig::leftovers;
use crate::model::{Event, Holder, Kind, Model, Notice, Objection, Operation, Outcome};

/// Runs one simulation.
///
/// # Errors
/// The server was wrong, or whether it was could not be decided.
pub fn run(plan: Plan) -> Result<Summary, Failure> {
    let mut simulation = Simulation::new(plan);
    for step in 0..plan.steps {
        let taken = simulation.step();
        taken.map_err(|objection| Failure {
            seed: plan.seed,
            step,
            objection,
        })?;
    }
    let step = plan.steps;
    let seed = plan.seed;
    simulation.finish().map_err(|objection| Failure {
        seed,
        step,
        objection,
    })
}

pub(super) struct Simulation {
    pub(super) plan: Plan,
    pub(super) random: Random,
    pub(super) server: Arc<Server>,
    pub(super) environment: Virtual,
    pub(super) actors: Vec<Actor>,
    /// The latest durable and resilient opens.
    pub(super) handles: Vec<Handle>,
    /// None in a faulty run.
    pub(super) model: Option<Model>,
    /// What outlives the server, where it is killed.
    pub(super) estate: Option<Estate>,
    pub(super) summary: Summary,
    /// The requests that were answered in this step, with the open that came of each.
    answered: Vec<(Asked, Option<u64>)>,
}

impl Simulation {
    fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let is_judged = plan.seed.is_multiple_of(2);
        let wrap = |volume: Arc<dyn ShareHandler>, environment: &Virtual| {
            if is_judged {
                return volume;
            }
            let faults = Seeded {
                random: Mutex::new(Random::new(plan.seed)),
                environment: environment.clone(),
            };
            Faulty::over(volume, Arc::new(faults))
        };
        let seed = random.number();
        let (server, environment, estate) = if plan.profile == Profile::Persistent {
            restart::build(seed, wrap)
        } else {
            let wrap = |memory, environment: &Virtual| wrap(Arc::new(memory), environment);
            let (server, environment) = world::build(seed, wrap);
            (server, environment, None)
        };
        let connect =
            |client| Actor::connect(client, plan.profile, (&server, &environment), &mut random);
        let actors = (0..plan.clients.max(1)).map(connect).collect();
        Self {
            plan,
            random,
            server,
            environment,
            actors,
            handles: Vec::new(),
            model: is_judged.then(Model::new),
            estate,
            summary: Summary::default(),
            answered: Vec::new(),
        }
    }

    fn step(&mut self) -> Result<(), Objection> {
        let client = self.random.below(self.actors.len());
        if !self.lose_dead_channel(client)? {
            self.take_step(client)?;
        }
        if self.model.is_some() {
            self.environment.run();
        } else {
            for _ in 0..self.random.below(4) {
                self.environment.run_one();
            }
        }
        self.collect()
    }

    fn take_step(&mut self, client: usize) -> Result<(), String> {
        let is_moving = self.actors.iter().any(Actor::moves_folder);
        let actor = &mut self.actors[client];
        actor.may_move_folders = !is_moving;
        match self.random.below(100) {
            0..40 if actor.asked.len() < MOST_ASKED => {
                script::act(actor, &self.handles, &mut self.random);
            }
            0..80 if actor.has_link() => self.deliver(client)?,
            80..88 => actor.acknowledge(&mut self.random),
            88 if self.estate.is_some() => self.kill()?,
            88..90 if self.plan.profile < Profile::Channels => actor.acknowledge(&mut self.random),
            88..96 if self.plan.profile >= Profile::Channels => self.change_channels(client)?,
            90..92 => actor.cancel(&mut self.random),
            92..97 => {
                let pause = Duration::from_millis(self.random.number() % 3_000);
                self.environment.advance(pause);
            }
            97 if self.can_cut(client) => self.cut(client)?,
            98 if self.plan.profile >= Profile::Durable && self.can_cut(client) => {
                self.cut(client)?;
            }
            99 if self.plan.profile >= Profile::Locks => {
                self.actors[client].cancel_lock(&mut self.random);
            }
            _ => {}
        }
        Ok(())
    }

    /// Hands the server the oldest frame of a client.
    fn deliver(&mut self, client: usize) -> Result<(), String> {
        let model = self.model.as_mut();
        self.actors[client].deliver(|asked| {
            if let Some(model) = model {
                asked.counted = model.receive(client, &mut asked.operation, asked.sending);
            }
        })
    }

    /// Whether the model will know what a cut does: not while a request waits in the server, whose
    /// effect nobody will be told of. A lock goes with its open.
    fn can_cut(&self, client: usize) -> bool {
        let actor = &self.actors[client];
        let has_channels = actor.channels.len() > 1;
        let is_harmless = |asked| self.ends_without_trace(asked, has_channels);
        self.model.is_none() || actor.waiting().all(is_harmless)
    }

    /// Cuts a client's connection; it comes back with a new one.
    fn cut(&mut self, client: usize) -> Result<(), String> {
        self.summary.cuts += 1;
        if self.plan.verbose {
            println!("{:?} client {client} is cut", self.environment.elapsed());
        }
        self.actors[client].close();
        self.environment.run();
        let kept = self.kept();
        let waiting = self.actors.iter().flat_map(Actor::waiting);
        let waiting: Vec<_> = waiting.cloned().collect();
        if let Some(model) = &mut self.model {
            model.disconnect(client, &kept, &waiting)?;
        }
        // What others waited for has happened; their replies are there before the new client.
        let world = (&self.server, &self.environment);
        self.actors[client].come_back(world, &mut self.random);
        if self.model.is_none() {
            self.actors[client].caches.doubt();
        }
        Ok(())
    }

    /// The opens that wait for their clients.
    pub(super) fn kept(&self) -> BTreeSet<u64> {
        let kept = self.server.disconnected_opens();
        kept.iter().map(|open| open.id().0).collect()
    }

    /// Takes what the server has sent to anybody, and has it judged.
    fn collect(&mut self) -> Result<(), Objection> {
        let now = self.environment.elapsed();
        let mut events = Vec::new();
        for client in 0..self.actors.len() {
            for (channel, reply) in self.actors[client].take_replies()? {
                events.extend(self.note(client, channel, &reply)?);
            }
        }
        let kept = self.kept();
        let Some(model) = &mut self.model else {
            return Ok(());
        };
        model.pass(now);
        let has_come_back = |id: &u64| {
            let is_it = |event: &Event| event.takes_up(*id);
            events.iter().any(is_it)
        };
        let gone = model.away().filter(|id| !kept.contains(id));
        let gone: Vec<_> = gone.filter(|id| !has_come_back(id)).collect();
        self.summary.scavenged += gone.len() as u64;
        events.extend(gone.into_iter().map(Event::Gone));
        if self.plan.verbose {
            for event in &events {
                println!("{now:?} {event:?}");
            }
        }
        let waiting = self.actors.iter().flat_map(Actor::waiting);
        let answered = events.iter().filter_map(Event::operation);
        let under_way: Vec<_> = waiting.chain(answered).cloned().collect();
        let all: Vec<_> = events.iter().collect();
        *model = model.judge_together(&all, &under_way)?;
        for (asked, opened) in self.answered.drain(..) {
            asked.counted.into_iter().for_each(|it| model.answered(it));
            if let (Some(open), Some(sending)) = (opened, asked.sending) {
                model.begin_channel_sequence(open, sending.sequence);
            }
        }
        self.check_hearing()?;
        Ok(self.check_waiting()?)
    }

    /// Whether everybody who waits has something to wait for, and has not been told to stop.
    fn check_waiting(&self) -> Result<(), String> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        for (client, actor) in self.actors.iter().enumerate() {
            // [MS-SMB2] 3.3.5.16
            if let Some(operation) = actor.cancelled_in_vain() {
                return Err(format!("client {client}: {operation:?} is not cancelled"));
            }
            for operation in actor.waiting() {
                let is_watch = matches!(operation, Operation::Watch { .. });
                if model.could_go_on(client, operation) || is_watch && model.has_news(client) {
                    return Err(format!(
                        "client {client}: {operation:?} waits for nothing: {model:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// What a message means for its client, and for the model.
    fn note(
        &mut self,
        client: usize,
        channel: u64,
        reply: &Reply,
    ) -> Result<Option<Event>, String> {
        if reply.is_notification() {
            return self.note_notice(client, channel, reply);
        }
        let actor = &mut self.actors[client];
        let blame = |text| format!("client {client}: {text}");
        if reply.is_interim() {
            return Ok(None);
        }
        let id = RequestId {
            channel,
            message_id: reply.message_id(),
        };
        let asked = actor.asked.remove(&id);
        let asked = asked.ok_or_else(|| blame(format!("{:?} answers nothing", reply.header)))?;
        let operation = asked.operation.clone();
        let noted = actor.caches.over(channel).note(reply);
        noted.map_err(blame)?;
        let outcome = outcome(reply)?;
        if self.model.is_none() && leaves_doubt(actor, &operation, &outcome) {
            actor.caches.doubt();
        }
        if actor.profile >= Profile::Channels && !matches!(operation, Operation::Watch { .. }) {
            actor.last_answered = Some(asked.clone());
        }
        let opened = match (&operation, &outcome) {
            (Operation::OpenAgain { .. }, _) => None,
            (_, Outcome::Opened { id, .. }) => Some(*id),
            _ => None,
        };
        self.answered.push((asked, opened));
        if actor.cancelled.remove(&id) && outcome.status() == NtStatus::CANCELLED {
            self.summary.cancelled += 1;
            return Ok(None);
        }
        self.summary.count(&operation, &outcome);
        self.note_open(client, &operation, &outcome)?;
        Ok(Some(Event::Answer {
            client,
            operation,
            outcome,
        }))
    }

    /// Remembers an open that a client was told of, or that it may come back for from now on.
    fn note_open(
        &mut self,
        client: usize,
        operation: &Operation,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let actor = &mut self.actors[client];
        match (operation, outcome) {
            (
                _,
                Outcome::Opened {
                    id,
                    volatile,
                    durable,
                    ..
                },
            ) => {
                let file_id = FileId {
                    persistent: *id,
                    volatile: *volatile,
                };
                let opens = match operation {
                    Operation::OpenRoot { .. } => &mut actor.roots,
                    Operation::Open {
                        kind: Kind::Folder, ..
                    } => &mut actor.folders,
                    _ => &mut actor.opens,
                };
                let known = opens.insert(*id, file_id);
                if known.is_some_and(|known| known != file_id) {
                    return Err(format!("client {client}: {known:?} is {file_id:?} now"));
                }
                if durable.is_some() && !matches!(operation, Operation::OpenAgain { .. }) {
                    self.remember(file_id, operation);
                } else if matches!(operation, Operation::Open { .. })
                    && actor.profile.has_resilient_opens()
                {
                    actor.creates.insert(*id, operation.clone());
                }
            }
            (Operation::MakeResilient { open, .. }, Outcome::Done) => {
                let file_id = actor.opens.get(open).copied();
                if let (Some(create), Some(file_id)) = (actor.creates.remove(open), file_id) {
                    self.remember(file_id, &create);
                }
            }
            (Operation::Rename { open, .. }, Outcome::Done) => {
                self.summary.moved += u64::from(actor.folders.contains_key(open));
            }
            _ => {}
        }
        Ok(())
    }

    /// Remembers a durable or resilient open: for its client to come back for, and for others to try.
    fn remember(&mut self, file_id: FileId, operation: &Operation) {
        let most = match self.plan.profile {
            Profile::Persistent => MOST_PERSISTENT_HANDLES,
            _ => MOST_HANDLES,
        };
        if self.handles.len() >= most {
            self.handles.remove(0);
        }
        self.handles.push(Handle {
            file_id,
            operation: operation.clone(),
        });
    }

    /// Lets everything end, compares the contents, and checks that nothing is left.
    fn finish(mut self) -> Result<Summary, Objection> {
        if self.model.is_some() {
            self.settle()?;
        }
        for actor in &mut self.actors {
            actor.close();
        }
        if !self.environment.run_to_the_end() {
            let tasks = self.environment.tasks();
            return Err(format!("{tasks} tasks wait for ever").into());
        }
        if let Some(left) = self.estate.map(|estate| estate.records.all())
            && !left.is_empty()
        {
            return Err(format!("{} rows are left of opens", left.len()).into());
        }
        leftovers(&self.server).map_or(Ok(self.summary), |left| Err(left.into()))
    }

    /// Delivers what is under way, and lets each client close what it has open.
    fn settle(&mut self) -> Result<(), Objection> {
        for client in 0..self.actors.len() {
            while self.actors[client].has_link() {
                self.deliver(client)?;
                self.environment.run();
                self.collect()?;
            }
        }
        self.compare()?;
        // Breaks that nobody acknowledges end by themselves.
        for _ in 0..LONGEST_END {
            self.environment.advance(Duration::from_secs(60));
            self.environment.run();
            self.collect()?;
        }
        for actor in &self.actors {
            let client = actor.client;
            let may_wait =
                |asked: &&Operation| asked.is_lock() || matches!(asked, Operation::Watch { .. });
            if let Some(asked) = actor.waiting().find(|asked| !may_wait(asked)) {
                return Err(format!("client {client}: {asked:?} is not answered").into());
            }
        }
        Ok(self.compare()?)
    }

    /// Whether the server holds what the model does.
    fn compare(&self) -> Result<(), String> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let census = Census::of(&self.server);
        let roots = self.actors.iter().filter_map(Actor::root).count();
        let is_lock = |asked: &&Operation| asked.is_lock();
        let waiting = self.actors.iter().flat_map(Actor::waiting);
        for (what, found, right) in [
            ("opens", census.opens, model.open_count() + roots),
            (
                "opens that wait",
                census.disconnected_opens,
                model.away().count(),
            ),
            ("locks", census.store.locks, model.lock_count()),
            (
                "locks waited for",
                census.store.waiting_locks,
                waiting.filter(is_lock).count(),
            ),
        ] {
            if found != right {
                return Err(format!("{found} {what}; right are {right}"));
            }
        }
        Ok(())
    }
}

/// Whether a client does not know its lease by what came of an operation, where handlers are late and fail: one
/// that was refused may have changed it before, and of another that is under way the reply may be the older one.
fn leaves_doubt(actor: &Actor, operation: &Operation, outcome: &Outcome) -> bool {
    let key = |operation: &Operation| operation.lease().map(|lease| lease.key);
    let own = key(operation);
    let mut others = actor.asked.values();
    own.is_some() && (outcome.is_refused() || others.any(|other| key(&other.operation) == own))
}

/// What a notice says of whose caching.
pub(super) fn notice(client: usize, reply: &Reply) -> Option<Notice> {
    let Ok(Response::OplockBreakNotification(broken)) = reply.response() else {
        return None;
    };
    Some(match broken {
        OplockBreakNotification::Oplock(broken) => Notice {
            holder: Holder::Open(broken.file_id.persistent),
            to: state_of(broken.oplock_level),
        },
        OplockBreakNotification::Lease(broken) => Notice {
            holder: Holder::Lease {
                client,
                key: u128::from_be_bytes(broken.lease_key.0),
            },
            to: broken.new_lease_state,
        },
    })
}

/// Delays and errors from a seed.
struct Seeded {
    random: Mutex<Random>,
    environment: Virtual,
}

impl Faults for Seeded {
    fn next(&self, _: &'static str) -> Fault {
        let mut random = self.random.lock().expect("one thread");
        let delay = random.once_in(3).then(|| {
            let pause = Duration::from_millis(random.number() % 2_000);
            self.environment.sleep(pause)
        });
        let statuses = [
            NtStatus::DISK_FULL,
            NtStatus::ACCESS_DENIED,
            NtStatus::INSUFFICIENT_RESOURCES,
        ];
        let status = random.once_in(25).then(|| *random.pick(&statuses));
        Fault {
            delay,
            status,
            most_bytes: None,
        }
    }
}

/// Requests that a client has under way at most.
const MOST_ASKED: usize = 6;
/// Durable opens that are remembered at most.
const MOST_HANDLES: usize = 12;
/// The same where all clients lose theirs at once.
const MOST_PERSISTENT_HANDLES: usize = 48;
/// How often time jumps at the end.
const LONGEST_END: usize = 20;
