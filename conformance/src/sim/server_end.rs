//! The server's end of a simulated link: drives a [`Connection`] as the program's driver does.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use server::{Connection, DisconnectReason, Environment, Job, LinkFacts, Mail, Server};

use super::environment::Virtual;

/// A connection and the tasks that its jobs became.
pub struct ServerEnd {
    connection: Option<Connection>,
    environment: Virtual,
}

impl ServerEnd {
    /// A connection that has just been accepted.
    #[must_use]
    pub fn new(server: &Arc<Server>, environment: &Virtual) -> Self {
        let facts = LinkFacts {
            peer: None,
            local: None,
            small_messages: false,
        };
        Self {
            connection: Some(Connection::new(server.clone(), facts, environment.now())),
            environment: environment.clone(),
        }
    }

    /// Hands one transport message in and starts its jobs.
    ///
    /// # Errors
    /// The server ended the connection.
    pub fn receive(&mut self, message: BytesMut) -> Result<(), DisconnectReason> {
        let now = self.environment.now();
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let received = connection.receive(now, message);
        while let Some(job) = connection.next_job() {
            Self::start(connection, &self.environment, job);
        }
        received.inspect_err(|reason| self.close(Some(*reason)))
    }

    /// Takes everything there is to send.
    ///
    /// # Errors
    /// The server ends the connection after the frames taken so far.
    pub fn take_frames(&mut self, frames: &mut Vec<Bytes>) -> Result<(), DisconnectReason> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        while let Some(frame) = connection.next_frame() {
            frames.push(frame.head);
        }
        match connection.ending() {
            Some(reason) => {
                self.close(Some(reason));
                Err(reason)
            }
            None => Ok(()),
        }
    }

    /// Lets the connection look at the clock.
    ///
    /// # Errors
    /// The server ended the connection.
    pub fn handle_timeout(&mut self) -> Result<(), DisconnectReason> {
        let now = self.environment.now();
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        let handled = connection.handle_timeout(now);
        handled.inspect_err(|reason| self.close(Some(*reason)))
    }

    /// Whether the connection stands.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    /// Ends the connection; what it held is closed by a task.
    pub fn close(&mut self, reason: Option<DisconnectReason>) {
        if let Some(connection) = self.connection.take() {
            let job = connection.close(reason);
            self.environment.spawn(Box::pin(async move {
                job.await;
            }));
        }
    }

    /// Polls a job where it stands, and makes a task of it unless it is done then.
    fn start(connection: &mut Connection, environment: &Virtual, mut job: Job) {
        let mut context = Context::from_waker(Waker::noop());
        match std::pin::Pin::new(&mut job).poll(&mut context) {
            Poll::Ready(done) => connection.finish(done),
            Poll::Pending => {
                let mailbox = connection.state().mailbox.clone();
                environment.spawn(Box::pin(async move {
                    mailbox.post(Mail::Done(job.await));
                }));
            }
        }
    }
}
