//! The specification's own values, computed here. Those of LM are left out: nothing here speaks LM.

use wire::Utf16String;
use wire::dtyp::FileTime;
use zeroize::Zeroizing;

use super::avpairs::{AvId, AvPairs};
use super::compute::*;
use super::flags::NegotiateFlags;
use super::messages::{Authenticate, Challenge, NtlmV2Response, without_mic};
use crate::accounts::NtHash;

const SERVER_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const CLIENT_CHALLENGE: [u8; 8] = [0xaa; 8];
const RANDOM_SESSION_KEY: [u8; 16] = [0x55; 16];
const V1_FLAGS: NegotiateFlags = NegotiateFlags(0xe202_8233);
const V1_EXTENDED_FLAGS: NegotiateFlags = NegotiateFlags(0x820a_8233);
const V2_FLAGS: NegotiateFlags = NegotiateFlags(0xe28a_8233);

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn password() -> NtHash {
    NtHash::of_password("Password")
}

fn plaintext() -> Vec<u8> {
    "Plaintext"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn random_session_key() -> Key {
    Zeroizing::new(RANDOM_SESSION_KEY)
}

fn target_info() -> AvPairs {
    let mut pairs = AvPairs::default();
    pairs.set_text(AvId::NB_DOMAIN_NAME, "Domain");
    pairs.set_text(AvId::NB_COMPUTER_NAME, "Server");
    pairs
}

fn response_key_v2() -> Key {
    nt_owf_v2(&password(), &"User".into(), &"Domain".into())
}

fn temp() -> Vec<u8> {
    NtlmV2Response::temp(FileTime(0), CLIENT_CHALLENGE, &target_info())
}

// test [MS-NLMP] 4.2.2.1.3
#[test]
fn the_session_base_key_of_ntlm_v1_is_md4_of_the_hash() {
    assert_eq!(
        session_base_key_v1(&password())[..],
        hex("d87262b0cde4b1cb7499becccdf10784")
    );
}

// test [MS-NLMP] 4.2.2.2.1
#[test]
fn the_response_of_ntlm_v1_is_three_times_des() {
    let expected = hex("67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
    assert_eq!(nt_response_v1(&password(), SERVER_CHALLENGE)[..], expected);
}

// test [MS-NLMP] 4.2.2.2.3
#[test]
fn the_session_key_of_ntlm_v1_is_encrypted_with_the_session_base_key() {
    let encrypted = rc4k(&session_base_key_v1(&password()), &RANDOM_SESSION_KEY);
    assert_eq!(encrypted[..], hex("518822b1b3f350c8958682ecbb3e3cb7"));
    assert_eq!(
        rc4k(&session_base_key_v1(&password()), &encrypted),
        random_session_key()
    );
}

// test [MS-NLMP] 4.2.2.3
#[test]
fn the_messages_of_ntlm_v1_are_read() {
    let challenge = hex(
        "4e544c4d53535000020000000c000c0038000000338202e20123456789abcdef00000000000000000000000000000000\
         060070170000000f530065007200760065007200",
    );
    let challenge = Challenge::decode(&challenge).unwrap();
    assert_eq!(challenge.target_name, Utf16String::from("Server"));
    assert_eq!(
        (challenge.flags, challenge.server_challenge),
        (V1_FLAGS, SERVER_CHALLENGE)
    );
    assert_eq!(challenge.target_info, AvPairs::default());
    let message = hex(
        "4e544c4d5353500003000000180018006c00000018001800840000000c000c0048000000080008005400000010001000\
         5c000000100010009c000000358280e20501280a0000000f44006f006d00610069006e00550073006500720043004f00\
         4d0050005500540045005200 98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13\
         67c43011f30298a2ad35ece64f16331c44bdbed927841f94 518822b1b3f350c8958682ecbb3e3cb7",
    );
    let message = Authenticate::decode(&message, V1_FLAGS).unwrap();
    assert_eq!(message.user, Utf16String::from("User"));
    assert_eq!(message.domain, Utf16String::from("Domain"));
    assert_eq!(message.workstation, Utf16String::from("COMPUTER"));
    assert_eq!(
        message.nt_response,
        nt_response_v1(&password(), SERVER_CHALLENGE)
    );
    assert_eq!(message.encrypted_session_key.len(), 16);
    assert_eq!(message.mic, None);
}

// test [MS-NLMP] 4.2.2.4
#[test]
fn without_extended_session_security_a_signature_is_an_encrypted_crc() {
    let security = SessionSecurity::new(V1_FLAGS, random_session_key());
    let mut message = plaintext();
    let signature = security.seal(Side::Client, &mut message);
    assert_eq!(message, hex("56fe04d861f9319af0d7238a2e3b4d457fb8"));
    // The example prints the random pad as encrypted; it is sent as zero.
    // [MS-NLMP] 3.4.4.1
    assert_eq!(signature[..], hex("01000000 00000000 09dcd1df 2e459d36"));
}

// test [MS-NLMP] 4.2.3.1.3
#[test]
fn the_key_exchange_key_of_extended_session_security_depends_on_both_challenges() {
    let base = session_base_key_v1(&password());
    let key = key_exchange_key_v1_extended(&base, SERVER_CHALLENGE, CLIENT_CHALLENGE);
    assert_eq!(key[..], hex("eb93429a8bd952f8b89c55b87f475edc"));
}

// test [MS-NLMP] 4.2.3.2.2
#[test]
fn the_response_of_extended_session_security_hashes_both_challenges() {
    let expected = hex("7537f803ae367128ca458204bde7caf81e97ed2683267232");
    let response = nt_response_v1_extended(&password(), SERVER_CHALLENGE, CLIENT_CHALLENGE);
    assert_eq!(response[..], expected);
}

// test [MS-NLMP] 4.2.3.4
#[test]
fn extended_session_security_with_56_bits_seals_and_signs() {
    let base = session_base_key_v1(&password());
    let key = key_exchange_key_v1_extended(&base, SERVER_CHALLENGE, CLIENT_CHALLENGE);
    let security = SessionSecurity::new(V1_EXTENDED_FLAGS, key);
    let mut message = plaintext();
    let signature = security.seal(Side::Client, &mut message);
    assert_eq!(message, hex("a02372f6530273f3aa1eb90190ce5200c99d"));
    assert_eq!(signature[..], hex("01000000 ff2aeb52f681793a 00000000"));
}

// test [MS-NLMP] 4.2.4.1.1
#[test]
fn the_response_key_of_ntlm_v2_is_over_the_upper_case_user_and_the_domain_as_it_is() {
    assert_eq!(
        response_key_v2()[..],
        hex("0c868a403bfd7a93a3001ef22ef02e3f")
    );
}

// test [MS-NLMP] 4.2.4.1.3
#[test]
fn temp_holds_time_client_challenge_and_target_info() {
    let expected = hex(
        "01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00\
         01000c005300650072007600650072000000000000000000",
    );
    assert_eq!(temp(), expected);
}

// test [MS-NLMP] 4.2.4.2.1
#[test]
fn the_lm_response_of_ntlm_v2_is_over_both_challenges() {
    let response = lm_v2_response(&response_key_v2(), SERVER_CHALLENGE, CLIENT_CHALLENGE);
    assert_eq!(
        response,
        hex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa")
    );
}

// test [MS-NLMP] 4.2.4.2.2
#[test]
fn the_proof_of_ntlm_v2_is_over_the_challenge_and_temp() {
    let proof = nt_proof(&response_key_v2(), SERVER_CHALLENGE, &temp());
    assert_eq!(proof[..], hex("68cd0ab851e51c96aabc927bebef6a1c"));
}

// test [MS-NLMP] 4.2.4.1.2
// test [MS-NLMP] 4.2.4.2.3
#[test]
fn the_session_key_of_ntlm_v2_is_encrypted_with_the_session_base_key() {
    let proof = nt_proof(&response_key_v2(), SERVER_CHALLENGE, &temp());
    let base = session_base_key_v2(&response_key_v2(), &proof);
    assert_eq!(base[..], hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
    assert_eq!(
        rc4k(&base, &RANDOM_SESSION_KEY)[..],
        hex("c5dad2544fc9799094ce1ce90bc9d03e")
    );
}

// test [MS-NLMP] 4.2.4.3
#[test]
fn the_messages_of_ntlm_v2_are_read() {
    let bytes = hex(
        "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000\
         060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600\
         6500720000000000",
    );
    let challenge = Challenge::decode(&bytes).unwrap();
    assert_eq!(challenge.flags, V2_FLAGS);
    assert_eq!(challenge.target_info, target_info());
    // The same bytes again, but for the version.
    let mut again = challenge.encode();
    again[48..56].copy_from_slice(&bytes[48..56]);
    assert_eq!(again, bytes);
    let message = hex(
        "4e544c4d5353500003000000180018006c00000054005400840000000c000c0048000000080008005400000010001000\
         5c00000010001000d8000000358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f00\
         4d005000550054004500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927b\
         ebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00\
         01000c005300650072007600650072000000000000000000c5dad2544fc9799094ce1ce90bc9d03e",
    );
    let message = Authenticate::decode(&message, V2_FLAGS).unwrap();
    let response = NtlmV2Response::decode(message.nt_response).unwrap();
    assert_eq!(
        response.proof,
        nt_proof(&response_key_v2(), SERVER_CHALLENGE, response.temp)
    );
    assert_eq!(response.client_challenge, CLIENT_CHALLENGE);
    assert_eq!(response.pairs, target_info());
    assert_eq!(response.temp, temp());
}

// test [MS-NLMP] 4.2.4.4
#[test]
fn extended_session_security_with_128_bits_and_key_exchange_seals_and_signs() {
    let security = SessionSecurity::new(V2_FLAGS, random_session_key());
    let mut message = plaintext();
    let signature = security.seal(Side::Client, &mut message);
    assert_eq!(message, hex("54e50165bf1936dc996020c1811b0f06fb5f"));
    assert_eq!(signature[..], hex("01000000 7fb38ec5c55d4976 00000000"));
}

// observed: Windows 10 as client and server, anonymous (captures/win10-handshake-311.pcapng)
#[test]
fn the_three_signatures_of_an_anonymous_log_on_are_those_that_windows_made() {
    let negotiate =
        hex("4e544c4d5353500001000000978208e2000000000000000000000000000000000a005a290000000f");
    let challenge = hex(
        "4e544c4d5353500002000000060006003800000015828ae288bc9b5834be370d0000000000000000380038003e000000\
         060380250000000f53004300560002000600530043005600010006005300430056000400060053004300560003000600\
         53004300560007000800d59d369b8427d20100000000",
    );
    let authenticate = hex(
        "4e544c4d535350000300000001000100760000000000000077000000000000005800000000000000580000001e001e00\
         580000001000100077000000158a88e20a005a290000000f4e2c41e336a14d9d71c51292a4c8c9f24400450053004b00\
         54004f0050002d005600310046004100300055005100002f09132b81a61514b9118be00088d71f",
    );
    let flags = Challenge::decode(&challenge).unwrap().flags;
    let message = Authenticate::decode(&authenticate, flags).unwrap();
    assert!(message.user.is_empty() && message.nt_response.is_empty());
    let encrypted = message.encrypted_session_key.try_into().unwrap();
    let exported = rc4k(&Zeroizing::new([0; 16]), encrypted);
    let pieces = without_mic(&authenticate);
    let mic = message_integrity_code(&exported, &negotiate, &challenge, pieces);
    assert_eq!(message.mic, Some(mic));
    let security = SessionSecurity::new(message.flags & flags, exported);
    let mech_list = hex("300c060a2b06010401823702020a");
    let client = security.mic(Side::Client, &mech_list);
    assert_eq!(client[..], hex("01000000b5ef9da69d6d126800000000"));
    let server = security.mic(Side::Server, &mech_list);
    assert_eq!(server[..], hex("01000000ee099153ab7f5de600000000"));
}

#[test]
fn a_signature_of_one_side_is_not_one_of_the_other() {
    let security = SessionSecurity::new(V2_FLAGS, random_session_key());
    assert_ne!(
        security.mic(Side::Client, b"x"),
        security.mic(Side::Server, b"x")
    );
    let unsigned = SessionSecurity::new(NegotiateFlags::ALWAYS_SIGN, random_session_key());
    assert_eq!(
        unsigned.mic(Side::Client, b"x"),
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
}
