//! Conversations of calls: the form of their inputs, and what each call comes to.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;

use super::super::ndr::{ByteOrder, Decoder, Syntax};
use super::super::rpc::{Call, Fault, Group, Groups, Interface, MARK, Outcome};
use super::lab::{self, Rank};
use super::{PIPES_OF_INPUTS, pipe};

/// Calls one after the other on one pipe, which share their handles.
///
/// As bytes: one for the pipe, and for each call one for its form, one for the procedure, two for the length of the
/// stub, and the stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The pipe, by its place among those of inputs.
    pub pipe: u8,
    /// The calls.
    pub calls: Vec<StubCall>,
}

/// A call of a [`Conversation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubCall {
    /// From the lowest bit: the byte order, the representation, the interface in four bits, and who calls in two.
    pub form: u8,
    /// The number of the procedure.
    pub operation: u8,
    /// The arguments.
    pub stub: Vec<u8>,
}

/// What a call has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The interface.
    pub interface: &'static str,
    /// The number of the procedure.
    pub operation: u8,
    /// How it ended.
    pub end: End,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Without results.
    Fault,
    /// With results that say why nothing was done.
    Refused,
    /// With results, of which the last is 0, as the success of nearly every procedure.
    Done,
}

/// The numbers of the procedures of an interface; none of one that is not served.
#[must_use]
pub fn operations(interface: &str) -> &'static [u16] {
    let served = (0..=u8::MAX).filter_map(pipe).flat_map(|(_, all)| all);
    let mut wanted = served.filter(|ours| ours.name == interface);
    wanted.next().map_or(&[], |ours| ours.operations)
}

impl Conversation {
    /// The conversation in an input; none in an empty one. What is behind the last whole call is its stub.
    #[must_use]
    pub fn decode(input: &[u8]) -> Option<Self> {
        let (pipe, mut rest) = input.split_first()?;
        let mut calls = Vec::new();
        while let [form, operation, low, high, behind @ ..] = rest {
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            let (stub, later) = behind.split_at(length.min(behind.len()));
            calls.push(StubCall {
                form: *form,
                operation: *operation,
                stub: stub.to_vec(),
            });
            rest = later;
        }
        Some(Self { pipe: *pipe, calls })
    }

    /// The input that means this. Stubs that are too long for their length are cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut input = vec![self.pipe];
        for call in &self.calls {
            let length = u16::try_from(call.stub.len()).unwrap_or(u16::MAX);
            input.extend([call.form, call.operation]);
            input.extend(length.to_le_bytes());
            input.extend(call.stub.iter().take(length.into()));
        }
        input
    }

    /// Whether a call is one of this interface.
    #[must_use]
    pub fn touches(&self, interface: &str) -> bool {
        let served = pipe(self.pipe).map_or(&[][..], |(_, interfaces)| interfaces);
        let mut selected = self.calls.iter().filter_map(|call| call.selects(served));
        selected.any(|ours| ours.name == interface)
    }

    /// Makes every call one of this interface, on a pipe where it is served.
    pub fn hold_to(&mut self, interface: &str) {
        let place = |which: u8| {
            let (_, served) = pipe(which)?;
            served.iter().position(|ours| ours.name == interface)
        };
        let pipes = (0..PIPES_OF_INPUTS.len()).filter_map(|which| u8::try_from(which).ok());
        let mut pipes = std::iter::once(self.pipe).chain(pipes);
        let Some((which, place)) = pipes.find_map(|which| Some((which, place(which)?))) else {
            return;
        };
        self.pipe = which;
        for call in &mut self.calls {
            let place = u8::try_from(place).unwrap_or_default();
            call.form = call.form & !PLACE | place << PLACE_SHIFT;
        }
    }

    /// Carries the calls out, and tells what they have come to. A handle that has not been made in this conversation
    /// stands for one that has.
    pub fn run(&self) -> Vec<Answered> {
        let Some((_, served)) = pipe(self.pipe) else {
            return Vec::new();
        };
        let groups = Arc::new(Groups::default());
        let group = groups.found(&lab::caller(Rank::Administrator));
        let mut opened = Vec::new();
        let mut answered = Vec::new();
        for call in &self.calls {
            answered.extend(call.run(&group, served, &mut opened));
        }
        answered
    }
}

impl StubCall {
    fn selects(&self, served: &'static [&'static Interface]) -> Option<&'static Interface> {
        let place = usize::from((self.form & PLACE) >> PLACE_SHIFT);
        served.get(place.checked_rem(served.len())?).copied()
    }

    fn rank(&self) -> Rank {
        match self.form & WHO {
            USER => Rank::User,
            ANONYMOUS => Rank::Anonymous,
            _ => Rank::Administrator,
        }
    }

    fn run(
        &self,
        group: &Group,
        served: &'static [&'static Interface],
        opened: &mut Vec<u64>,
    ) -> Option<Answered> {
        let interface = self.selects(served)?;
        let order = if self.form & BIG == 0 {
            ByteOrder::Little
        } else {
            ByteOrder::Big
        };
        let syntax = if self.form & NDR64 == 0 {
            Syntax::Ndr32
        } else {
            Syntax::Ndr64
        };
        let caller = lab::caller(self.rank());
        let services = lab::services(self.rank());
        let stub = with_handles(&self.stub, group.number(), opened);
        let outcome = {
            let mut call = Call {
                services: &services,
                caller: &caller,
                handles: &mut group.handles(&caller),
                interfaces: served,
                repeated: None,
            };
            let arguments = Decoder::new(&stub, order, syntax);
            (interface.call)(&mut call, self.operation.into(), arguments)
        };
        let results = results(outcome)?;
        opened.extend(
            results
                .iter()
                .flat_map(|results| handles(results))
                .map(|(_, number)| number),
        );
        Some(Answered {
            interface: interface.name,
            operation: self.operation,
            end: end(&results),
        })
    }
}

/// Where handles of ours are in a stub, and their numbers.
fn handles(stub: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    stub.windows(HANDLE).enumerate().filter_map(|(at, bytes)| {
        let (number, behind) = bytes.split_first_chunk()?;
        behind
            .ends_with(MARK)
            .then(|| (at, u64::from_le_bytes(*number)))
    })
}

/// A stub whose handles are of this group, and have been opened.
fn with_handles(stub: &[u8], group: u32, opened: &[u64]) -> Vec<u8> {
    let mut patched = stub.to_vec();
    for (at, number) in handles(stub) {
        let place = usize::try_from(number)
            .unwrap_or(usize::MAX)
            .checked_rem(opened.len());
        let other = place.and_then(|place| opened.get(place)).copied();
        let number = if opened.contains(&number) {
            number
        } else {
            other.unwrap_or(number)
        };
        let bytes = number.to_le_bytes().into_iter().chain(group.to_le_bytes());
        for (to, from) in patched.iter_mut().skip(at).zip(bytes) {
            *to = from;
        }
    }
    patched
}

/// The results of a call; none of one that waits, which nothing in the lab makes it do.
fn results(outcome: Outcome) -> Option<Result<BytesMut, Fault>> {
    match outcome {
        Outcome::Now(results) => Some(results),
        Outcome::Later(mut later) => {
            match later.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(results) => Some(results),
                Poll::Pending => None,
            }
        }
    }
}

fn end(results: &Result<BytesMut, Fault>) -> End {
    match results {
        Err(_) => End::Fault,
        Ok(results) if results.ends_with(&[0; 4]) => End::Done,
        Ok(_) => End::Refused,
    }
}

/// The bytes of a handle's number, group and mark.
const HANDLE: usize = 16;

// The bits of a form.
const BIG: u8 = 0x01;
const NDR64: u8 = 0x02;
const PLACE: u8 = 0x3c;
const PLACE_SHIFT: u8 = 2;
const WHO: u8 = 0xc0;
const USER: u8 = 0x40;
const ANONYMOUS: u8 = 0x80;
