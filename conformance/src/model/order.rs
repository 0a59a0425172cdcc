//! Judges what came at once: in some order, all of it must be right.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::caching::Notice;
use super::files::Model;
use super::operation::{Holder, Leasing, Operation, Outcome};

/// Something that clients have seen of the server, or an open that it has closed by itself.
#[derive(Debug, Clone)]
pub enum Event {
    /// A final reply.
    Answer {
        /// Whose.
        client: usize,
        /// What was asked for.
        operation: Operation,
        /// What came of it.
        outcome: Outcome,
    },
    /// A notice of a break.
    Notice(Notice),
    /// An open does not wait for its client any more.
    Gone(u64),
}

/// Why the model does not go on with what has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// The server was wrong: in this, in the first order that was tried.
    Wrong(String),
    /// There are more orders than are looked at, and none of those is right.
    Undecided,
}

impl Model {
    /// Judges events that came at once, in some order that makes them all right: whose operation was
    /// the first, the server does not say. These operations are under way or answered.
    ///
    /// An order is better in which no view becomes stale without a notice, of those too who are giving up
    /// other caching; there may be none.
    ///
    /// # Errors
    /// No order was found in which all is right.
    pub fn judge_together(
        &self,
        events: &[&Event],
        under_way: &[Operation],
    ) -> Result<Self, Objection> {
        // For most of what comes at once, somebody has waited until an acknowledgment came.
        let mut events = events.to_vec();
        events.sort_by_key(|event| !event.acknowledges());
        let all: Vec<_> = (0..events.len()).collect();
        let stale = self.stale();
        let better = |model: &Self| model.stale().is_subset(&stale);
        let mut search = Search::new(&events, under_way, &better, MOST_TRIES_FOR_BETTER);
        if let Ok(model) = search.judge_in_order(self, &all) {
            return Ok(model);
        }
        let mut search = Search::new(&events, under_way, &|_| true, MOST_TRIES);
        let judged = search.judge_in_order(self, &all);
        judged.map_err(|error| match search.tries {
            0 => Objection::Undecided,
            _ => Objection::Wrong(error),
        })
    }

    fn take(&mut self, event: &Event, under_way: &[Operation]) -> Result<(), String> {
        match event {
            Event::Answer {
                client,
                operation,
                outcome,
            } => self.judge(*client, operation, outcome),
            Event::Notice(notice) => {
                self.notice(*notice);
                Ok(())
            }
            Event::Gone(open) => self.vanish(*open, under_way),
        }
    }
}

/// A search for an order.
struct Search<'a> {
    events: &'a [&'a Event],
    under_way: &'a [Operation],
    is_good: &'a dyn Fn(&Model) -> bool,
    /// How often the model may still go on with an event.
    tries: u32,
    /// By the hash of model and events that are left: that no order of these is right. Where events do not
    /// concern each other, many orders lead there.
    dead_ends: HashSet<u64>,
}

impl<'a> Search<'a> {
    fn new(
        events: &'a [&'a Event],
        under_way: &'a [Operation],
        is_good: &'a dyn Fn(&Model) -> bool,
        tries: u32,
    ) -> Self {
        Self {
            events,
            under_way,
            is_good,
            tries,
            dead_ends: HashSet::new(),
        }
    }

    /// Goes on with the events that are left, by their places among all.
    fn judge_in_order(&mut self, model: &Model, left: &[usize]) -> Result<Model, String> {
        if left.is_empty() {
            model.check_caches()?;
            if !(self.is_good)(model) {
                return Err("a view becomes stale".to_owned());
            }
            let mut settled = model.clone();
            settled.disturbed.clear();
            return Ok(settled);
        }
        let here = hash(model, left);
        if self.dead_ends.contains(&here) {
            return Err("nothing that was not tried before".to_owned());
        }
        let mut first_error = None;
        for (at, place) in left.iter().enumerate() {
            let next = self.events[*place];
            let mut earlier = left[..at].iter();
            if earlier.any(|place| self.events[*place].comes_before(next)) {
                continue;
            }
            if self.tries == 0 {
                return Err(first_error.unwrap_or_else(|| "not tried".to_owned()));
            }
            self.tries -= 1;
            let mut trial = model.clone();
            let taken = trial.take(next, self.under_way);
            let is_right = taken.is_ok();
            let judged = taken.and_then(|()| {
                let mut left = left.to_vec();
                left.remove(at);
                self.judge_in_order(&trial, &left)
            });
            match judged {
                Ok(model) => return Ok(model),
                Err(error) => _ = first_error.get_or_insert(error),
            }
            // What changes nothing and is right here: the fault is in the others.
            if is_right && next.changes_nothing() {
                break;
            }
        }
        self.dead_ends.insert(here);
        first_error.map_or_else(|| Ok(model.clone()), Err)
    }
}

fn hash(model: &Model, left: &[usize]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (model, left).hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(text) => f.write_str(text),
            Self::Undecided => write!(f, "too many orders: none of those tried is right"),
        }
    }
}

impl From<String> for Objection {
    fn from(text: String) -> Self {
        Self::Wrong(text)
    }
}

impl Event {
    /// What has been answered.
    #[must_use]
    pub fn operation(&self) -> Option<&Operation> {
        match self {
            Self::Answer { operation, .. } => Some(operation),
            Self::Notice(_) | Self::Gone(_) => None,
        }
    }

    /// Whether a client has its open back.
    #[must_use]
    pub fn takes_up(&self, id: u64) -> bool {
        let operation = self.operation();
        let is_reply = matches!(
            self,
            Self::Answer {
                outcome: Outcome::Opened { .. },
                ..
            }
        );
        is_reply && matches!(operation, Some(Operation::Reconnect { open, .. }) if *open == id)
    }

    fn acknowledges(&self) -> bool {
        matches!(self.operation(), Some(Operation::Acknowledge { .. }))
    }

    /// Whether this comes before a notice that has arrived later: both are about one oplock or lease.
    fn comes_before(&self, other: &Self) -> bool {
        matches!(other, Self::Notice(notice) if self.holder() == Some(notice.holder))
    }

    /// Whose caching this decides about.
    fn holder(&self) -> Option<Holder> {
        match self {
            Self::Notice(notice) => Some(notice.holder),
            Self::Answer {
                operation: Operation::Acknowledge { holder, .. },
                ..
            } => Some(*holder),
            Self::Answer {
                client,
                operation,
                outcome: Outcome::Opened { id, .. },
            } => {
                let (client, lease) = (*client, operation.lease());
                Some(
                    lease.map_or(Holder::Open(*id), |Leasing { key, .. }| Holder::Lease {
                        client,
                        key,
                    }),
                )
            }
            Self::Answer { .. } | Self::Gone(_) => None,
        }
    }

    fn changes_nothing(&self) -> bool {
        let Self::Answer {
            operation, outcome, ..
        } = self
        else {
            return false;
        };
        outcome.is_refused() && !matches!(operation, Operation::Watch { .. })
    }
}

/// How many events are tried in search of a better order.
const MOST_TRIES_FOR_BETTER: u32 = 1_000;
/// How many events are tried in search of any order that is right.
const MOST_TRIES: u32 = 200_000;
