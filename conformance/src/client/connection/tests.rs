//! What goes out and what is understood, without a server.

use server::crypto::{OpeningKey, Role, Secret, SigningKey};
use wire::create::CreateContexts;
use wire::session_setup::SessionFlags;
use wire::{EchoRequest, EchoResponse, Encode, FileId, TreeId, Writer};

use super::super::{Related, requests};
use super::*;

const SESSION: SessionId = SessionId(0x1234);
const SCOPE: Scope = Scope {
    session: SESSION,
    tree: TreeId(7),
};

/// A connection of `dialect` that has authenticated [`SESSION`].
fn connected(dialect: Dialect) -> ClientConnection {
    let mut connection = ClientConnection::new(Offer::dialect(dialect));
    let mut agreed = connection.agree(NegotiateResponse {
        security_mode: SecurityMode::SIGNING_ENABLED,
        dialect_revision: dialect,
        server_guid: wire::dtyp::Guid::ZERO,
        capabilities: Capabilities::LARGE_MTU | Capabilities::ENCRYPTION,
        max_transact_size: 0x10_0000,
        max_read_size: 0x10_0000,
        max_write_size: 0x10_0000,
        system_time: wire::dtyp::FileTime(0),
        server_start_time: wire::dtyp::FileTime(0),
        security_buffer: Bytes::new(),
        contexts: Vec::new(),
    });
    agreed.cipher = Some(Cipher::Aes128Gcm);
    let hash = PreauthHash::new();
    let session = Session::derive(SESSION, SessionFlags::NONE, &agreed, &hash, KEY);
    connection.negotiated = Some(agreed);
    connection.insert_session(session);
    connection
}

fn keys(dialect: Dialect) -> server::crypto::SessionKeys {
    let hash = PreauthHash::new();
    let derivation = match dialect {
        Dialect::SMB_3_1_1 => server::crypto::Derivation::Smb311(&hash),
        _ => server::crypto::Derivation::Smb30,
    };
    server::crypto::SessionKeys::derive(fast(), derivation, KEY, Some(Cipher::Aes128Gcm))
}

fn frame(connection: &mut ClientConnection, requests: &[Outgoing]) -> BytesMut {
    let mut frame = BytesMut::new();
    connection.encode(requests, &mut frame);
    frame
}

fn answer(to: &Outgoing, status: NtStatus, id: Option<AsyncId>) -> BytesMut {
    let mut header = to.header;
    header.flags |= HeaderFlags::SERVER_TO_REDIR;
    header.status = status;
    if let Some(id) = id {
        header.id = wire::HeaderId::Async(id);
    }
    let mut bytes = BytesMut::new();
    let mut out = Writer::new(&mut bytes);
    header.encode(&mut out);
    EchoResponse.encode(&mut out);
    bytes
}

#[test]
fn a_compound_is_aligned_linked_and_signed_message_by_message() {
    let mut connection = connected(Dialect::SMB_3_0);
    let create = wire::CreateRequest {
        contexts: CreateContexts::default(),
        ..requests::open("five5")
    };
    let create = connection.prepare(SCOPE, create.into());
    let close = connection.prepare(SCOPE, requests::close(FileId::NONE).into());
    let compound = [
        create.protected(Protection::Signed),
        close
            .related(Related::ToTheOneBefore)
            .protected(Protection::Signed),
    ];
    let mut frame = frame(&mut connection, &compound);
    let key = &keys(Dialect::SMB_3_0).signing;
    let verifier = SigningKey::new(fast(), SigningAlgorithm::AesCmac, key, Role::Server);
    let messages = incoming::split(&frame, 0).unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].0.start % 8, 0);
    assert_eq!(messages[1].1.session_id, SessionId::RELATED);
    for (range, header) in messages {
        assert!(header.flags.contains(HeaderFlags::SIGNED));
        verifier.verify_in_place(&mut frame[range]).unwrap();
    }
}

#[test]
fn a_wrong_signature_is_wrong_in_one_bit() {
    let mut connection = connected(Dialect::SMB_3_0);
    let echo = connection.prepare(SCOPE, EchoRequest.into());
    let right = frame(
        &mut connection,
        &[echo.clone().protected(Protection::Signed)],
    );
    let wrong = frame(
        &mut connection,
        &[echo.protected(Protection::WronglySigned)],
    );
    let differing: u32 = right
        .iter()
        .zip(&wrong)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    assert_eq!(differing, 1);
}

#[test]
fn a_sealed_frame_opens_with_the_servers_key() {
    let mut connection = connected(Dialect::SMB_3_1_1);
    let echo = connection.prepare(SCOPE, EchoRequest.into());
    let plain = frame(&mut connection, std::slice::from_ref(&echo));
    let mut sealed = frame(&mut connection, &[echo.protected(Protection::Sealed)]);
    let header = TransformHeader::decode(&sealed).unwrap();
    assert_eq!(header.session_id, SESSION);
    assert_eq!(header.original_message_size as usize, plain.len());
    let key = keys(Dialect::SMB_3_1_1).decryption.unwrap();
    OpeningKey::new(fast(), &key)
        .open_frame(&mut sealed)
        .unwrap();
    assert_eq!(sealed[TransformHeader::SIZE..], plain[..]);
}

#[test]
fn a_verbatim_header_goes_out_as_it_is() {
    let mut connection = connected(Dialect::SMB_3_1_1);
    let mut echo = connection.prepare(SCOPE, EchoRequest.into());
    echo.header.next_command = 0xffff_fff0;
    echo.header.signature = [0xee; 16];
    echo.header.message_id = MessageId(u64::MAX - 1);
    let header = echo.header;
    let frame = frame(&mut connection, &[echo.protected(Protection::Verbatim)]);
    assert_eq!(Header::decode(&frame).unwrap(), header);
}

// test [MS-SMB2] 3.2.4.1.5
#[test]
fn large_requests_charge_a_credit_per_64_kib_and_skip_as_many_ids() {
    let mut connection = connected(Dialect::SMB_3_1_1);
    let read = connection.prepare(SCOPE, requests::read(FileId::NONE, 0, 65_537).into());
    let echo = connection.prepare(SCOPE, EchoRequest.into());
    assert_eq!(read.header.credit_charge, 2);
    assert_eq!(echo.header.message_id.0, read.header.message_id.0 + 2);
    assert_eq!(connection.credits(), 1 - 2 - 1);
}

#[test]
fn a_cancel_names_the_async_id_once_there_is_one() {
    let mut connection = connected(Dialect::SMB_3_1_1);
    let echo = connection.prepare(SCOPE, EchoRequest.into());
    let before = connection.cancel(echo.message_id(), SCOPE);
    assert_eq!(before.header.tree_id(), Some(SCOPE.tree));
    assert_eq!(before.header.message_id, echo.message_id());

    let interim = answer(&echo, NtStatus::PENDING, Some(AsyncId(99)));
    let replies = connection.receive(interim).unwrap();
    assert!(replies[0].is_interim());
    let cancel = connection.cancel(echo.message_id(), SCOPE);
    assert_eq!(cancel.header.id, wire::HeaderId::Async(AsyncId(99)));

    let last = answer(&echo, NtStatus::SUCCESS, Some(AsyncId(99)));
    assert!(!connection.receive(last).unwrap()[0].is_interim());
    assert_eq!(connection.async_id(echo.message_id()), None);
}

#[test]
fn a_reply_tells_whether_its_signature_is_right() {
    let mut connection = connected(Dialect::SMB_3_0);
    let echo = connection.prepare(SCOPE, EchoRequest.into());
    let key = Secret::from_prefix(keys(Dialect::SMB_3_0).signing.bytes());
    let signer = SigningKey::new(fast(), SigningAlgorithm::AesCmac, &key, Role::Server);
    let mut signed = answer(&echo, NtStatus::SUCCESS, None);
    signed[Header::FLAGS_OFFSET] |= 8;
    signer.sign(&mut signed).unwrap();
    let mut wrong = signed.clone();
    wrong[Header::SIGNATURE_OFFSET] ^= 1;
    let plain = answer(&echo, NtStatus::SUCCESS, None);
    for (frame, expected) in [
        (signed, Received::Signed),
        (wrong, Received::WronglySigned),
        (plain, Received::Plain),
    ] {
        assert_eq!(connection.receive(frame).unwrap()[0].received, expected);
    }
}

#[test]
fn bytes_that_are_no_messages_are_errors_and_never_panic() {
    let mut connection = connected(Dialect::SMB_3_1_1);
    let echo = connection.prepare(SCOPE, EchoRequest.into());
    let whole = frame(&mut connection, std::slice::from_ref(&echo));
    let sealed = frame(&mut connection, &[echo.protected(Protection::Sealed)]);
    for length in 0..Header::SIZE {
        assert!(
            connection
                .receive(BytesMut::from(&whole[..length]))
                .is_err()
        );
    }
    for length in 0..sealed.len() {
        assert!(
            connection
                .receive(BytesMut::from(&sealed[..length]))
                .is_err()
        );
    }
    let mut looping = whole.clone();
    looping[Header::NEXT_COMMAND_OFFSET] = 8;
    assert!(connection.receive(looping).is_err());
}

const KEY: &[u8] = &[0x42; 16];
