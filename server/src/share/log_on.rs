//! A log-on inside a pipe: a client that proves once more who it is, to the service behind the pipe.
//!
//! Owns the steps of one such log-on, and who is logged on in this way. It is judged, counted and slowed down as one by
//! SESSION_SETUP is.

use std::net::IpAddr;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use auth::{AcceptFacts, MessageProtection, Step};
use parking_lot::Mutex;
use wire::NtStatus;

use super::types::{Caller, LogOnFacts};
use crate::pace::{LogonResult, slow_down};
use crate::server::Server;

/// A log-on that has not ended.
pub struct LogOn {
    server: Arc<Server>,
    address: Option<IpAddr>,
    /// Whether the pipe is used encrypted only.
    encrypted: bool,
    context: Box<dyn auth::Context>,
}

/// What a token has led to.
pub enum LogOnStep {
    /// Send this token and wait for the client's next one.
    Continue {
        /// The token.
        token: Vec<u8>,
        /// The log-on, for the next step.
        log_on: LogOn,
    },
    /// The client is who it says.
    Done {
        /// A last token for the client, perhaps empty.
        token: Vec<u8>,
        /// Who the client is.
        user: Arc<PipeUser>,
        /// What protects the messages that follow; none for who shares no key with the server.
        protection: Option<Box<dyn MessageProtection>>,
    },
}

/// Somebody who has logged on inside a pipe.
pub struct PipeUser(ArcSwapOption<Caller>);

impl PipeUser {
    /// What the user may do with pipes now; none once the accounts have taken away what the log-on gave.
    #[must_use]
    pub fn caller(&self) -> Option<Arc<Caller>> {
        self.0.load_full()
    }

    pub(crate) fn become_caller(&self, caller: Option<Caller>) {
        self.0.store(caller.map(Arc::new));
    }
}

/// All who have logged on inside a pipe.
#[derive(Default)]
pub(crate) struct PipeUsers(Mutex<Vec<Weak<PipeUser>>>);

impl PipeUsers {
    fn add(&self, caller: Caller) -> Arc<PipeUser> {
        let user = Arc::new(PipeUser(ArcSwapOption::from_pointee(caller)));
        let mut users = self.0.lock();
        users.retain(|user| user.strong_count() > 0);
        users.push(Arc::downgrade(&user));
        user
    }

    pub(crate) fn all(&self) -> Vec<Arc<PipeUser>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

/// What somebody who logged on like this may do with pipes.
///
/// # Errors
/// `ACCESS_DENIED` where there are no pipes for the user.
pub(crate) fn caller_on_pipes(server: &Server, facts: Arc<LogOnFacts>) -> Result<Caller, NtStatus> {
    let settings = server.settings();
    let pipes = settings.shares.iter().find(|share| share.is_pipe());
    let pipes = pipes.ok_or(NtStatus::ACCESS_DENIED)?;
    let mut caller = server.identities().caller(&facts.identity, pipes)?;
    caller.log_on = Some(facts);
    Ok(caller)
}

impl LogOn {
    /// Begins a log-on in a pipe that was opened under another one.
    pub(super) fn new(server: Arc<Server>, outer: Option<&LogOnFacts>) -> Self {
        let mut entropy = [0; 32];
        server.environment().fill_random(&mut entropy);
        let facts = AcceptFacts {
            entropy,
            channel_bindings: None,
        };
        let context = server.settings().mechanism.start(&facts);
        Self {
            server,
            address: outer.and_then(|facts| facts.address),
            encrypted: outer.is_some_and(|facts| facts.encrypted),
            context,
        }
    }

    /// Takes the client's next token.
    ///
    /// # Errors
    /// What the mechanism says, such as `LOGON_FAILURE`; `ACCESS_DENIED` where there are no pipes for the user.
    pub async fn step(mut self, token: Vec<u8>) -> Result<LogOnStep, NtStatus> {
        let now = self.server.environment().wall_clock();
        match self.context.step(&token, now) {
            Ok(Step::Continue(token)) => Ok(LogOnStep::Continue {
                token,
                log_on: self,
            }),
            Ok(Step::Done {
                token,
                identity,
                session_key,
            }) => {
                let user = &identity.user;
                slow_down(&self.server, self.address, user, LogonResult::Succeeded).await;
                let has_key = identity.kind.can_sign();
                let facts = LogOnFacts {
                    identity: Arc::new(identity),
                    session_key: has_key.then_some(session_key),
                    address: self.address,
                    encrypted: self.encrypted,
                };
                let caller = caller_on_pipes(&self.server, Arc::new(facts))?;
                Ok(LogOnStep::Done {
                    token: token.unwrap_or_default(),
                    user: self.server.pipe_users.add(caller),
                    protection: self.context.protection(0),
                })
            }
            Err(error) => {
                self.server.statistics.failed_logons.add(1);
                tracing::warn!(target: "smb::authentication", peer = ?self.address, why = %error, "log-on to a pipe refused");
                if error.is_failed_guess() {
                    let user = error.name.as_ref().map_or("", |name| &name.user);
                    slow_down(&self.server, self.address, user, LogonResult::Failed).await;
                }
                Err(error.status())
            }
        }
    }
}
