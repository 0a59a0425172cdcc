//! Sessions with several channels: clients bind further ones and lose some, repeat over the others what had
//! no answer, and must hear of every break over one of them.

use wire::oplock_break::{LeaseBreakFlags, OplockBreakNotification};
use wire::{OplockLevel, Response};

use super::actor::{Actor, Asked};
use super::channel::Channel;
use super::plan::Profile;
use super::simulation::{Simulation, notice};
use crate::client::Reply;
use crate::model::{Event, Notice, Operation};

/// What one client has heard of breaks, and over which channel.
#[derive(Debug, Default)]
pub struct Hearing {
    heard: Vec<(u64, Notice)>,
    /// What went over a channel over which nothing arrives any more.
    missed: Vec<(u64, Notice)>,
    /// What the server tells once more, as it cannot know what was heard.
    repeated: Vec<(u64, Notice)>,
}

impl Actor {
    fn take_asked(&mut self, channel: u64) -> Vec<Asked> {
        let ids = self.asked.keys().copied();
        let ids: Vec<_> = ids.filter(|id| id.channel == channel).collect();
        ids.iter().filter_map(|id| self.asked.remove(id)).collect()
    }

    fn place(&self, channel: u64) -> Option<usize> {
        let mut channels = self.channels.iter();
        channels.position(|one| one.number == channel)
    }
}

impl Simulation {
    /// Binds one more channel, or loses one.
    pub(super) fn change_channels(&mut self, client: usize) -> Result<(), String> {
        let actor = &self.actors[client];
        let count = actor.channels.len();
        if count == 1 || count < MOST_CHANNELS && self.random.once_in(3) {
            self.bind(client);
            return Ok(());
        }
        let at = self.random.below(count);
        if self.can_lose(client, at) {
            self.lose(client, at)?;
        }
        Ok(())
    }

    /// Loses the channel over which nothing arrives any more; false if there is none.
    pub(super) fn lose_dead_channel(&mut self, client: usize) -> Result<bool, String> {
        let actor = &self.actors[client];
        let mut missed = actor.hearing.missed.iter();
        match missed.find_map(|(channel, _)| actor.place(*channel)) {
            Some(at) if self.can_lose(client, at) => {
                self.lose(client, at)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn bind(&mut self, client: usize) {
        let world = (&self.server, &self.environment);
        let actor = &mut self.actors[client];
        actor.last_channel += 1;
        let mut channel = Channel::new(actor.last_channel, actor.identity, world);
        let session = actor.scope.session;
        let bound = (&actor.channels[0], session);
        channel.bind(bound, actor.identity, world.1, &mut self.random);
        channel.protect(session, actor.protection);
        actor.channels.push(channel);
    }

    /// Whether the model will know what the loss of a channel does.
    fn can_lose(&self, client: usize, at: usize) -> bool {
        let actor = &self.actors[client];
        let number = actor.channels[at].number;
        let mut waiting = actor.waiting_on(|channel| channel == number);
        let has_others = actor.channels.len() > 1;
        has_others
            && (self.model.is_none() || waiting.all(|asked| self.ends_without_trace(asked, true)))
    }

    /// Whether nothing is left of what waits when it ends with its connection. A CREATE that can be found
    /// again goes on, if there is another channel.
    pub(super) fn ends_without_trace(&self, asked: &Operation, has_channels: bool) -> bool {
        match asked {
            Operation::Acknowledge { .. } | Operation::Watch { .. } => true,
            Operation::Open {
                create_guid: Some(_),
                ..
            } if has_channels => false,
            _ if asked.is_lock() => true,
            _ => self.plan.profile >= Profile::Durable && asked.leaves_no_trace(),
        }
    }

    /// Loses a channel. What had no answer is mostly sent again; some of what had one is, too, as if the
    /// answer had been lost.
    fn lose(&mut self, client: usize, at: usize) -> Result<(), String> {
        self.summary.losses += 1;
        let actor = &mut self.actors[client];
        let mut channel = actor.channels.remove(at);
        if self.plan.verbose {
            let now = self.environment.elapsed();
            println!("{now:?} client {client} loses channel {}", channel.number);
        }
        channel.close();
        self.environment.run();
        actor.channel_sequence = actor.channel_sequence.wrapping_add(1);
        let lost = actor.take_asked(channel.number);
        match &mut self.model {
            Some(model) => {
                let counted = lost.iter().filter_map(|asked| asked.counted);
                counted.for_each(|counted| model.answered(counted));
                actor.hearing.lose(channel.number);
            }
            None => actor.caches.doubt(),
        }
        let mut again: Vec<_> = lost.into_iter().map(|asked| (asked, 4)).collect();
        let answered = actor.last_answered.take();
        again.extend(answered.map(|asked| (asked, 2)));
        for (asked, times) in again {
            let is_acknowledgment = matches!(asked.meant, Operation::Acknowledge { .. });
            if is_acknowledgment || !self.random.once_in(times) {
                actor.ask_again(asked.meant, asked.request);
            }
        }
        Ok(())
    }

    /// What a notice means for its client, and for the model.
    pub(super) fn note_notice(
        &mut self,
        client: usize,
        channel: u64,
        reply: &Reply,
    ) -> Result<Option<Event>, String> {
        self.summary.breaks += 1;
        let actor = &mut self.actors[client];
        let blame = |text| format!("client {client}: {text}");
        let Some(notice) = notice(client, reply).filter(|_| self.model.is_some()) else {
            let noted = actor.caches.over(channel).note(reply);
            return noted.map(|_| None).map_err(blame);
        };
        let hearing = &mut actor.hearing;
        // What was missed comes first: what was heard may be over, and is not told again then.
        if take(&mut hearing.missed, notice) {
            hearing.heard.push((channel, notice));
            let noted = actor.caches.over(channel).note_late(reply);
            return noted.map(|_| None).map_err(blame);
        }
        if take(&mut hearing.repeated, notice) {
            hearing.heard.push((channel, notice));
            actor.caches.over(channel).note_again(reply);
            return Ok(None);
        }
        let has_others = actor.channels.len() > 1;
        let may_miss = has_others && wants_acknowledgment(reply);
        if may_miss && actor.routing.once_in(3) {
            self.summary.missed += 1;
            hearing.missed.push((channel, notice));
            return Ok(Some(Event::Notice(notice)));
        }
        hearing.heard.push((channel, notice));
        let noted = actor.caches.over(channel).note(reply);
        let is_news = noted.map_err(blame)?;
        Ok(is_news.then_some(Event::Notice(notice)))
    }

    /// Whether each break of which a lost channel has told is told of again over another.
    // [MS-SMB2] 3.3.4.6
    // [MS-SMB2] 3.3.4.7
    pub(super) fn check_hearing(&mut self) -> Result<(), String> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        for (client, actor) in self.actors.iter_mut().enumerate() {
            actor.hearing.repeated.clear();
            let missed = &mut actor.hearing.missed;
            missed.retain(|(_, notice)| model.is_breaking(notice.holder));
            let is_lost = |(channel, _): &&(u64, Notice)| actor.place(*channel).is_none();
            if let Some((_, missed)) = actor.hearing.missed.iter().find(is_lost) {
                return Err(format!("client {client} never hears of {missed:?}"));
            }
        }
        Ok(())
    }
}

impl Hearing {
    /// A channel is lost: what went over it, the server may tell once more.
    fn lose(&mut self, channel: u64) {
        let heard = std::mem::take(&mut self.heard).into_iter();
        (self.repeated, self.heard) = heard.partition(|(over, _)| *over == channel);
    }
}

/// Whether a notice is to be acknowledged, as far as it says.
fn wants_acknowledgment(reply: &Reply) -> bool {
    match reply.response() {
        Ok(Response::OplockBreakNotification(OplockBreakNotification::Oplock(broken))) => {
            broken.oplock_level == OplockLevel::II
        }
        Ok(Response::OplockBreakNotification(OplockBreakNotification::Lease(broken))) => {
            broken.flags.contains(LeaseBreakFlags::ACK_REQUIRED)
        }
        _ => false,
    }
}

fn take(notices: &mut Vec<(u64, Notice)>, notice: Notice) -> bool {
    let at = notices.iter().position(|(_, one)| *one == notice);
    at.map(|at| notices.swap_remove(at)).is_some()
}

/// How many channels a session has at most.
const MOST_CHANNELS: usize = 3;
