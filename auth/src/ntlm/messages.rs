//! The three NTLM messages, as bytes and as values.
//!
//! Reading checks every offset and length against the message; what the values mean is for
//! [`super::context`] and the client to say.

use wire::dtyp::FileTime;
use wire::reader::part;
use wire::{DecodeError, Reader, Utf16String};

use super::avpairs::AvPairs;
use super::flags::NegotiateFlags;
use super::text::Charset;

/// What every NTLM message begins with.
pub const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// The client's first message. The names it may carry are never used, so they are not read.
// [MS-NLMP] 2.2.1.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiate {
    /// What the client can do.
    pub flags: NegotiateFlags,
}

impl Negotiate {
    /// Reads the message.
    ///
    /// # Errors
    /// It is another message, or shorter than its flags.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = begin("NTLM NEGOTIATE", message, 1)?;
        Ok(Self {
            flags: NegotiateFlags(reader.u32()?),
        })
    }

    /// Writes the message, without names.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut layout = Layout::new(1, FIXED_NEGOTIATE);
        layout.head.extend(self.flags.0.to_le_bytes());
        layout.part(&[]);
        layout.part(&[]);
        layout.version(self.flags);
        layout.finish()
    }
}

/// The server's answer.
// [MS-NLMP] 2.2.1.2
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The realm: the server's own name, or its domain's.
    pub target_name: Utf16String,
    /// What the server chose.
    pub flags: NegotiateFlags,
    /// Random bytes.
    pub server_challenge: [u8; 8],
    /// Names and time of the server.
    pub target_info: AvPairs,
}

impl Challenge {
    /// Reads the message.
    ///
    /// # Errors
    /// It is another message, or a part leaves it.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let what = "NTLM CHALLENGE";
        let mut reader = begin(what, message, 2)?;
        let target_name = Part::read(&mut reader)?;
        let flags = NegotiateFlags(reader.u32()?);
        let server_challenge = reader.array()?;
        reader.skip(8)?;
        let target_info = Part::read(&mut reader)?;
        let charset = Charset::of(flags).unwrap_or(Charset::Unicode);
        let target_info = match target_info.slice(what, message, reader.position())? {
            [] => AvPairs::default(),
            bytes => AvPairs::decode(bytes)?,
        };
        let target_name = charset.decode(target_name.slice(what, message, reader.position())?)?;
        Ok(Self {
            target_name,
            flags,
            server_challenge,
            target_info,
        })
    }

    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let charset = Charset::of(self.flags).unwrap_or(Charset::Unicode);
        let mut layout = Layout::new(2, FIXED_CHALLENGE);
        layout.part(&charset.encode(&self.target_name));
        layout.head.extend(self.flags.0.to_le_bytes());
        layout.head.extend(self.server_challenge);
        layout.head.extend([0; 8]);
        layout.part(&self.target_info.encode());
        layout.version(self.flags);
        layout.finish()
    }
}

/// The client's proof.
// [MS-NLMP] 2.2.1.3
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate<'a> {
    /// The LM response, or what fills its place.
    pub lm_response: &'a [u8],
    /// The NT response.
    pub nt_response: &'a [u8],
    /// The domain, as the client hashed it.
    pub domain: Utf16String,
    /// The user, as the client hashed it but for case.
    pub user: Utf16String,
    /// The client's computer.
    pub workstation: Utf16String,
    /// The session key, encrypted.
    pub encrypted_session_key: &'a [u8],
    /// What the client made of the server's choice.
    pub flags: NegotiateFlags,
    /// The 16 bytes where a signature over the three messages is, if there is room for one.
    pub mic: Option<[u8; 16]>,
}

impl<'a> Authenticate<'a> {
    /// Reads the message. `agreed` chooses the character set if the message's own flags do not.
    ///
    /// # Errors
    /// It is another message, a part leaves it, or a string has half a character.
    pub fn decode(message: &'a [u8], agreed: NegotiateFlags) -> Result<Self, DecodeError> {
        let what = "NTLM AUTHENTICATE";
        let mut reader = begin(what, message, 3)?;
        let [lm_response, nt_response] = [Part::read(&mut reader)?, Part::read(&mut reader)?];
        let [domain, user] = [Part::read(&mut reader)?, Part::read(&mut reader)?];
        let [workstation, session_key] = [Part::read(&mut reader)?, Part::read(&mut reader)?];
        let flags = NegotiateFlags(reader.u32()?);
        let fixed = reader.position();
        let parts = [
            lm_response,
            nt_response,
            domain,
            user,
            workstation,
            session_key,
        ];
        let payload = parts
            .iter()
            .filter(|part| part.length > 0)
            .map(|part| part.offset)
            .min();
        // [MS-NLMP] 2.2.1.3
        // Old clients have neither a version nor a signature: their payload begins where these would be.
        let has_mic = payload.unwrap_or(message.len()) >= MIC_END;
        let mic = has_mic
            .then(|| message.get(MIC_START..MIC_END)?.try_into().ok())
            .flatten();
        let charset = Charset::of(flags)
            .or(Charset::of(agreed))
            .unwrap_or(Charset::Unicode);
        let text = |part: Part| charset.decode(part.slice(what, message, fixed)?);
        Ok(Self {
            lm_response: lm_response.slice(what, message, fixed)?,
            nt_response: nt_response.slice(what, message, fixed)?,
            domain: text(domain)?,
            user: text(user)?,
            workstation: text(workstation)?,
            encrypted_session_key: session_key.slice(what, message, fixed)?,
            flags,
            mic,
        })
    }

    /// Writes the message, with zeros for the signature if it has none.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let charset = Charset::of(self.flags).unwrap_or(Charset::Unicode);
        let mut layout = Layout::new(3, FIXED_AUTHENTICATE);
        layout.part(self.lm_response);
        layout.part(self.nt_response);
        layout.part(&charset.encode(&self.domain));
        layout.part(&charset.encode(&self.user));
        layout.part(&charset.encode(&self.workstation));
        layout.part(self.encrypted_session_key);
        layout.head.extend(self.flags.0.to_le_bytes());
        layout.version(self.flags);
        layout.head.extend(self.mic.unwrap_or_default());
        layout.finish()
    }
}

/// An AUTHENTICATE message in the three pieces that are signed: the signature itself counts as zeros.
#[must_use]
pub fn without_mic(message: &[u8]) -> [&[u8]; 3] {
    const ZEROS: &[u8] = &[0; 16];
    match (message.get(..MIC_START), message.get(MIC_END..)) {
        (Some(head), Some(tail)) => [head, ZEROS, tail],
        _ => [message, &[], &[]],
    }
}

/// Puts the signature into an AUTHENTICATE message that has room for one.
pub fn set_mic(message: &mut [u8], mic: [u8; 16]) {
    if let Some(room) = message.get_mut(MIC_START..MIC_END) {
        room.copy_from_slice(&mic);
    }
}

/// The NT response of NTLMv2.
// [MS-NLMP] 2.2.2.8
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NtlmV2Response<'a> {
    /// NTProofStr.
    pub proof: [u8; 16],
    /// What the proof is over, beside the server's challenge.
    pub temp: &'a [u8],
    /// The client's time.
    pub timestamp: FileTime,
    /// The client's random bytes.
    pub client_challenge: [u8; 8],
    /// The server's target information, and what the client added to it.
    pub pairs: AvPairs,
}

impl<'a> NtlmV2Response<'a> {
    /// Reads the response.
    ///
    /// # Errors
    /// It is too short, of another version, or its pairs are malformed.
    pub fn decode(response: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("NTLMv2 response", response);
        let proof = reader.array()?;
        let temp = reader.rest();
        // [MS-NLMP] 2.2.2.7
        if reader.array()? != [1, 1] {
            return Err(reader.error());
        }
        reader.skip(6)?;
        let timestamp = FileTime(reader.u64()?);
        let client_challenge = reader.array()?;
        reader.skip(4)?;
        let pairs = AvPairs::decode(reader.rest())?;
        Ok(Self {
            proof,
            temp,
            timestamp,
            client_challenge,
            pairs,
        })
    }

    /// The `temp` of a response with these values.
    // [MS-NLMP] 3.3.2
    #[must_use]
    pub fn temp(timestamp: FileTime, client_challenge: [u8; 8], pairs: &AvPairs) -> Vec<u8> {
        let mut temp = vec![1, 1, 0, 0, 0, 0, 0, 0];
        temp.extend(timestamp.0.to_le_bytes());
        temp.extend(client_challenge);
        temp.extend([0; 4]);
        temp.extend(pairs.encode());
        temp.extend([0; 4]);
        temp
    }
}

/// Checks a message's signature and type; the reader stands behind them.
fn begin<'a>(what: &'static str, message: &'a [u8], kind: u32) -> Result<Reader<'a>, DecodeError> {
    let mut reader = Reader::new(what, message);
    if reader.array()? != *SIGNATURE || reader.u32()? != kind {
        return Err(reader.error());
    }
    Ok(reader)
}

/// Where a variable part is.
#[derive(Clone, Copy)]
struct Part {
    length: usize,
    offset: usize,
}

impl Part {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = reader.size16()?;
        reader.skip(2)?;
        Ok(Self {
            length,
            offset: reader.size32()?,
        })
    }

    fn slice<'a>(
        self,
        what: &'static str,
        message: &'a [u8],
        fixed: usize,
    ) -> Result<&'a [u8], DecodeError> {
        part(what, message, fixed, self.offset, self.length)
    }
}

/// A message that is being written: its fixed head, and the payload behind it.
struct Layout {
    head: Vec<u8>,
    payload: Vec<u8>,
    fixed: usize,
}

impl Layout {
    fn new(kind: u32, fixed: usize) -> Self {
        let mut head = SIGNATURE.to_vec();
        head.extend(kind.to_le_bytes());
        Self {
            head,
            payload: Vec::new(),
            fixed,
        }
    }

    /// Appends a part; one of more than 65,535 bytes, which no field can describe, is left out.
    fn part(&mut self, bytes: &[u8]) {
        let (length, bytes) =
            u16::try_from(bytes.len()).map_or((0, &[][..]), |length| (length, bytes));
        let offset =
            u32::try_from(self.fixed.saturating_add(self.payload.len())).unwrap_or(u32::MAX);
        self.head.extend(length.to_le_bytes());
        self.head.extend(length.to_le_bytes());
        self.head.extend(offset.to_le_bytes());
        self.payload.extend(bytes);
    }

    // [MS-NLMP] 2.2.2.10
    fn version(&mut self, flags: NegotiateFlags) {
        let version = flags.contains(NegotiateFlags::VERSION);
        self.head.extend(if version { VERSION } else { [0; 8] });
    }

    fn finish(mut self) -> Vec<u8> {
        self.head.append(&mut self.payload);
        self.head
    }
}

/// Windows Server 2022's, for nobody's decisions: 10.0, build 20348, NTLM revision 15.
const VERSION: [u8; 8] = [10, 0, 0x7c, 0x4f, 0, 0, 0, 15];
const FIXED_NEGOTIATE: usize = 40;
const FIXED_CHALLENGE: usize = 56;
const FIXED_AUTHENTICATE: usize = MIC_END;
const MIC_START: usize = 72;
const MIC_END: usize = 88;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Authenticate<'static> {
        Authenticate {
            lm_response: &[0; 24],
            nt_response: &[7; 30],
            domain: "LAB".into(),
            user: "alice".into(),
            workstation: "PC".into(),
            encrypted_session_key: &[9; 16],
            flags: NegotiateFlags::UNICODE | NegotiateFlags::VERSION,
            mic: Some([5; 16]),
        }
    }

    #[test]
    fn an_authenticate_message_survives_the_round_trip() {
        let bytes = sample().encode();
        assert_eq!(
            Authenticate::decode(&bytes, NegotiateFlags::default()),
            Ok(sample())
        );
    }

    #[test]
    fn a_message_whose_payload_begins_early_has_no_signature() {
        let mut bytes = sample().encode();
        // Move the user's name, 10 bytes, to where the signature would be.
        bytes[40..44].copy_from_slice(&72_u32.to_le_bytes());
        bytes[72..82].copy_from_slice(b"a\0l\0i\0c\0e\0");
        let message = Authenticate::decode(&bytes, NegotiateFlags::default()).unwrap();
        assert_eq!(message.mic, None);
        assert_eq!(message.user, Utf16String::from("alice"));
    }

    #[test]
    fn parts_that_leave_the_message_are_malformed() {
        let good = sample().encode();
        for field in [12, 20, 28, 36, 44, 52] {
            let mut bytes = good.clone();
            bytes[field + 4..field + 8].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
            assert!(
                Authenticate::decode(&bytes, NegotiateFlags::default()).is_err(),
                "{field}"
            );
        }
        for length in 0..good.len() {
            assert!(Authenticate::decode(&good[..length], NegotiateFlags::default()).is_err());
        }
    }

    #[test]
    fn strings_are_oem_when_unicode_was_not_agreed() {
        let flags = NegotiateFlags::OEM;
        let message = Authenticate {
            user: "André".into(),
            flags,
            ..sample()
        };
        let bytes = message.encode();
        assert_eq!(
            Authenticate::decode(&bytes, NegotiateFlags::default()),
            Ok(message)
        );
        assert!(bytes.windows(5).any(|window| window == b"Andr\x82"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(kind in 1_u32..4, tail: Vec<u8>) {
            let bytes = [&SIGNATURE[..], &kind.to_le_bytes(), &tail].concat();
            let _ = Negotiate::decode(&bytes);
            let _ = Challenge::decode(&bytes);
            if let Ok(message) = Authenticate::decode(&bytes, NegotiateFlags::default()) {
                let _ = NtlmV2Response::decode(message.nt_response);
            }
            let _ = NtlmV2Response::decode(&tail);
        }

        #[test]
        fn a_challenge_survives_the_round_trip(name in "[A-Z]{0,15}", challenge: [u8; 8], bits: u32) {
            let mut target_info = AvPairs::default();
            target_info.set_text(super::super::avpairs::AvId::NB_COMPUTER_NAME, &name);
            let flags = NegotiateFlags(bits);
            let message =
                Challenge { target_name: name.as_str().into(), flags, server_challenge: challenge, target_info };
            prop_assert_eq!(Challenge::decode(&message.encode()), Ok(message));
        }
    }
}
