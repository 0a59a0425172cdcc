//! The breaks that await their acknowledgment, each with the alarm that ends the waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::alarms::{self, Alarm, AlarmId};
use crate::commands::effects::carry_out;
use crate::object_store::BreakId;
use crate::server::Server;

/// How long a client may take to acknowledge a break. [MS-SMB2] notes 246 and 247: Windows waits
/// 35 s.
pub(super) const BREAK_TIMEOUT: Duration = Duration::from_secs(35);

/// The breaks that await their acknowledgment.
#[derive(Default)]
pub(crate) struct AwaitedBreaks(Mutex<HashMap<BreakId, AlarmId>>);

impl AwaitedBreaks {
    /// Starts the acknowledgment timer of a break.
    // [MS-SMB2] 3.3.2.1
    // [MS-SMB2] 3.3.2.5
    pub(super) fn start(server: &Arc<Server>, id: BreakId) {
        let alarm = alarms::set(server, BREAK_TIMEOUT, Alarm::Break(id));
        server.awaited_breaks.0.lock().insert(id, alarm);
    }

    /// Gives the holder of a break that has been held back all its time, unless the break is over.
    pub(super) fn restart(server: &Arc<Server>, id: BreakId) {
        let mut awaited = server.awaited_breaks.0.lock();
        if let Some(alarm) = awaited.get_mut(&id) {
            server.alarms.cancel(*alarm);
            *alarm = alarms::set(server, BREAK_TIMEOUT, Alarm::Break(id));
        }
    }

    /// Stops the timer of a break that has ended.
    pub(crate) fn stop(&self, server: &Server, id: BreakId) {
        if let Some(alarm) = self.0.lock().remove(&id) {
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
    carry_out(server, server.object_store.give_up(id));
}
