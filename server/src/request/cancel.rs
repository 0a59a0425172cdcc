//! The requests in progress of a connection, and how CANCEL, the end of a session and a lost connection
//! end their waits.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use wire::{AsyncId, MessageId, NtStatus, SessionId};

use crate::session::Session;

/// A request being carried out. [MS-SMB2] 3.3.1.13
#[derive(Debug, Default)]
pub struct RequestEntry {
    state: Mutex<EntryState>,
}

#[derive(Debug, Default)]
struct EntryState {
    async_id: Option<AsyncId>,
    /// The session that it waits in.
    session_id: Option<SessionId>,
    ended: Option<NtStatus>,
    waiting: Option<Waker>,
    /// The session by whose other channels the client asks for the result.
    session: Weak<Session>,
}

impl RequestEntry {
    /// Ends the request's wait, now or as soon as it starts to wait, with `status`.
    pub fn end(&self, status: NtStatus) {
        let waker = {
            let mut state = self.state.lock();
            state.ended.get_or_insert(status);
            state.waiting.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready with the status when somebody has ended the request.
    pub fn ended(&self) -> Ended<'_> {
        Ended(self)
    }

    fn set_waiting(&self, id: AsyncId, session: Option<SessionId>) {
        let mut state = self.state.lock();
        state.async_id = Some(id);
        state.session_id = session;
    }

    /// Has the wait go on when the connection is lost, as long as the session has another one.
    pub fn outlive_channel(&self, session: &Arc<Session>) {
        self.state.lock().session = Arc::downgrade(session);
    }

    /// Whether the wait goes on without the connection with this number.
    fn outlives(&self, lost: u64) -> bool {
        let session = self.state.lock().session.upgrade();
        session.is_some_and(|session| session.channels().iter().any(|other| other.id != lost))
    }

    fn waits_in(&self, session: SessionId) -> bool {
        self.state.lock().session_id == Some(session)
    }

    fn async_id(&self) -> Option<AsyncId> {
        self.state.lock().async_id
    }
}

/// The future of [`RequestEntry::ended`].
pub struct Ended<'a>(&'a RequestEntry);

impl Future for Ended<'_> {
    type Output = NtStatus;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<NtStatus> {
        let mut state = self.0.state.lock();
        if let Some(status) = state.ended {
            return Poll::Ready(status);
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Connection.RequestList. [MS-SMB2] 3.3.1.7
#[derive(Debug, Default)]
pub struct RequestList {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    all: BTreeMap<MessageId, Arc<RequestEntry>>,
    /// Those that wait asynchronously. [MS-SMB2] 3.3.1.7, AsyncCommandList
    waiting: BTreeMap<AsyncId, Arc<RequestEntry>>,
}

impl RequestList {
    /// Registers a request.
    pub fn insert(&self, id: MessageId) -> Arc<RequestEntry> {
        let entry = Arc::<RequestEntry>::default();
        self.entries.lock().all.insert(id, entry.clone());
        entry
    }

    /// Forgets a request that has its final reply.
    pub fn remove(&self, id: MessageId) {
        let mut entries = self.entries.lock();
        let removed = entries.all.remove(&id);
        if let Some(id) = removed.and_then(|entry| entry.async_id()) {
            entries.waiting.remove(&id);
        }
    }

    /// Remembers the id that the client may cancel a request of the list by, and the session with which its wait
    /// ends.
    pub fn set_waiting(&self, entry: &Arc<RequestEntry>, id: AsyncId, session: Option<SessionId>) {
        entry.set_waiting(id, session);
        self.entries.lock().waiting.insert(id, entry.clone());
    }

    /// The number of requests in progress.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.lock().all.len()
    }

    /// The number of requests that wait asynchronously.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.entries.lock().waiting.len()
    }

    /// Whether nothing is in progress.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.lock().all.is_empty()
    }

    /// The request with this message id.
    #[must_use]
    pub fn by_message_id(&self, id: MessageId) -> Option<Arc<RequestEntry>> {
        self.entries.lock().all.get(&id).cloned()
    }

    /// The request with this async id.
    #[must_use]
    pub fn by_async_id(&self, id: AsyncId) -> Option<Arc<RequestEntry>> {
        self.entries.lock().waiting.get(&id).cloned()
    }

    /// Ends the waits of a session that has ended.
    pub fn end_session(&self, session: SessionId) {
        let entries: Vec<_> = self.entries.lock().waiting.values().cloned().collect();
        for entry in entries.iter().filter(|entry| entry.waits_in(session)) {
            entry.end(NtStatus::USER_SESSION_DELETED);
        }
    }

    /// Ends the waits because the connection with this number is lost.
    // [MS-SMB2] 3.3.7.1
    // departs [MS-SMB2] 3.3.7.1: a CREATE that is to be repeated on another channel goes on; so it does on Windows
    pub fn end_all(&self, lost: u64) {
        let entries: Vec<_> = self.entries.lock().all.values().cloned().collect();
        for entry in entries.iter().filter(|entry| !entry.outlives(lost)) {
            entry.end(NtStatus::CANCELLED);
        }
    }
}
