//! The client's end of a connection, without its input and output.

use std::collections::HashMap;

use auth::SessionKey;
use bytes::{Bytes, BytesMut};
use server::crypto::{Cipher, PreauthHash, SigningAlgorithm, fast};
use wire::negotiate::{Capabilities, Dialect, NegotiateContext, SecurityMode};
use wire::transform::{TransformFlags, TransformHeader};
use wire::{
    AsyncId, Command, Header, HeaderFlags, MessageId, NegotiateResponse, NtStatus, Request,
    SessionId,
};

use super::incoming::{self, Opened, ReceiveError, Received, Reply};
use super::offer::Offer;
use super::outgoing::{Body, Outgoing, Protection, Scope};
use super::requests;
use super::session::{self, Session};

/// The client's end of a connection: negotiated parameters, ids, credits and sessions.
#[derive(Debug)]
pub struct ClientConnection {
    offer: Offer,
    negotiated: Option<Negotiated>,
    hash: PreauthHash,
    /// The hashes of authentications under way, after their latest message.
    setups: HashMap<SessionId, PreauthHash>,
    /// The hashes after each SESSION_SETUP request that has no reply yet.
    asked: HashMap<MessageId, PreauthHash>,
    sessions: HashMap<SessionId, Session>,
    async_ids: HashMap<MessageId, AsyncId>,
    next_message_id: u64,
    credits: i64,
    /// How many credits the client tries to have; each request asks for what is missing.
    pub credits_wanted: u16,
    /// Whether the signatures of replies are checked; a load generator has better things to do.
    pub checks_signatures: bool,
}

/// What client and server agreed on.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// The dialect.
    pub dialect: Dialect,
    /// The cipher; none where nothing can be encrypted.
    pub cipher: Option<Cipher>,
    /// How messages are signed.
    pub signing_algorithm: SigningAlgorithm,
    /// Whether either side insists on signing.
    pub signing_required: bool,
    /// The response itself.
    pub response: NegotiateResponse,
}

impl ClientConnection {
    /// A connection that has sent nothing yet.
    #[must_use]
    pub fn new(offer: Offer) -> Self {
        Self {
            offer,
            negotiated: None,
            hash: PreauthHash::new(),
            setups: HashMap::new(),
            asked: HashMap::new(),
            sessions: HashMap::new(),
            async_ids: HashMap::new(),
            next_message_id: 0,
            credits: 1,
            credits_wanted: 512,
            checks_signatures: true,
        }
    }

    /// The NEGOTIATE request that makes the offer.
    pub fn negotiate(&mut self) -> Outgoing {
        let request = self.offer.request();
        self.prepare(Scope::NONE, request.into())
    }

    /// A request in `scope` with the next message id, a fitting credit charge and the protection
    /// that its session has by default.
    pub fn prepare(&mut self, scope: Scope, request: Request) -> Outgoing {
        let charge = self.charge(&request);
        let missing = i64::from(self.credits_wanted) - self.credits + i64::from(charge.max(1));
        let header = Header {
            credit_charge: charge,
            credits: u16::try_from(missing.max(1)).unwrap_or(u16::MAX),
            message_id: MessageId(self.next_message_id),
            ..scope.header(request.command().into())
        };
        self.next_message_id += u64::from(charge.max(1));
        self.credits -= i64::from(charge.max(1));
        Outgoing {
            header,
            protection: self.protection(scope.session, request.command()),
            body: Body::Typed(request),
        }
    }

    /// The CANCEL of a request that has no final reply yet.
    #[must_use]
    pub fn cancel(&self, message_id: MessageId, scope: Scope) -> Outgoing {
        let async_id = self.async_ids.get(&message_id).copied();
        Outgoing::cancel(message_id, async_id, scope)
            .protected(self.protection(scope.session, Command::Cancel))
    }

    /// Appends the frame of one request, or of several as a compound, to `frame`: with
    /// NextCommand, signatures and encryption.
    pub fn encode(&mut self, requests: &[Outgoing], frame: &mut BytesMut) {
        let sealing = requests
            .first()
            .and_then(|first| self.sealing_session(first));
        let start = frame.len();
        if let Some(session_id) = sealing {
            frame.extend_from_slice(&transform(session_id, 0).to_bytes());
        }
        let mut signer = None;
        for (index, request) in requests.iter().enumerate() {
            let range = request.append(frame, index + 1 == requests.len());
            if request.header.session_id != SessionId::RELATED {
                signer = Some(request.header.session_id);
            }
            let message = &mut frame[range];
            self.sign(request.protection, signer, message);
            self.chain_request(request, message);
        }
        if let Some(session_id) = sealing {
            let size = frame.len() - start - TransformHeader::SIZE;
            let header = transform(session_id, size).to_bytes();
            frame[start..start + TransformHeader::SIZE].copy_from_slice(&header);
            let session = self.sessions.get(&session_id);
            if let Some(key) = session.and_then(|session| session.sealing.as_ref()) {
                key.seal_frame(&mut frame[start..])
                    .expect("a frame has its header and less than 4 GiB");
            }
        }
    }

    /// Takes a frame of the server: opens it, and reads the messages in it.
    ///
    /// # Errors
    /// No message can be read from the frame.
    pub fn receive(&mut self, mut frame: BytesMut) -> Result<Vec<Reply>, ReceiveError> {
        let opened = self.open(&mut frame)?;
        self.accept(&frame.freeze(), &opened)
    }

    /// The first half of [`Self::receive`]: decrypts a frame in place and checks its signatures.
    ///
    /// # Errors
    /// No message can be read from the frame.
    pub fn open(&self, frame: &mut [u8]) -> Result<Opened, ReceiveError> {
        if let Some(session_id) = incoming::sealed_for(frame)? {
            let session = self.sessions.get(&session_id);
            let key = session.and_then(|session| session.opening.as_ref());
            key.ok_or(ReceiveError::NoKey(session_id))?
                .open_frame(frame)
                .map_err(ReceiveError::Tampered)?;
            let start = TransformHeader::SIZE;
            let count = incoming::split(frame, start)?.len();
            return Ok(Opened {
                start,
                received: vec![Received::Sealed(session_id); count],
            });
        }
        let mut signer = SessionId(0);
        let received = incoming::split(frame, 0)?
            .into_iter()
            .map(|(range, header)| {
                // Some servers answer a related request with the id that the request had.
                if header.session_id != SessionId::RELATED {
                    signer = header.session_id;
                }
                self.verify(&header, signer, &mut frame[range])
            })
            .collect();
        Ok(Opened { start: 0, received })
    }

    /// The second half of [`Self::receive`]: reads the messages of an opened frame.
    ///
    /// # Errors
    /// No message can be read from the frame.
    pub fn accept(&mut self, frame: &Bytes, opened: &Opened) -> Result<Vec<Reply>, ReceiveError> {
        let messages = incoming::split(frame, opened.start)?;
        let replies: Vec<_> = messages
            .into_iter()
            .zip(&opened.received)
            .map(|((range, header), received)| Reply {
                header,
                message: frame.slice(range),
                received: *received,
            })
            .collect();
        for reply in &replies {
            self.note(reply)?;
        }
        Ok(replies)
    }

    /// What was agreed on, once the server has answered NEGOTIATE.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    /// The credits that the client has left; negative if it spent more than it was granted.
    #[must_use]
    pub fn credits(&self) -> i64 {
        self.credits
    }

    /// The id that the next request will have; may be set to anything.
    pub fn next_message_id(&mut self) -> &mut u64 {
        &mut self.next_message_id
    }

    /// The async id that the server gave a request.
    #[must_use]
    pub fn async_id(&self, message_id: MessageId) -> Option<AsyncId> {
        self.async_ids.get(&message_id).copied()
    }

    /// A session.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// A session, to change its defaults.
    pub fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Adds a session with keys from elsewhere, or replaces one.
    pub fn insert_session(&mut self, session: Session) {
        self.sessions.insert(session.id, session);
    }

    /// Gives a session the signing key of the log-on that has bound it to this connection.
    pub(super) fn bound(&mut self, id: SessionId, hash: &PreauthHash, key: Option<&SessionKey>) {
        let session = self.sessions.get_mut(&id);
        if let (Some(session), Some(negotiated), Some(key)) = (session, &self.negotiated, key) {
            session.bound(negotiated, hash, key.bytes());
        }
    }

    /// Forgets a session and its keys.
    pub fn remove_session(&mut self, id: SessionId) -> Option<Session> {
        self.sessions.remove(&id)
    }

    /// Takes the hash over an authentication, up to the request that completed it.
    pub(super) fn take_setup_hash(&mut self, message_id: MessageId) -> PreauthHash {
        self.asked.remove(&message_id).unwrap_or_default()
    }

    /// How many credits a request consumes.
    // [MS-SMB2] 3.2.4.1.5
    fn charge(&self, request: &Request) -> u16 {
        match &self.negotiated {
            Some(agreed)
                if agreed
                    .response
                    .capabilities
                    .contains(Capabilities::LARGE_MTU) =>
            {
                let size = requests::payload_size(request).max(1);
                u16::try_from(size.div_ceil(BYTES_PER_CREDIT)).unwrap_or(u16::MAX)
            }
            _ => 0,
        }
    }

    // [MS-SMB2] 3.2.4.1.1
    fn protection(&self, session: SessionId, command: Command) -> Protection {
        let Some(session) = self.sessions.get(&session) else {
            return Protection::Plain;
        };
        let is_3_1_1 = self
            .negotiated
            .as_ref()
            .is_some_and(|agreed| agreed.dialect == Dialect::SMB_3_1_1);
        match session.protection {
            // [MS-SMB2] 3.2.4.1.8
            Protection::Sealed if command == Command::SessionSetup => Protection::Signed,
            Protection::Plain if command == Command::TreeConnect && is_3_1_1 => Protection::Signed,
            protection => protection,
        }
    }

    fn sealing_session(&self, first: &Outgoing) -> Option<SessionId> {
        let session = self.sessions.get(&first.header.session_id)?;
        (first.protection == Protection::Sealed && session.sealing.is_some()).then_some(session.id)
    }

    fn sign(&self, protection: Protection, signer: Option<SessionId>, message: &mut [u8]) {
        if !matches!(protection, Protection::Signed | Protection::WronglySigned) {
            return;
        }
        let session = signer.and_then(|id| self.sessions.get(&id));
        let Some(key) = session.and_then(|session| session.signing.as_ref()) else {
            return;
        };
        let [signed, ..] = HeaderFlags::SIGNED.bits().to_le_bytes();
        message[Header::FLAGS_OFFSET] |= signed;
        key.sign(message).expect("a message has its header");
        if protection == Protection::WronglySigned {
            message[Header::SIGNATURE_OFFSET] ^= 1;
        }
    }

    fn verify(&self, header: &Header, signer: SessionId, message: &mut [u8]) -> Received {
        // [MS-SMB2] 3.2.5.1.3
        if !header.flags.contains(HeaderFlags::SIGNED) {
            return Received::Plain;
        }
        let session = self.sessions.get(&signer);
        match session.and_then(|session| session.signing.as_ref()) {
            Some(key) if self.checks_signatures => match key.verify_in_place(message) {
                Ok(()) => Received::Signed,
                Err(_) => Received::WronglySigned,
            },
            _ => Received::Unchecked,
        }
    }

    // [MS-SMB2] 3.2.5.2
    fn chain_request(&mut self, request: &Outgoing, message: &[u8]) {
        match request.header.command() {
            Some(Command::Negotiate) => {
                self.hash = PreauthHash::new();
                self.hash.update(fast(), message);
            }
            Some(Command::SessionSetup) => {
                let under_way = self.setups.remove(&request.header.session_id);
                let mut hash = under_way.unwrap_or_else(|| self.hash.clone());
                hash.update(fast(), message);
                self.asked.insert(request.message_id(), hash);
            }
            _ => {}
        }
    }

    /// Learns what a message means for the connection itself.
    fn note(&mut self, reply: &Reply) -> Result<(), ReceiveError> {
        self.credits += i64::from(reply.header.credits);
        if reply.is_notification() {
            return Ok(());
        }
        match reply.async_id() {
            Some(id) if reply.is_interim() => {
                self.async_ids.insert(reply.message_id(), id);
            }
            Some(_) => {
                self.async_ids.remove(&reply.message_id());
            }
            None => {}
        }
        match (reply.header.command(), reply.status()) {
            (Some(Command::Negotiate), NtStatus::SUCCESS) => {
                self.hash.update(fast(), &reply.message);
                self.negotiated = Some(self.agree(reply.body()?));
            }
            // [MS-SMB2] 3.2.5.3
            (Some(Command::SessionSetup), NtStatus::MORE_PROCESSING_REQUIRED) => {
                if let Some(mut hash) = self.asked.remove(&reply.message_id()) {
                    hash.update(fast(), &reply.message);
                    self.setups.insert(reply.header.session_id, hash);
                }
            }
            _ => {}
        }
        Ok(())
    }

    // [MS-SMB2] 3.2.5.2
    fn agree(&self, response: NegotiateResponse) -> Negotiated {
        let dialect = response.dialect_revision;
        let mut cipher = session::default_cipher(dialect)
            .filter(|_| response.capabilities.contains(Capabilities::ENCRYPTION));
        let mut signing_algorithm = session::default_signing(dialect);
        for context in &response.contexts {
            match context {
                NegotiateContext::Encryption(ciphers) => {
                    cipher = ciphers.first().and_then(|id| Cipher::from_id(id.0));
                }
                NegotiateContext::Signing(algorithms) => {
                    let first = algorithms.first();
                    signing_algorithm = first
                        .and_then(|id| SigningAlgorithm::from_id(id.0))
                        .unwrap_or(signing_algorithm);
                }
                _ => {}
            }
        }
        let required = SecurityMode::SIGNING_REQUIRED;
        let signing_required = response.security_mode.contains(required)
            || self.offer.security_mode.contains(required);
        Negotiated {
            dialect,
            cipher,
            signing_algorithm,
            signing_required,
            response,
        }
    }
}

fn transform(session_id: SessionId, size: usize) -> TransformHeader {
    TransformHeader {
        signature: [0; 16],
        nonce: [0; 16],
        original_message_size: u32::try_from(size).unwrap_or(u32::MAX),
        flags: TransformFlags::ENCRYPTED,
        session_id,
    }
}

/// What one credit pays for.
const BYTES_PER_CREDIT: u64 = 65_536;

#[cfg(test)]
mod tests;
