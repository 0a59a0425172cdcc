//! Judges what came at once: in some order, all of it must be right.

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

impl Model {
    /// Judges events that came at once, in some order that makes them all right: whose operation was
    /// the first, the server does not say. These operations are under way or answered.
    ///
    /// An order is better in which no view becomes stale without a notice, of those too who are giving up
    /// other caching; there may be none.
    ///
    /// # Errors
    /// What was wrong in the first order.
    pub fn judge_together(
        &self,
        events: &[&Event],
        under_way: &[Operation],
    ) -> Result<Self, String> {
        // For most of what comes at once, somebody has waited until an acknowledgment came.
        let mut events = events.to_vec();
        events.sort_by_key(|event| !event.acknowledges());
        let stale = self.stale();
        let better = |model: &Self| model.stale().is_subset(&stale);
        let (mut few, mut all) = (MOST_TRIES, u32::MAX);
        self.judge_in_order(&events, under_way, &better, &mut few)
            .or_else(|_| self.judge_in_order(&events, under_way, &|_| true, &mut all))
    }

    fn judge_in_order(
        &self,
        events: &[&Event],
        under_way: &[Operation],
        is_good: &dyn Fn(&Self) -> bool,
        tries: &mut u32,
    ) -> Result<Self, String> {
        *tries = tries.saturating_sub(1);
        if events.is_empty() {
            self.check_caches()?;
            if !is_good(self) {
                return Err("a view becomes stale".to_owned());
            }
            let mut settled = self.clone();
            settled.disturbed.clear();
            return Ok(settled);
        }
        let mut first_error = None;
        for (at, next) in events.iter().enumerate() {
            let earlier = &events[..at];
            if earlier.iter().any(|event| event.comes_before(next)) {
                continue;
            }
            let mut trial = self.clone();
            let taken = trial.take(next, under_way);
            let is_right = taken.is_ok();
            let judged = taken.and_then(|()| {
                let mut rest = events.to_vec();
                rest.remove(at);
                trial.judge_in_order(&rest, under_way, is_good, tries)
            });
            match judged {
                Ok(model) => return Ok(model),
                Err(error) => _ = first_error.get_or_insert(error),
            }
            // What changes nothing and is right here: the fault is in the others.
            if is_right && next.changes_nothing() || *tries == 0 {
                break;
            }
        }
        first_error.map_or_else(|| Ok(self.clone()), Err)
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

/// How many orders are looked at for a better one.
const MOST_TRIES: u32 = 1_000;
