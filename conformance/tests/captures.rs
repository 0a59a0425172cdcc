//! Captured traffic: every message decodes, and mutations of every session do no harm.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use conformance::captures::replay::{Message, Session, messages};
use conformance::captures::{self, Capture, Side};
use conformance::fuzz::run::resident_bytes;
use conformance::sim::Random;
use wire::{Encode, Header, Request, Response, Writer};

fn load() -> Option<Vec<Capture>> {
    let Some(folder) = captures::folder() else {
        println!("skipped: captures: there is no folder of captures");
        return None;
    };
    Some(captures::load(&folder).expect("readable captures"))
}

/// Captures of a protocol before its first version, which no rule of today fits.
const OLDER_THAN_THE_PROTOCOL: &str = "vista-beta-";

#[test]
fn every_captured_message_decodes_and_encodes_to_the_same_value() {
    let Some(captures) = load() else { return };
    let mut wrong = Vec::new();
    let (mut all, mut identical) = (0, 0);
    for capture in captures
        .iter()
        .filter(|c| !c.name.starts_with(OLDER_THAN_THE_PROTOCOL))
    {
        for message in capture.conversations.iter().flat_map(messages) {
            all += 1;
            match check(&message) {
                Ok(is_identical) => identical += u32::from(is_identical),
                Err(text) => wrong.push(format!("{}: {text}", capture.name)),
            }
        }
    }
    println!("{all} messages, {identical} of them encoded to the same bytes");
    assert!(
        wrong.is_empty(),
        "{} of {all}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(all > 10_000, "the captures hold {all} messages");
}

/// Whether a message is encoded to the bytes that it had.
fn check(message: &Message) -> Result<bool, String> {
    let what = format!("{:?} {:?}", message.side, message.header);
    match message.side {
        Side::Client => {
            let Some(command) = message.header.command() else {
                return Ok(false);
            };
            let decode = |bytes: &Bytes| Request::decode(command, bytes);
            compare(&message.bytes, decode, &what)
        }
        Side::Server => {
            let (command, status) = (message.header.command, message.header.status);
            let decode = |bytes: &Bytes| Response::decode(command, status, bytes);
            compare(&message.bytes, decode, &what)
        }
    }
}

fn compare<T: Encode + PartialEq>(
    bytes: &Bytes,
    decode: impl Fn(&Bytes) -> Result<T, wire::DecodeError>,
    what: &str,
) -> Result<bool, String> {
    let value = decode(bytes).map_err(|error| format!("{what}: {error}"))?;
    let mut out = BytesMut::from(&bytes[..Header::SIZE]);
    value.encode(&mut Writer::resume(&mut out, 0));
    let encoded = out.freeze();
    match decode(&encoded) {
        Ok(again) if again == value => Ok(encoded == bytes),
        _ => Err(format!("{what}: encoded to another value")),
    }
}

#[test]
fn mutated_sessions_neither_panic_nor_leave_anything() {
    let Some(captures) = load() else { return };
    let start = Instant::now();
    let mut before = None;
    for capture in &captures {
        let sessions: Vec<_> = capture
            .conversations
            .iter()
            .filter_map(Session::new)
            .collect();
        for seed in 0..MUTATIONS {
            if sessions.is_empty() || start.elapsed() > LONGEST {
                continue;
            }
            let mut random = Random::new(seed);
            random.pick(&sessions).replay(&mut random);
        }
        before.get_or_insert_with(resident_bytes);
    }
    let grown = resident_bytes().saturating_sub(before.unwrap_or(0));
    assert!(grown < MOST_GROWTH, "memory grew by {grown} bytes");
}

/// Mutations of each capture; the program `captures` runs many more.
const MUTATIONS: u64 = 20;
/// The test ends early on a slow machine.
const LONGEST: Duration = Duration::from_secs(20);
/// In bytes.
const MOST_GROWTH: u64 = 64 << 20;
