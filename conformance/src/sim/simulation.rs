//! One run: clients, links, a server, and the model that judges what the server answers.
//!
//! Frames of one connection stay in order; between connections any order happens, links are cut,
//! and time jumps. Every second seed is *judged*: handler calls take no time, so that an operation
//! takes effect at one moment, and the model knows the right answer. The other seeds are *faulty*:
//! handler calls are late and fail. Then replies are only counted, one for each request. At the
//! end of both, when all clients are gone, nothing may be left in the server.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::{Environment, Server};
use share_handlers::wrappers::faulty::{Fault, Faults, Faulty};
use wire::{FileId, NtStatus};

use super::actor::{Actor, Asked};
use super::environment::Virtual;
use super::random::Random;
use super::script;
use super::world;
use crate::client::Reply;
use crate::fuzz::rig::leftovers;
use crate::model::{Model, Operation, Outcome};

/// How a run is to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How many clients, at least one.
    pub clients: usize,
    /// How many steps.
    pub steps: usize,
    /// Whether clients ask for leases too, not for oplocks alone.
    pub leases: bool,
    /// Whether to print each operation and its outcome.
    pub verbose: bool,
}

/// What happened in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Replies that the model judged, or that were counted.
    pub replies: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Oplocks that were broken.
    pub breaks: u64,
}

/// A run in which the server was wrong.
#[derive(Debug)]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// In which step.
    pub step: usize,
    /// What was wrong.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, step {}: {}", self.seed, self.step, self.text)
    }
}

/// Runs one simulation.
///
/// # Errors
/// The server was wrong.
pub fn run(plan: Plan) -> Result<Summary, Failure> {
    let mut simulation = Simulation::new(plan);
    for step in 0..plan.steps {
        let taken = simulation.step();
        taken.map_err(|text| Failure {
            seed: plan.seed,
            step,
            text,
        })?;
    }
    let step = plan.steps;
    let seed = plan.seed;
    simulation
        .finish()
        .map_err(|text| Failure { seed, step, text })
}

struct Simulation {
    plan: Plan,
    random: Random,
    server: Arc<Server>,
    environment: Virtual,
    actors: Vec<Actor>,
    /// None in a faulty run.
    model: Option<Model>,
    summary: Summary,
}

/// A final reply to an operation.
struct Answered {
    client: usize,
    operation: Operation,
    outcome: Outcome,
}

impl Simulation {
    fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed);
        let is_judged = plan.seed.is_multiple_of(2);
        let (server, environment) = world::build(random.number(), |memory, environment| {
            let memory = Arc::new(memory);
            if is_judged {
                return memory;
            }
            let faults = Seeded {
                random: Mutex::new(Random::new(plan.seed)),
                environment: environment.clone(),
            };
            Faulty::over(memory, Arc::new(faults))
        });
        let connect = |_| {
            let mut actor = Actor::connect(&server, &environment, &mut random);
            actor.wants_leases = plan.leases;
            actor
        };
        let actors = (0..plan.clients.max(1)).map(connect).collect();
        Self {
            plan,
            random,
            server,
            environment,
            actors,
            model: is_judged.then(Model::default),
            summary: Summary::default(),
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let client = self.random.below(self.actors.len());
        let actor = &mut self.actors[client];
        match self.random.below(100) {
            0..40 if actor.asked.len() < MOST_ASKED => script::act(actor, &mut self.random),
            0..80 if actor.has_link() => actor.deliver()?,
            80..90 => actor.acknowledge(),
            90..92 => actor.cancel(&mut self.random),
            92..97 => {
                let pause = Duration::from_millis(self.random.number() % 3_000);
                self.environment.advance(pause);
            }
            97 if self.can_cut(client) => self.cut(client),
            _ => {}
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

    /// Whether the model will know what a cut does: not while a request waits in the server, whose
    /// effect nobody will be told of. A lock goes with its open.
    fn can_cut(&self, client: usize) -> bool {
        let actor = &self.actors[client];
        let is_harmless = |asked: &Asked| {
            matches!(
                asked,
                Asked::Unjudged | Asked::Operation(Operation::Lock { .. })
            )
        };
        self.model.is_none() || actor.waiting().all(is_harmless)
    }

    /// Cuts a client's connection; it comes back with a new one.
    fn cut(&mut self, client: usize) {
        self.summary.cuts += 1;
        if self.plan.verbose {
            println!("{:?} client {client} is cut", self.environment.elapsed());
        }
        self.actors[client].end.close(None);
        self.environment.run();
        if let Some(model) = &mut self.model {
            model.disconnect(client);
        }
        // What others waited for has happened; their replies are there before the new client.
        let mut actor = Actor::connect(&self.server, &self.environment, &mut self.random);
        actor.wants_leases = self.plan.leases;
        self.actors[client] = actor;
    }

    /// Takes what the server has sent to anybody, and has it judged.
    fn collect(&mut self) -> Result<(), String> {
        let mut answered = Vec::new();
        for client in 0..self.actors.len() {
            for reply in self.actors[client].take_replies()? {
                answered.extend(self.note(client, &reply)?);
            }
        }
        self.summary.replies += answered.len() as u64;
        if self.plan.verbose {
            for Answered {
                client,
                operation,
                outcome,
            } in &answered
            {
                println!(
                    "{:?} client {client}: {operation:?} -> {outcome:?}",
                    self.environment.elapsed()
                );
            }
        }
        let Some(model) = &mut self.model else {
            return Ok(());
        };
        let all: Vec<_> = answered.iter().collect();
        *model = judge_in_some_order(model, &all)?;
        for (client, actor) in self.actors.iter().enumerate() {
            for asked in actor.waiting() {
                if let Asked::Operation(operation) = asked
                    && model.could_go_on(operation)
                {
                    return Err(format!("client {client}: {operation:?} waits for nothing"));
                }
            }
        }
        Ok(())
    }

    /// What a message means for its client; the operation, if it is one's final reply.
    fn note(&mut self, client: usize, reply: &Reply) -> Result<Option<Answered>, String> {
        let actor = &mut self.actors[client];
        if reply.is_notification() {
            self.summary.breaks += 1;
            let noted = actor.caches.note(reply);
            return noted
                .map(|()| None)
                .map_err(|text| format!("client {client}: {text}"));
        }
        if reply.is_interim() {
            return Ok(None);
        }
        let asked = actor.asked.remove(&reply.message_id());
        let asked =
            asked.ok_or_else(|| format!("client {client}: {:?} answers nothing", reply.header))?;
        let noted = actor.caches.note(reply);
        noted.map_err(|text| format!("client {client}: {text}"))?;
        let Asked::Operation(operation) = asked else {
            return Ok(None);
        };
        let outcome = script::outcome(reply)?;
        if actor.cancelled.remove(&reply.message_id()) && outcome.status() == NtStatus::CANCELLED {
            return Ok(None);
        }
        if let Outcome::Opened { id, .. } = outcome {
            let file_id = FileId {
                persistent: id,
                volatile: id,
            };
            actor.opens.insert(id, file_id);
        }
        Ok(Some(Answered {
            client,
            operation,
            outcome,
        }))
    }

    /// Lets everything end, compares the contents, and checks that nothing is left.
    fn finish(mut self) -> Result<Summary, String> {
        if self.model.is_some() {
            self.settle()?;
        }
        for actor in &mut self.actors {
            actor.end.close(None);
        }
        if !self.environment.run_to_the_end() {
            return Err(format!("{} tasks wait for ever", self.environment.tasks()));
        }
        leftovers(&self.server).map_or(Ok(self.summary), Err)
    }

    /// Delivers what is under way, and lets each client close what it has open.
    fn settle(&mut self) -> Result<(), String> {
        for client in 0..self.actors.len() {
            while self.actors[client].has_link() {
                self.actors[client].deliver()?;
                self.environment.run();
                self.collect()?;
            }
        }
        // Breaks that nobody acknowledges end by themselves.
        for _ in 0..LONGEST_END {
            self.environment.advance(Duration::from_secs(60));
            self.environment.run();
            self.collect()?;
        }
        Ok(())
    }
}

/// Judges replies that came at once, in some order that makes them all right: whose operation was
/// the first, the server does not say.
fn judge_in_some_order(model: &Model, answered: &[&Answered]) -> Result<Model, String> {
    let mut first_error = None;
    for (at, next) in answered.iter().enumerate() {
        let mut trial = model.clone();
        let judged = trial.judge(next.client, &next.operation, &next.outcome);
        let judged = judged.and_then(|()| {
            let mut rest = answered.to_vec();
            rest.remove(at);
            judge_in_some_order(&trial, &rest)
        });
        match judged {
            Ok(model) => return Ok(model),
            // A refusal changes nothing: if it is right here, the fault is in the others.
            Err(error) if matches!(next.outcome, Outcome::Refused(_)) => {
                let is_right = model
                    .clone()
                    .judge(next.client, &next.operation, &next.outcome);
                first_error.get_or_insert(error);
                if is_right.is_ok() {
                    break;
                }
            }
            Err(error) => _ = first_error.get_or_insert(error),
        }
    }
    first_error.map_or_else(|| Ok(model.clone()), Err)
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
/// How often time jumps at the end.
const LONGEST_END: usize = 20;
