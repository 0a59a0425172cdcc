//! What tests of services need: a client that calls procedures by number, without pipes and packets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use server::access::{Privileges, SecurityToken};
use server::accounts::{Identity, LogonKind};
use server::share::{
    Administration, Caller, LogOnFacts, NoAdministration, Printer, ServerSnapshot, ServerView,
    SessionSnapshot, ShareKind, ShareSnapshot,
};
use wire::NtStatus;
use wire::dtyp::{FileTime, Sid};

use super::ndr::{ByteOrder, Decoder, Encoder, Parameters, Syntax};
use super::rpc::{Call, Fault, Handles, Interface, Outcome, Services};
use super::workers::Workers;
use crate::offload::{Inline, Offload};

/// A server with printers and little else.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) shares: Vec<ShareSnapshot>,
    pub(super) printers: Vec<Printer>,
    /// Those that nobody may use.
    pub(super) closed_printers: Mutex<Vec<&'static str>>,
}

impl ServerView for Desk {
    fn facts(&self) -> ServerSnapshot {
        ServerSnapshot {
            name: "DESK".to_owned(),
            domain: "OFFICE".to_owned(),
            comment: String::new(),
            now: FileTime::from_unix(1_795_221_745, 0),
            start_time: FileTime::from_unix(1_795_218_145, 0),
        }
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        self.shares.clone()
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        Vec::new()
    }

    fn printers(&self, _: &Arc<LogOnFacts>) -> Vec<Printer> {
        self.printers.clone()
    }

    fn printer(&self, _: &Arc<LogOnFacts>, name: &str) -> Result<Printer, NtStatus> {
        if self.closed_printers.lock().contains(&name) {
            return Err(NtStatus::ACCESS_DENIED);
        }
        let mut printers = self.printers.iter();
        let found = printers.find(|printer| printer.name.eq_ignore_ascii_case(name));
        found.cloned().ok_or(NtStatus::BAD_NETWORK_NAME)
    }
}

/// Somebody who calls procedures.
pub(super) struct Client {
    services: Arc<Services>,
    caller: Arc<Caller>,
    handles: Handles,
    interface: &'static Interface,
}

impl Client {
    /// A user of these groups.
    pub(super) fn new(
        view: Arc<dyn ServerView>,
        interface: &'static Interface,
        groups: &[Sid],
    ) -> Self {
        let is_anonymous = groups.contains(&Sid::ANONYMOUS);
        let kind = if is_anonymous {
            LogonKind::Anonymous
        } else {
            LogonKind::User
        };
        Self {
            services: Arc::new(Services {
                view,
                administration: Arc::new(NoAdministration),
                workers: Workers::new(Arc::new(Inline)),
                pool: Arc::new(Inline),
            }),
            caller: Arc::new(caller("alice", kind, groups)),
            handles: Handles::new(1),
            interface,
        }
    }

    /// The same, where somebody keeps accounts.
    pub(super) fn administered_by(self, administration: Arc<dyn Administration>) -> Self {
        let services = Services {
            view: Arc::clone(&self.services.view),
            administration,
            workers: Workers::new(Arc::new(Inline)),
            pool: Arc::new(Inline),
        };
        Self {
            services: Arc::new(services),
            ..self
        }
    }

    /// The same, where what waits for something else is done on threads of `pool`.
    pub(super) fn working_on(self, pool: Arc<dyn Offload>) -> Self {
        let services = Services {
            view: Arc::clone(&self.services.view),
            administration: Arc::clone(&self.services.administration),
            workers: Workers::new(Arc::new(Inline)),
            pool,
        };
        Self {
            services: Arc::new(services),
            ..self
        }
    }

    /// Calls the procedure with this number.
    pub(super) fn call<I: Parameters, O: Parameters>(
        &mut self,
        operation: u16,
        arguments: &I,
    ) -> Result<O, Fault> {
        let mut stub = Encoder::new(ByteOrder::Little, Syntax::Ndr32);
        arguments.encode(&mut stub);
        let stub = stub.into_bytes();
        let mut call = Call {
            services: &self.services,
            caller: &self.caller,
            handles: &mut self.handles,
            interfaces: &[],
            repeated: None,
        };
        let arguments = Decoder::new(&stub, ByteOrder::Little, Syntax::Ndr32);
        let results = match (self.interface.call)(&mut call, operation, arguments) {
            Outcome::Now(results) => results,
            Outcome::Later(mut later) => now(&mut later),
        }?;
        let mut results = Decoder::new(&results, ByteOrder::Little, Syntax::Ndr32);
        let decoded = O::decode(&mut results).expect("results of the procedure's own types");
        assert!(
            results.rest().is_empty(),
            "more results than were asked for"
        );
        Ok(decoded)
    }
}

/// A share that two use.
pub(super) fn share(name: &str, kind: ShareKind, comment: &str) -> ShareSnapshot {
    ShareSnapshot {
        name: name.to_owned(),
        path: None,
        kind,
        comment: comment.to_owned(),
        hidden: false,
        max_uses: None,
        current_uses: 2,
        caching: config::Caching::Manual,
        oplocks: config::Oplocks::All,
        permissions: None,
        encrypted: false,
        access_based_enumeration: false,
        continuous_availability: false,
    }
}

/// A user who has logged on.
pub(super) fn caller(user: &str, kind: LogonKind, groups: &[Sid]) -> Caller {
    let token = SecurityToken::new(
        Sid::unix_user(1000),
        Sid::USERS,
        groups.to_vec(),
        Privileges::NONE,
    );
    let identity = Identity {
        user: user.to_owned(),
        domain: String::new(),
        workstation: String::new(),
        kind,
        account: None,
        method: "",
        expires: None,
    };
    Caller {
        user: user.into(),
        token: Arc::new(token),
        host: None,
        log_on: Some(Arc::new(LogOnFacts {
            identity: Arc::new(identity),
            session_key: None,
            address: Some([192, 0, 2, 7].into()),
            encrypted: false,
        })),
    }
}

fn now<T>(later: &mut Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    match later.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it has to be waited for"),
    }
}
