//! A connection's mailbox: how jobs, and other connections, hand it what it must send.
//!
//! No task writes another's socket: it posts here, and the driver that owns the socket drains. Once the
//! connection has ended nobody does, and what comes then goes at once: with a reply that never leaves go
//! the breaks that it holds back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::disconnect::DisconnectReason;
use crate::job::Done;
use crate::packet::Frame;

/// Something for a connection's driver.
#[derive(Debug)]
pub enum Mail {
    /// Bytes to send: an interim reply, a break, a notification.
    Frame(Frame),
    /// Bytes to send that would be sent elsewhere if the client did not take them soon.
    Urgent(Frame),
    /// A job that was spawned has finished.
    Done(Done),
    /// The connection has to end.
    Disconnect(DisconnectReason),
}

/// The mailbox of one connection; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    mail: VecDeque<Mail>,
    reader: Option<Waker>,
    /// The connection has ended.
    closed: bool,
}

impl Mailbox {
    /// Leaves mail and wakes the driver.
    pub fn post(&self, mail: Mail) {
        let reader = {
            let mut inner = self.0.lock();
            if inner.closed {
                return;
            }
            inner.mail.push_back(mail);
            inner.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Throws away what is there and what will come.
    pub(crate) fn close(&self) {
        let mail = {
            let mut inner = self.0.lock();
            inner.closed = true;
            std::mem::take(&mut inner.mail)
        };
        drop(mail);
    }

    /// Takes the oldest mail.
    pub(crate) fn take(&self) -> Option<Mail> {
        self.0.lock().mail.pop_front()
    }

    /// Ready when there is mail. Takes none.
    pub fn poll_mail(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.0.lock();
        if inner.mail.is_empty() {
            inner.reader = Some(cx.waker().clone());
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}
