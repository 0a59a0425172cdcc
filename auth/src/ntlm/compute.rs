//! The cryptography of NTLM: responses, keys and signatures, as plain functions.
//!
//! Nothing here decides anything; names follow the specification's. MD4, MD5, RC4 and DES are what the
//! protocol is made of, and are used for nothing else.

use std::ops::Range;

use des::Des;
use des::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md4::Md4;
use md5::{Digest as _, Md5};
use rc4::{Rc4, StreamCipher as _};
use subtle::ConstantTimeEq as _;
use wire::Utf16String;
use wire::fscc::upcase::upcase;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::flags::NegotiateFlags;
use crate::accounts::NtHash;
use crate::mechanism::MessageProtection;

/// A 128-bit key, zeroed on drop.
pub type Key = Zeroizing<[u8; 16]>;

/// ResponseKeyNT of NTLMv2. `domain` must be what the client hashed, case included.
// [MS-NLMP] 3.3.2
#[must_use]
pub fn nt_owf_v2(hash: &NtHash, user: &Utf16String, domain: &Utf16String) -> Key {
    let mut mac = hmac(hash.bytes());
    for unit in user.as_units() {
        mac.update(&upcase(*unit).to_le_bytes());
    }
    for unit in domain.as_units() {
        mac.update(&unit.to_le_bytes());
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// NTProofStr: the proof of NTLMv2 over the server's challenge and the client's `temp`.
// [MS-NLMP] 3.3.2
#[must_use]
pub fn nt_proof(response_key: &Key, server_challenge: [u8; 8], temp: &[u8]) -> [u8; 16] {
    hmac_md5(&**response_key, &[&server_challenge, temp])
}

/// The LM response of NTLMv2.
// [MS-NLMP] 3.3.2
#[must_use]
pub fn lm_v2_response(
    response_key: &Key,
    server_challenge: [u8; 8],
    client_challenge: [u8; 8],
) -> Vec<u8> {
    let mac = hmac_md5(&**response_key, &[&server_challenge, &client_challenge]);
    [&mac[..], &client_challenge].concat()
}

/// SessionBaseKey of NTLMv2.
// [MS-NLMP] 3.3.2
#[must_use]
pub fn session_base_key_v2(response_key: &Key, proof: &[u8; 16]) -> Key {
    Zeroizing::new(hmac_md5(&**response_key, &[proof]))
}

/// The NT response of NTLMv1 without extended session security.
// [MS-NLMP] 3.3.1
#[must_use]
pub fn nt_response_v1(hash: &NtHash, server_challenge: [u8; 8]) -> [u8; 24] {
    desl(hash.bytes(), server_challenge)
}

/// The NT response of NTLMv1 with extended session security.
// [MS-NLMP] 3.3.1
#[must_use]
pub fn nt_response_v1_extended(
    hash: &NtHash,
    server_challenge: [u8; 8],
    client_challenge: [u8; 8],
) -> [u8; 24] {
    let digest: [u8; 16] = Md5::new()
        .chain_update(server_challenge)
        .chain_update(client_challenge)
        .finalize()
        .into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    desl(hash.bytes(), [a, b, c, d, e, f, g, h])
}

/// SessionBaseKey of NTLMv1.
// [MS-NLMP] 3.3.1
#[must_use]
pub fn session_base_key_v1(hash: &NtHash) -> Key {
    Zeroizing::new(Md4::digest(hash.bytes()).into())
}

/// KeyExchangeKey of NTLMv1 with extended session security; of all other variants it is SessionBaseKey.
// [MS-NLMP] 3.4.5.1
#[must_use]
pub fn key_exchange_key_v1_extended(
    session_base_key: &Key,
    server_challenge: [u8; 8],
    client_challenge: [u8; 8],
) -> Key {
    Zeroizing::new(hmac_md5(
        &**session_base_key,
        &[&server_challenge, &client_challenge],
    ))
}

/// RC4K: encrypts or decrypts one key with another.
#[must_use]
pub fn rc4k(key: &Key, data: &[u8; 16]) -> Key {
    let mut data = Zeroizing::new(*data);
    KeyStream::new(key).apply(&mut *data);
    data
}

/// The signature over the three messages; `authenticate` in pieces, its own signature being zeros.
// [MS-NLMP] 3.1.5.1.2
#[must_use]
pub fn message_integrity_code(
    exported_session_key: &Key,
    negotiate: &[u8],
    challenge: &[u8],
    authenticate: [&[u8]; 3],
) -> [u8; 16] {
    let [head, zeros, tail] = authenticate;
    hmac_md5(
        &**exported_session_key,
        &[negotiate, challenge, head, zeros, tail],
    )
}

/// Whether two values are equal, in a time that does not tell where they differ.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Which side's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those with which the client signs.
    Client,
    /// Those with which the server signs.
    Server,
}

/// Signatures of messages, from each side, all with sequence number 0 and a fresh key stream.
///
/// This is what the list of mechanisms is signed with; NTLM signs nothing else for SMB.
// [MS-SPNG] 3.2.5.1
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionSecurity {
    #[zeroize(skip)]
    flags: NegotiateFlags,
    exported_session_key: Key,
}

impl SessionSecurity {
    /// The signatures that `flags` agree on, with keys from the exported session key.
    #[must_use]
    pub const fn new(flags: NegotiateFlags, exported_session_key: Key) -> Self {
        Self {
            flags,
            exported_session_key,
        }
    }

    /// The signature of `message` by `side`.
    #[must_use]
    pub fn mic(&self, side: Side, message: &[u8]) -> [u8; 16] {
        let mut stream = KeyStream::new(&self.seal_key(side));
        self.mic_with(side, 0, message, &mut stream)
    }

    /// Whether `mic` is the signature of `message` by `side`.
    #[must_use]
    pub fn verify_mic(&self, side: Side, message: &[u8], mic: &[u8]) -> bool {
        let mut expected = self.mic(side, message);
        // [MS-NLMP] 3.4.4.1
        // The random pad of the old form means nothing, and some send it encrypted.
        if !self
            .flags
            .contains(NegotiateFlags::EXTENDED_SESSION_SECURITY)
            && let (Some(pad), Some(sent)) = (expected.get_mut(4..8), mic.get(4..8))
        {
            pad.copy_from_slice(sent);
        }
        same(&expected, mic)
    }

    fn mic_with(
        &self,
        side: Side,
        sequence: u32,
        message: &[u8],
        stream: &mut KeyStream,
    ) -> [u8; 16] {
        let number = sequence.to_le_bytes();
        // [MS-NLMP] 3.4.4.3
        if !self
            .flags
            .intersects(NegotiateFlags::SIGN | NegotiateFlags::SEAL)
        {
            return assemble([0; 8], [0; 4]);
        }
        // [MS-NLMP] 3.4.4.1
        if !self
            .flags
            .contains(NegotiateFlags::EXTENDED_SESSION_SECURITY)
        {
            let mut pad = [0; 4];
            let mut checksum = crc32(message).to_le_bytes();
            let mut sequence = number;
            stream.apply(&mut pad);
            stream.apply(&mut checksum);
            stream.apply(&mut sequence);
            let [a, b, c, d] = checksum;
            return assemble([0, 0, 0, 0, a, b, c, d], sequence);
        }
        // [MS-NLMP] 3.4.4.2
        let digest = hmac_md5(&*self.sign_key(side), &[&number, message]);
        let [a, b, c, d, e, f, g, h, ..] = digest;
        let mut checksum = [a, b, c, d, e, f, g, h];
        if self.flags.contains(NegotiateFlags::KEY_EXCH) {
            stream.apply(&mut checksum);
        }
        assemble(checksum, number)
    }

    // [MS-NLMP] 3.4.5.2
    fn sign_key(&self, side: Side) -> Key {
        derive(
            &*self.exported_session_key,
            match side {
                Side::Client => b"session key to client-to-server signing key magic constant\0",
                Side::Server => b"session key to server-to-client signing key magic constant\0",
            },
        )
    }

    // [MS-NLMP] 3.4.5.3
    fn seal_key(&self, side: Side) -> Key {
        if !self
            .flags
            .contains(NegotiateFlags::EXTENDED_SESSION_SECURITY)
        {
            return self.exported_session_key.clone();
        }
        let length = if self.flags.contains(NegotiateFlags::KEY_128) {
            16
        } else if self.flags.contains(NegotiateFlags::KEY_56) {
            7
        } else {
            5
        };
        let key = self.exported_session_key.get(..length).unwrap_or_default();
        derive(
            key,
            match side {
                Side::Client => b"session key to client-to-server sealing key magic constant\0",
                Side::Server => b"session key to server-to-client sealing key magic constant\0",
            },
        )
    }

    /// Encrypts `message` in place and signs what it was. Only the specification's examples need it.
    // [MS-NLMP] 3.4.3
    #[cfg(test)]
    pub(super) fn seal(&self, side: Side, message: &mut [u8]) -> [u8; 16] {
        let mut stream = KeyStream::new(&self.seal_key(side));
        let plain = message.to_vec();
        stream.apply(message);
        self.mic_with(side, 0, &plain, &mut stream)
    }
}

/// Signs and encrypts the messages of a session in order: each takes the next number, and the next bytes of
/// the key stream.
pub struct MessageStream {
    security: SessionSecurity,
    ours: Direction,
    theirs: Direction,
}

/// The messages from one side.
struct Direction {
    side: Side,
    stream: KeyStream,
    sequence: u32,
}

impl MessageStream {
    /// The server's part, whose first message has the number `first`. None without extended session security,
    /// in which both sides draw on one key stream.
    // [MS-NLMP] 3.4.4.2
    #[must_use]
    pub fn of_server(security: SessionSecurity, first: u32) -> Option<Self> {
        if !security
            .flags
            .contains(NegotiateFlags::EXTENDED_SESSION_SECURITY)
        {
            return None;
        }
        let direction = |side: Side| Direction {
            side,
            stream: KeyStream::new(&security.seal_key(side)),
            sequence: first,
        };
        let (ours, theirs) = (direction(Side::Server), direction(Side::Client));
        Some(Self {
            security,
            ours,
            theirs,
        })
    }
}

impl MessageProtection for MessageStream {
    // [MS-NLMP] 3.4.3
    fn seal(&mut self, message: &mut [u8], secret: Range<usize>) -> [u8; 16] {
        let Self { security, ours, .. } = self;
        let plain = Zeroizing::new(message.to_vec());
        ours.stream
            .apply(message.get_mut(secret).unwrap_or_default());
        ours.next_signature(security, &plain)
    }

    fn unseal(&mut self, message: &mut [u8], secret: Range<usize>, signature: &[u8]) -> bool {
        let Self {
            security, theirs, ..
        } = self;
        theirs
            .stream
            .apply(message.get_mut(secret).unwrap_or_default());
        same(&theirs.next_signature(security, message), signature)
    }
}

impl Direction {
    fn next_signature(&mut self, security: &SessionSecurity, message: &[u8]) -> [u8; 16] {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        security.mic_with(self.side, sequence, message, &mut self.stream)
    }
}

/// The bytes that RC4 makes of a key, each used once.
struct KeyStream(Rc4);

impl KeyStream {
    #[expect(
        clippy::expect_used,
        reason = "RC4 takes keys of 1 to 256 bytes, this one has 16"
    )]
    fn new(key: &Key) -> Self {
        Self(Rc4::new_from_slice(&**key).expect("16 bytes are a key"))
    }

    fn apply(&mut self, data: &mut [u8]) {
        self.0.apply_keystream(data);
    }
}

// [MS-NLMP] 2.2.2.9
fn assemble(middle: [u8; 8], sequence: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = middle;
    let [s, t, u, v] = sequence;
    [1, 0, 0, 0, a, b, c, d, e, f, g, h, s, t, u, v]
}

fn derive(key: &[u8], constant: &[u8]) -> Key {
    Zeroizing::new(
        Md5::new()
            .chain_update(key)
            .chain_update(constant)
            .finalize()
            .into(),
    )
}

fn hmac_md5(key: &[u8], pieces: &[&[u8]]) -> [u8; 16] {
    let mut mac = hmac(key);
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().into()
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn hmac(key: &[u8]) -> Hmac<Md5> {
    Hmac::new_from_slice(key).expect("any length is a key")
}

/// DESL: encrypts 8 bytes with each third of a padded 16-byte key.
// [MS-NLMP] 6
fn desl(key: &[u8; 16], data: [u8; 8]) -> [u8; 24] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *key;
    let thirds = [
        [a, b, c, d, e, f, g],
        [h, i, j, k, l, m, n],
        [o, p, 0, 0, 0, 0, 0],
    ];
    let mut response = [0; 24];
    for (third, room) in thirds.iter().zip(response.as_chunks_mut::<8>().0) {
        *room = des_with_seven_bytes(*third, data);
    }
    response
}

/// DES with a key of 56 bits.
// [MS-NLMP] 6
pub(crate) fn des_with_seven_bytes(key: [u8; 7], data: [u8; 8]) -> [u8; 8] {
    let mut block = data.into();
    Des::new(&spread_key(key).into()).encrypt_block(&mut block);
    block.into()
}

/// What [`des_with_seven_bytes`] encrypted.
pub(crate) fn undo_des_with_seven_bytes(key: [u8; 7], data: [u8; 8]) -> [u8; 8] {
    let mut block = data.into();
    Des::new(&spread_key(key).into()).decrypt_block(&mut block);
    block.into()
}

/// Spreads 56 bits over the 8 bytes of a DES key, whose lowest bits are parity that nobody looks at.
fn spread_key(key: [u8; 7]) -> [u8; 8] {
    let [a, b, c, d, e, f, g] = key;
    let bits = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    [49, 42, 35, 28, 21, 14, 7, 0].map(|shift: u32| {
        let [.., low] = bits.wrapping_shr(shift).to_be_bytes();
        low << 1
    })
}

/// The usual CRC-32, a bit at a time: it signs one short message in a mode that no client asks for.
// [MS-NLMP] 6
fn crc32(message: &[u8]) -> u32 {
    !message.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}
