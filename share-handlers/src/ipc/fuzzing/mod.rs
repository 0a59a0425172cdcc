//! Entries for fuzzers: the packets of a pipe, and the stubs of every procedure.
//!
//! Both are plain functions of bytes over a server of which there is a little to tell. Panics are findings. Their first
//! byte selects a pipe by its place in [`PIPES_OF_INPUTS`], so that inputs that are kept mean the same for ever.

mod lab;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;

use super::PIPES;
use super::ndr::{ByteOrder, Decoder, Syntax};
use super::pdu::Header;
use super::rpc::{Association, Call, Groups, Handles, Interface, Outcome, Reply};

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
    let mut association = Association::new(lab::services(), pipe, lab::administrator(), groups);
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

/// Calls one after the other on the pipe that the first byte selects. Each has a byte for the form and the interface, a
/// byte for the procedure, two for the length of its stub, and the stub.
pub fn stubs(input: &[u8]) {
    let Some((which, mut rest)) = input.split_first() else {
        return;
    };
    let Some((_, interfaces)) = pipe(*which) else {
        return;
    };
    let mut handles = Handles::new(1);
    while let [form, operation, low, high, behind @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (stub, later) = behind.split_at(length.min(behind.len()));
        rest = later;
        call(&mut handles, interfaces, (*form, *operation), stub);
    }
}

/// One call: of `form` the lowest bit is the byte order, the next the representation, the others the interface.
fn call(
    handles: &mut Handles,
    interfaces: &'static [&'static Interface],
    (form, operation): (u8, u8),
    stub: &[u8],
) {
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
    let place = usize::from(form >> 2).checked_rem(interfaces.len());
    let Some(interface) = place.and_then(|place| interfaces.get(place)) else {
        return;
    };
    let mut call = Call {
        services: &lab::services(),
        caller: &lab::administrator(),
        handles,
        interfaces,
        repeated: None,
    };
    let arguments = Decoder::new(stub, order, syntax);
    if let Outcome::Later(mut later) = (interface.call)(&mut call, operation.into(), arguments) {
        let _ = later.as_mut().poll(&mut Context::from_waker(Waker::noop()));
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
