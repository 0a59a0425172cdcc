//! Entries for fuzzers: the packets of a pipe, and the stubs of every procedure.
//!
//! Both are plain functions of bytes over a server of which there is little to tell. Panics are findings.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use server::access::{Privileges, SecurityToken};
use server::share::{
    Caller, NoAdministration, ServerSnapshot, ServerView, SessionSnapshot, ShareSnapshot,
};
use wire::dtyp::Sid;

use super::PIPES;
use super::ndr::{ByteOrder, Decoder, Syntax};
use super::pdu::Header;
use super::rpc::{Association, Call, Handles, Outcome, Reply, Services};

/// A server with nobody on it.
struct Nobody;

impl ServerView for Nobody {
    fn facts(&self) -> ServerSnapshot {
        ServerSnapshot {
            name: "FUZZ".to_owned(),
            ..ServerSnapshot::default()
        }
    }

    fn shares(&self) -> Vec<ShareSnapshot> {
        Vec::new()
    }

    fn sessions(&self) -> Vec<SessionSnapshot> {
        Vec::new()
    }
}

fn services() -> Arc<Services> {
    Arc::new(Services {
        view: Arc::new(Nobody),
        administration: Arc::new(NoAdministration),
    })
}

/// An administrator, so that nothing is refused before it is read.
fn caller() -> Arc<Caller> {
    let groups = vec![Sid::ADMINISTRATORS];
    let token = SecurityToken::new(Sid::SYSTEM, Sid::SYSTEM, groups, Privileges::NONE);
    Arc::new(Caller {
        user: "fuzz".into(),
        token: Arc::new(token),
        host: None,
        log_on: None,
    })
}

/// Packets one behind the other, as a client writes them into the pipe that the first byte selects.
pub fn packets(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let pipe = PIPES[usize::from(*which) % PIPES.len()];
    let mut association = Association::new(services(), pipe, caller(), 1);
    let mut rest = BytesMut::from(rest);
    while let Ok(Some(header)) = Header::decode(&rest) {
        if header.length > rest.len() {
            return;
        }
        let reply = association.receive(rest.split_to(header.length));
        let answers = match reply {
            Err(_) => return,
            Ok(Reply::Now(answers)) => answers,
            Ok(Reply::Last(answer)) => vec![answer],
            Ok(Reply::Later(mut later)) => {
                match later.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(pending) => association.resume(pending),
                    Poll::Pending => return,
                }
            }
        };
        for answer in answers {
            let header = Header::decode(&answer).ok().flatten();
            assert!(header.is_some_and(|header| header.length == answer.len()));
        }
    }
}

/// The stub of one procedure: the first bytes select pipe, representation and number.
pub fn stubs(input: &[u8]) {
    let [which, form, operation, stub @ ..] = input else {
        return;
    };
    let (_, interfaces) = PIPES[usize::from(*which) % PIPES.len()];
    let order = if form & 1 == 0 {
        ByteOrder::Little
    } else {
        ByteOrder::Big
    };
    let syntax = if form & 2 == 0 {
        Syntax::Ndr32
    } else {
        Syntax::Ndr64
    };
    let interface = interfaces[usize::from(form >> 2) % interfaces.len()];
    let (services, caller, mut handles) = (services(), caller(), Handles::default());
    let mut call = Call {
        services: &services,
        caller: &caller,
        handles: &mut handles,
        interfaces,
    };
    let arguments = Decoder::new(stub, order, syntax);
    if let Outcome::Later(mut later) = (interface.call)(&mut call, (*operation).into(), arguments) {
        let _ = later.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_stub_makes_a_procedure_panic(input in proptest::collection::vec(any::<u8>(), 0..400)) {
            stubs(&input);
        }

        #[test]
        fn zeros_and_small_numbers_reach_deeper_and_panic_neither(
            head in any::<[u8; 3]>(),
            numbers in proptest::collection::vec(0..6_u32, 0..60),
        ) {
            let stub = numbers.iter().flat_map(|number| number.to_le_bytes());
            let input: Vec<u8> = head.into_iter().chain(stub).collect();
            stubs(&input);
        }

        #[test]
        fn no_packet_makes_an_association_panic(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            packets(&input);
        }
    }
}
