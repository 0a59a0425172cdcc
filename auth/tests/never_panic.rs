//! Whatever bytes come, nothing panics and nothing runs away.

use auth::fuzzing;
use proptest::prelude::*;

fn framed(tokens: &[Vec<u8>]) -> Vec<u8> {
    let length = |token: &Vec<u8>| u16::try_from(token.len()).unwrap().to_le_bytes();
    tokens
        .iter()
        .flat_map(|token| [&length(token)[..], token].concat())
        .collect()
}

/// The heads of tokens that are worth following with noise.
const HEADS: &[&[u8]] = &[
    b"",
    b"NTLMSSP\0\x01\0\0\0\x33\x82\x8a\xe2",
    b"NTLMSSP\0\x03\0\0\0",
    b"\x60\x30\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x26\x30\x24\xa0\x0e\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a\xa2\x12\x04\x10NTLMSSP\0\x01\0\0\0\x33\x82\x8a\xe2",
    b"\xa1\x30\x30\x2e\xa2\x2c\x04\x2aNTLMSSP\0\x03\0\0\0",
    b"\xa1\x30\x30\x2e\xa2\x2c\x04\x2aNTLMSSP\0\x02\0\0\0",
];

fn token() -> impl Strategy<Value = Vec<u8>> {
    let head = proptest::sample::select(HEADS);
    let tail = proptest::collection::vec(any::<u8>(), 0..200);
    (head, tail).prop_map(|(head, tail)| [head, &tail].concat())
}

proptest! {
    #[test]
    fn a_server_takes_any_tokens(tokens in proptest::collection::vec(token(), 0..4)) {
        fuzzing::accept(&framed(&tokens));
    }

    #[test]
    fn a_server_takes_any_input(input: Vec<u8>) {
        fuzzing::accept(&input);
        fuzzing::authenticate(&input);
        fuzzing::account_file(&input);
    }

    #[test]
    fn a_client_takes_any_tokens(tokens in proptest::collection::vec(token(), 0..4)) {
        fuzzing::connect(&framed(&tokens));
    }

    #[test]
    fn an_authenticate_message_may_point_anywhere(
        fields in proptest::collection::vec((0_u16..120, 0_u32..200), 6),
        flags: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut message = Vec::new();
        for (length, offset) in fields {
            message.extend(length.to_le_bytes());
            message.extend(length.to_le_bytes());
            message.extend(offset.to_le_bytes());
        }
        message.extend((flags | 1).to_le_bytes());
        message.extend(payload);
        fuzzing::authenticate(&message);
    }
}
