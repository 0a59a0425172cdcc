//! The breaks that await their acknowledgment, each with the alarm that ends the waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Break, CachingHolder};
use crate::alarms::{self, Alarm, AlarmId};
use crate::commands::effects::carry_out;
use crate::object_store::BreakId;
use crate::persistence;
use crate::server::Server;

/// How long a client may take to acknowledge a break. [MS-SMB2] notes 246 and 247: Windows waits
/// 35 s.
pub(super) const BREAK_TIMEOUT: Duration = Duration::from_secs(35);

/// The breaks that await their acknowledgment.
#[derive(Default)]
pub(crate) struct AwaitedBreaks(Mutex<HashMap<BreakId, Awaited>>);

/// What happens to a break next.
enum Awaited {
    /// Unless it is acknowledged before, it ends with this alarm.
    Until(AlarmId),
    /// Its holder has not been told, and will be when it comes back for a persistent open.
    Untold(Break),
}

impl AwaitedBreaks {
    /// Starts the acknowledgment timer of a break.
    // [MS-SMB2] 3.3.2.1
    // [MS-SMB2] 3.3.2.5
    pub(super) fn start(server: &Arc<Server>, id: BreakId) {
        let alarm = alarms::set(server, BREAK_TIMEOUT, Alarm::Break(id));
        let mut awaited = server.awaited_breaks.0.lock();
        awaited.insert(id, Awaited::Until(alarm));
    }

    /// Gives the holder of a break that has been held back all its time, unless the break is over.
    pub(super) fn restart(server: &Arc<Server>, id: BreakId) {
        let mut awaited = server.awaited_breaks.0.lock();
        if let Some(awaited) = awaited.get_mut(&id) {
            let alarm = alarms::set(server, BREAK_TIMEOUT, Alarm::Break(id));
            if let Awaited::Until(old) = std::mem::replace(awaited, Awaited::Until(alarm)) {
                server.alarms.cancel(old);
            }
        }
    }

    /// Keeps a break, unless it is over, until its holder comes back, however long that takes.
    // [MS-SMB2] 3.3.4.7
    pub(super) fn suspend(&self, server: &Server, broken: Break) {
        let mut awaited = self.0.lock();
        if let Some(awaited) = awaited.get_mut(&broken.id())
            && let Awaited::Until(alarm) = std::mem::replace(awaited, Awaited::Untold(broken))
        {
            server.alarms.cancel(alarm);
        }
    }

    /// The breaks that are kept for a holder, which has come back. Each is to be told and so restarted.
    pub(super) fn take_suspended(&self, holder: CachingHolder) -> Vec<Break> {
        let awaited = self.0.lock();
        let mut kept: Vec<_> = awaited
            .values()
            .filter_map(|awaited| match awaited {
                Awaited::Untold(broken) if broken.holder() == holder => Some(*broken),
                _ => None,
            })
            .collect();
        kept.sort_unstable_by_key(Break::id);
        kept
    }

    /// Stops the timer of a break that has ended.
    pub(crate) fn stop(&self, server: &Server, id: BreakId) {
        if let Some(Awaited::Until(alarm)) = self.0.lock().remove(&id) {
            server.alarms.cancel(alarm);
        }
    }

    /// Whether a break still awaits its acknowledgment.
    pub(super) fn awaits(&self, id: BreakId) -> bool {
        self.0.lock().contains_key(&id)
    }

    /// The number of breaks that await their acknowledgment.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// The client has not acknowledged in time.
// [MS-SMB2] 3.3.6.1
// [MS-SMB2] 3.3.6.5
pub(crate) fn time_out(server: &Arc<Server>, id: BreakId) {
    give_up(server, id);
}

/// Ends a break that its holder was not told of, or has not acknowledged.
pub(super) fn give_up(server: &Arc<Server>, id: BreakId) {
    // The store says nothing of a break that was over before its timer was started.
    server.awaited_breaks.stop(server, id);
    let effects = server.object_store.give_up(id);
    // Before whoever waits for the end of the break goes on. Nobody waits for the answer: a record that
    // says too much of a caching is overruled by those of the opens that it was broken for.
    drop(persistence::note_file(server, id.object()));
    carry_out(server, effects);
}
