//! Servers that are killed: the next has the same volume and the same records, and its clients come back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::persistence::{self, Restored};
use server::share::ShareHandler;
use server::{Environment, Server};

use super::actor::Actor;
use super::environment::Virtual;
use super::simulation::Simulation;
use super::world::{Estate, accounts};

/// A server that gives persistent opens, and what outlives it. `wrap` may put something before the volume.
pub(super) fn build(
    seed: u64,
    wrap: impl FnOnce(Arc<dyn ShareHandler>, &Virtual) -> Arc<dyn ShareHandler>,
) -> (Arc<Server>, Virtual, Option<Estate>) {
    let environment = Virtual::new(seed);
    let mut estate = Estate::new(&environment);
    estate.volume = wrap(estate.volume, &environment);
    estate.disconnected_opens_per_user = MOST_AWAY;
    let server = estate.server(&environment);
    (server, environment, Some(estate))
}

impl Simulation {
    /// Kills the server with everything that is under way. Some time later there is another one, and all
    /// clients connect to it.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let Some(estate) = &self.estate else {
            return Ok(());
        };
        self.summary.kills += 1;
        let under_way = self.actors.iter().flat_map(Actor::waiting);
        let under_way: Vec<_> = under_way.cloned().collect();
        for actor in &mut self.actors {
            // Nobody closes these: they are gone.
            actor.channels.clear();
        }
        self.environment.kill();
        let down = Duration::from_millis(self.random.number() % LONGEST_DOWN_MS);
        let started = self.environment.elapsed() + down;
        while self.environment.elapsed() < started {
            self.environment
                .advance(started - self.environment.elapsed());
        }
        self.server = estate.server(&self.environment);
        let restored = restore(&self.server, estate, &self.environment)?;
        if self.plan.verbose {
            println!("{started:?} the server was killed, and has {restored:?}");
        }
        self.summary.restored += restored.opens as u64;
        if self.model.is_some() && restored.unreadable > 0 {
            return Err(format!("records cannot be read: {restored:?}"));
        }
        let kept: BTreeSet<_> = self.kept();
        if let Some(model) = &mut self.model {
            let gone = model.restart(self.environment.elapsed(), &kept, &under_way)?;
            self.summary.gone += gone;
        }
        for actor in &mut self.actors {
            actor.come_back((&self.server, &self.environment), &mut self.random);
            if self.model.is_none() {
                actor.caches.doubt();
            }
        }
        Ok(())
    }
}

/// Has a server make opens of the records.
fn restore(
    server: &Arc<Server>,
    estate: &Estate,
    environment: &Virtual,
) -> Result<Restored, String> {
    let (server, records) = (server.clone(), estate.records.all());
    let result = Arc::new(Mutex::new(None));
    let slot = result.clone();
    environment.spawn(Box::pin(async move {
        let restored = persistence::restore(&server, &accounts(), &records).await;
        // A volume that fails at first is not there yet.
        while persistence::absent_count(&server) > 0 {
            server.environment().sleep(Duration::from_secs(1)).await;
            persistence::retry(&server, &accounts()).await;
        }
        *slot.lock().expect("one thread") = Some(restored);
    }));
    for _ in 0..LONGEST_RESTORE {
        environment.run();
        if let Some(restored) = result.lock().expect("one thread").take() {
            return Ok(restored);
        }
        environment.advance(Duration::from_secs(1));
    }
    Err("the new server never has its opens".to_owned())
}

/// More than all clients together have.
const MOST_AWAY: u32 = 64;
/// In milliseconds: some opens' time is over then.
const LONGEST_DOWN_MS: u64 = 15_000;
/// In steps of at most a second of virtual time.
const LONGEST_RESTORE: usize = 1_000;
