//! Replaying a captured client against a fresh server, with mutations.
//!
//! Either the client's messages go to a server that nobody has spoken to, as they were captured, or
//! they go on inside a session that stands: then message ids, session, tree connect and the ids of
//! opens are replaced by those that our server gave.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use wire::{Command, Dialect, FileId, Header, MessageId, ProtocolId};

use super::{Conversation, Side};
use crate::client::{Body, Outgoing, Protection};
use crate::fuzz::connection::file_id_offset;
use crate::fuzz::mutate::mutate;
use crate::fuzz::rig::Rig;
use crate::sim::Random;

/// One SMB2 message of a conversation.
#[derive(Debug, Clone)]
pub struct Message {
    /// Who sent it.
    pub side: Side,
    /// Its header.
    pub header: Header,
    /// The whole message.
    pub bytes: Bytes,
}

/// The plain SMB2 messages of a conversation; compounds are taken apart.
#[must_use]
pub fn messages(conversation: &Conversation) -> Vec<Message> {
    let mut found = Vec::new();
    for (side, frame) in &conversation.messages {
        if ProtocolId::of(frame) != Some(ProtocolId::Smb2) {
            continue;
        }
        let mut rest = frame.clone();
        while let Ok(header) = Header::decode(&rest) {
            let next = usize::try_from(header.next_command).unwrap_or(0);
            let is_last = next < Header::SIZE || next > rest.len();
            let bytes = if is_last {
                rest.split_to(rest.len())
            } else {
                rest.split_to(next)
            };
            found.push(Message {
                side: *side,
                header,
                bytes,
            });
        }
    }
    found
}

/// A captured client session, prepared for many replays.
pub struct Session {
    frames: Vec<Bytes>,
    requests: Vec<Message>,
    /// The ids that the captured server gave, by the message that asked.
    created: HashMap<MessageId, [u8; 16]>,
}

impl Session {
    /// The session of a conversation; none if its client said nothing.
    #[must_use]
    pub fn new(conversation: &Conversation) -> Option<Self> {
        let of_client = conversation
            .messages
            .iter()
            .filter(|(side, _)| *side == Side::Client);
        let frames: Vec<_> = of_client.map(|(_, frame)| frame.clone()).collect();
        let mut created = HashMap::new();
        let mut requests = Vec::new();
        for message in messages(conversation) {
            match (message.side, message.header.command()) {
                (Side::Client, Some(_)) => requests.push(message),
                (Side::Server, Some(Command::Create)) if message.header.status.0 == 0 => {
                    let id = message
                        .bytes
                        .get(CREATED_ID..)
                        .and_then(<[u8]>::first_chunk);
                    created.extend(id.map(|id| (message.header.message_id, *id)));
                }
                _ => {}
            }
        }
        (!frames.is_empty()).then_some(Self {
            frames,
            requests,
            created,
        })
    }

    /// Replays the session once with mutations that follow from `random`.
    ///
    /// # Panics
    /// The server answers something malformed, or keeps something after the connection is cut.
    pub fn replay(&self, random: &mut Random) {
        if random.once_in(4) || self.requests.is_empty() {
            self.replay_verbatim(random);
        } else {
            self.replay_inside(random);
        }
    }

    fn replay_verbatim(&self, random: &mut Random) {
        let mut rig = Rig::new(Dialect::SMB_3_1_1);
        let changed = random.below(self.frames.len().min(8));
        for (at, frame) in self.frames.iter().take(MOST_MESSAGES).enumerate() {
            let mut bytes = frame.to_vec();
            if at == changed || random.once_in(20) {
                let other = random.pick(&self.frames).clone();
                mutate(&mut bytes, &other, random);
            }
            if rig.send_any(BytesMut::from(&bytes[..])).is_err() {
                break;
            }
        }
        rig.finish();
    }

    fn replay_inside(&self, random: &mut Random) {
        let dialect = *random.pick(&[Dialect::SMB_2_0_2, Dialect::SMB_2_1, Dialect::SMB_3_1_1]);
        let mut rig = Rig::logged_on(dialect);
        let mut ours: HashMap<[u8; 16], FileId> = HashMap::new();
        let first = random.below(self.requests.len().saturating_sub(MOST_MESSAGES) + 1);
        let window = self.requests.iter().skip(first).take(MOST_MESSAGES);
        let changed = random.below(self.requests.len().min(MOST_MESSAGES));
        for (at, captured) in window.enumerate() {
            if random.once_in(50) {
                continue;
            }
            let is_changed = at == changed || random.once_in(20);
            let request = self.request(&mut rig, captured, &ours, is_changed, random);
            let mut frame = BytesMut::new();
            rig.client
                .encode(std::slice::from_ref(&request), &mut frame);
            let known = rig.opens.len();
            if rig.send(frame).is_err() {
                break;
            }
            if let (Some(id), Some(open)) = (
                self.created.get(&captured.header.message_id),
                rig.opens.get(known),
            ) {
                ours.insert(*id, *open);
            }
        }
        rig.finish();
    }

    /// The captured request, fitted into the rig's session, and mutated or not.
    fn request(
        &self,
        rig: &mut Rig,
        captured: &Message,
        ours: &HashMap<[u8; 16], FileId>,
        is_changed: bool,
        random: &mut Random,
    ) -> Outgoing {
        let command = captured.header.command().unwrap_or(Command::Echo);
        let mut body = captured
            .bytes
            .get(Header::SIZE..)
            .unwrap_or_default()
            .to_vec();
        if let Some(place) = file_id_offset(command)
            .and_then(|at| body.get_mut(at..))
            .and_then(<[u8]>::first_chunk_mut::<16>)
            && let Some(open) = ours.get(place)
        {
            place[..8].copy_from_slice(&open.persistent.to_le_bytes());
            place[8..].copy_from_slice(&open.volatile.to_le_bytes());
        }
        let mut header = rig.next_header(command);
        header.flags = captured.header.flags.without(wire::HeaderFlags::SIGNED);
        if is_changed {
            let other = random.pick(&self.requests).bytes.clone();
            mutate(&mut body, &other[Header::SIZE.min(other.len())..], random);
        }
        Outgoing {
            header,
            body: Body::Raw(body.into()),
            protection: Protection::Plain,
        }
    }
}

/// Longer sessions are replayed in parts of so many messages.
const MOST_MESSAGES: usize = 150;

/// Where a CREATE response has its FileId, from the start of the message.
const CREATED_ID: usize = Header::SIZE + 64;
