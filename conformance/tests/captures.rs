//! Captured traffic: every message decodes, and encodes to the same value.

use bytes::{Bytes, BytesMut};
use conformance::captures::replay::{Message, messages};
use conformance::captures::{self, Side};
use wire::{Encode, Header, Request, Response, Writer};

/// Captures of a protocol before its first version, which no rule of today fits.
const OLDER_THAN_THE_PROTOCOL: &str = "vista-beta-";

/// What the captured programs said that is no message: a part of the capture's name, and a part of
/// what the decoder says.
const MALFORMED: [(&str, &str); 2] = [
    // A proxy in between falsified lengths.
    ("macos-macos-session-302", "malformed WRITE data"),
    // observed: Windows 7 answers READ of a pipe that has gone with the body of a success
    ("win7-psexec-full-210", "status: PIPE_DISCONNECTED"),
];

fn is_known(capture: &str, text: &str) -> bool {
    MALFORMED
        .iter()
        .any(|(name, what)| capture.contains(name) && text.contains(what))
}

#[test]
fn every_captured_message_decodes_and_encodes_to_the_same_value() {
    let Some(captures) = captures::load_or_say_so() else {
        return;
    };
    let mut wrong = Vec::new();
    let (mut all, mut identical) = (0, 0);
    for capture in captures
        .iter()
        .filter(|c| !c.name.starts_with(OLDER_THAN_THE_PROTOCOL))
    {
        for message in capture.conversations.iter().flat_map(messages) {
            all += 1;
            match check(&message) {
                Err(text) if is_known(&capture.name, &text) => {}
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
