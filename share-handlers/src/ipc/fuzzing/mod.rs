//! Entries for fuzzers: the packets of a pipe, and the stubs of every procedure.
//!
//! Both are plain functions of bytes over a server of which there is a little to tell. Panics are findings, and so is
//! a change that nobody but an administrator may make, asked for by somebody else. Their first byte selects a pipe by
//! its place in [`PIPES_OF_INPUTS`], so that inputs that are kept mean the same for ever. [`calls`] has the form of the
//! inputs of stubs, and holds them to one interface.

mod calls;
mod lab;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;

pub use self::calls::{Answered, Conversation, End, StubCall, operations};
use self::lab::Rank;
use super::PIPES;
use super::pdu::Header;
use super::rpc::{Association, Groups, Interface, Reply};

/// The pipes as inputs count them. A new one goes to the end.
const PIPES_OF_INPUTS: &[&str] = &[
    "srvsvc",
    "wkssvc",
    "lsarpc",
    "samr",
    "winreg",
    "InitShutdown",
    "spoolss",
    "svcctl",
    "epmapper",
];

fn pipe(which: u8) -> Option<(&'static str, &'static [&'static Interface])> {
    let place = usize::from(which).checked_rem(PIPES_OF_INPUTS.len())?;
    let wanted = PIPES_OF_INPUTS.get(place)?;
    PIPES.iter().find(|(name, _)| name == wanted).copied()
}

/// Packets one behind the other, as a client writes them into the pipe that the first byte selects.
pub fn packets(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let Some(pipe) = pipe(*which) else {
        return;
    };
    let groups = Arc::new(Groups::default());
    let mut association = Association::new(
        lab::services(Rank::Administrator),
        pipe,
        lab::caller(Rank::Administrator),
        groups,
    );
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

/// The calls of a [`Conversation`], one after the other.
pub fn stubs(input: &[u8]) {
    if let Some(conversation) = Conversation::decode(input) {
        conversation.run();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn inputs_can_select_every_pipe() {
        for (name, _) in PIPES {
            assert!(
                PIPES_OF_INPUTS.contains(name),
                "add {name} to the end of PIPES_OF_INPUTS"
            );
        }
    }

    fn call(form: u8, operation: u8, stub: &[u8]) -> StubCall {
        StubCall {
            form,
            operation,
            stub: stub.to_vec(),
        }
    }

    #[test]
    fn a_conversation_is_held_to_an_interface_where_it_is_served() {
        let mut conversation = Conversation {
            pipe: 0,
            calls: vec![call(0, 0, b"abc"), call(0xc7, 1, b"")],
        };
        assert_eq!(
            Conversation::decode(&conversation.encode()),
            Some(conversation.clone())
        );
        assert!(conversation.touches("mgmt"), "the second call");
        conversation.hold_to("mgmt");
        let forms =
            |held: &Conversation| held.calls.iter().map(|call| call.form).collect::<Vec<_>>();
        assert_eq!(
            (conversation.pipe, forms(&conversation)),
            (0, vec![4, 0xc7])
        );
        conversation.hold_to("dssetup");
        assert_eq!(
            (conversation.pipe, forms(&conversation)),
            (2, vec![4, 0xc7])
        );
        assert!(!conversation.touches("lsarpc"));
    }

    #[test]
    fn handles_that_nobody_made_stand_for_ones_that_were_made() {
        let manager = [&[0; 8][..], &0x0200_0000_u32.to_le_bytes()].concat();
        let foreign = [
            &[0; 4][..],
            &99_u64.to_le_bytes(),
            &7_u32.to_le_bytes(),
            b"pipe",
        ]
        .concat();
        let conversation = Conversation {
            pipe: 7,
            calls: vec![
                call(0, 15, &manager),
                call(0, 0, &foreign),
                call(0, 0, &foreign),
            ],
        };
        let ends: Vec<End> = conversation.run().iter().map(|call| call.end).collect();
        assert_eq!(
            ends,
            [End::Done, End::Done, End::Fault],
            "opened, closed, gone"
        );
    }

    /// One call with as many bytes of stub as there are.
    fn one(head: [u8; 3], stub: impl IntoIterator<Item = u8>) -> Vec<u8> {
        let head = [head[0], head[1], head[2], 0xff, 0xff];
        head.into_iter().chain(stub).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_stub_makes_a_procedure_panic(
            head in any::<[u8; 3]>(),
            stub in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            stubs(&one(head, stub));
        }

        #[test]
        fn zeros_and_small_numbers_reach_deeper_and_panic_neither(
            head in any::<[u8; 3]>(),
            numbers in proptest::collection::vec(0..6_u32, 0..60),
        ) {
            let stub = numbers.iter().flat_map(|number| number.to_le_bytes());
            stubs(&one(head, stub));
        }

        #[test]
        fn no_packet_makes_an_association_panic(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            packets(&input);
        }
    }
}
