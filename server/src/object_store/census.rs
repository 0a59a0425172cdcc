//! How much the store holds, counted entry by entry: for whoever wants to see that nothing is left.

use super::object::Shared;

/// What the store holds for opens. All counts are of one moment only while nobody opens or closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Files and directories that are open or being deleted.
    pub objects: usize,
    /// Opens of them.
    pub opens: usize,
    /// Ranges that are locked.
    pub locks: usize,
    /// LOCK requests that wait.
    pub waiting_locks: usize,
    /// Operations that wait for a break to end.
    pub waiting_breaks: usize,
    /// Leases in the lease table.
    pub leases: usize,
    /// Names that are open, and directories above them.
    pub names: usize,
    /// Directories that are watched, once for each open that watches.
    pub watches: usize,
    /// Directories with caching to break.
    pub cached_directories: usize,
}

/// Counts what the store holds; walks all of it.
pub(super) fn take(shared: &Shared) -> Census {
    let mut census = Census {
        leases: shared.leases.len(),
        names: shared.names.len(),
        watches: shared.names.watches(),
        cached_directories: shared.names.cached_directories(),
        ..Census::default()
    };
    for object in shared.objects() {
        let state = object.lock();
        census.objects = census.objects.saturating_add(1);
        let waiting_breaks = state.waiting_breaks();
        census.waiting_breaks = census.waiting_breaks.saturating_add(waiting_breaks);
        for stream in &state.streams {
            let opens = usize::try_from(stream.opens).unwrap_or(usize::MAX);
            census.opens = census.opens.saturating_add(opens);
            census.locks = census.locks.saturating_add(stream.locks.len());
            let waiting = stream.locks.waiting_len();
            census.waiting_locks = census.waiting_locks.saturating_add(waiting);
        }
    }
    census
}
