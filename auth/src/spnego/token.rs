//! The tokens of SPNEGO, as bytes and as values.

use wire::DecodeError;

use super::der::{
    APPLICATION_0, ENUMERATED, GENERAL_STRING, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, Value,
    Values, context, encode,
};
use crate::oid::Oid;

/// A token of either kind.
// [RFC4178] 4.2
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegToken {
    /// Opens the negotiation.
    Init(NegTokenInit),
    /// Carries it on.
    Resp(NegTokenResp),
}

impl NegToken {
    /// Reads a token: NegTokenInit in its GSS-API frame, or NegTokenResp without one.
    ///
    /// # Errors
    /// It is neither, or malformed.
    pub fn decode(token: &[u8]) -> Result<Self, DecodeError> {
        let inner = match gss_mechanism(token) {
            Some((oid, inner)) if oid == Oid::SPNEGO => inner,
            Some(_) => return Err(malformed()),
            None => token,
        };
        let choice = Values::new(inner).next_value()?.ok_or(malformed())?;
        let fields = Fields::decode(choice.contents)?;
        match choice.tag {
            INIT => NegTokenInit::from_fields(&fields).map(Self::Init),
            RESP => NegTokenResp::from_fields(&fields).map(Self::Resp),
            _ => Err(malformed()),
        }
    }
}

/// The mechanisms that one side offers, and a first token of its favourite.
// [RFC4178] 4.2.1
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegTokenInit {
    /// The mechanisms, favourite first.
    pub mech_types: Vec<Oid>,
    /// The list of them, byte for byte as it was sent.
    pub mech_list: Vec<u8>,
    /// The favourite's first token.
    pub mech_token: Option<Vec<u8>>,
    /// A signature of the list, if the favourite needs but one token.
    pub mech_list_mic: Option<Vec<u8>>,
}

impl NegTokenInit {
    /// A token that offers `mech_types`.
    #[must_use]
    pub fn new(mech_types: Vec<Oid>, mech_token: Option<Vec<u8>>) -> Self {
        let mech_list = encode_mech_list(&mech_types);
        Self {
            mech_types,
            mech_list,
            mech_token,
            mech_list_mic: None,
        }
    }

    /// Writes the token in its GSS-API frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let fields = [
            encode(context(0), &[&self.mech_list]),
            octets(2, self.mech_token.as_deref()),
            octets(3, self.mech_list_mic.as_deref()),
        ];
        frame(&encode(INIT, &[&encode(SEQUENCE, &[&fields.concat()])]))
    }

    /// Writes the server's opening: NegTokenInit2, whose hint nobody should look at.
    // [MS-SPNG] 2.2.1
    #[must_use]
    pub fn encode_hint(mech_types: &[Oid]) -> Vec<u8> {
        let name = encode(context(0), &[&encode(GENERAL_STRING, &[HINT_NAME])]);
        let fields = [
            encode(context(0), &[&encode_mech_list(mech_types)]),
            encode(context(3), &[&encode(SEQUENCE, &[&name])]),
        ];
        frame(&encode(INIT, &[&encode(SEQUENCE, &[&fields.concat()])]))
    }

    fn from_fields(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let list = fields.find(0).ok_or(malformed())?;
        let list = Values::new(list.contents).expect(SEQUENCE)?;
        let mut mech_types = Vec::new();
        let mut values = Values::new(list.contents);
        while let Some(value) = values.next_value()? {
            if value.tag != OBJECT_IDENTIFIER || mech_types.len() == MAX_MECHANISMS {
                return Err(malformed());
            }
            mech_types.push(Oid::from_contents(value.contents));
        }
        // [MS-SPNG] 2.2.1
        // Field 3 is the signature, but hints in a server's token; then field 4 is the signature.
        let hints = fields
            .find(3)
            .is_some_and(|field| field.contents.starts_with(&[SEQUENCE]));
        let mech_list_mic = fields.octets(if hints { 4 } else { 3 })?;
        let mech_token = fields.octets(2)?;
        Ok(Self {
            mech_types,
            mech_list: list.whole.to_vec(),
            mech_token,
            mech_list_mic,
        })
    }
}

/// How far the negotiation is, in the eyes of the sender.
// [RFC4178] 4.2.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegState {
    /// Nothing more is needed.
    AcceptCompleted,
    /// A token is due.
    AcceptIncomplete,
    /// It has failed.
    Reject,
    /// As `AcceptIncomplete`, and the list of mechanisms must be signed.
    RequestMic,
}

/// A step of the negotiation.
// [RFC4178] 4.2.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegTokenResp {
    /// How far it is; clients may leave it out.
    pub state: Option<NegState>,
    /// The mechanism that the server chose, in its first answer.
    pub supported_mech: Option<Oid>,
    /// A token of that mechanism.
    pub response_token: Option<Vec<u8>>,
    /// A signature of the client's list of mechanisms.
    pub mech_list_mic: Option<Vec<u8>>,
}

impl NegTokenResp {
    /// Writes the token.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let state = self.state.map(|state| {
            let value = match state {
                NegState::AcceptCompleted => 0,
                NegState::AcceptIncomplete => 1,
                NegState::Reject => 2,
                NegState::RequestMic => 3,
            };
            encode(context(0), &[&encode(ENUMERATED, &[&[value]])])
        });
        let mech = self
            .supported_mech
            .as_ref()
            .map(|oid| encode(context(1), &[&encode(OBJECT_IDENTIFIER, &[oid.contents()])]));
        let fields = [
            state.unwrap_or_default(),
            mech.unwrap_or_default(),
            octets(2, self.response_token.as_deref()),
            octets(3, self.mech_list_mic.as_deref()),
        ];
        encode(RESP, &[&encode(SEQUENCE, &[&fields.concat()])])
    }

    fn from_fields(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        let state = match fields.find(0) {
            None => None,
            Some(field) => match Values::new(field.contents).expect(ENUMERATED)?.contents {
                [0] => Some(NegState::AcceptCompleted),
                [1] => Some(NegState::AcceptIncomplete),
                [2] => Some(NegState::Reject),
                [3] => Some(NegState::RequestMic),
                _ => return Err(malformed()),
            },
        };
        let supported_mech = match fields.find(1) {
            None => None,
            Some(field) => {
                let oid = Values::new(field.contents).expect(OBJECT_IDENTIFIER)?;
                Some(Oid::from_contents(oid.contents))
            }
        };
        let [response_token, mech_list_mic] = [fields.octets(2)?, fields.octets(3)?];
        Ok(Self {
            state,
            supported_mech,
            response_token,
            mech_list_mic,
        })
    }
}

/// Takes the GSS-API frame off a mechanism's first token: whose it is, and what is inside.
// [RFC2743] 3.1
#[must_use]
pub fn gss_mechanism(token: &[u8]) -> Option<(Oid, &[u8])> {
    let frame = Values::new(token).expect(APPLICATION_0).ok()?;
    let oid = Values::new(frame.contents).expect(OBJECT_IDENTIFIER).ok()?;
    let (_, inner) = frame.contents.split_at_checked(oid.whole.len())?;
    Some((Oid::from_contents(oid.contents), inner))
}

/// The numbered fields of a token.
struct Fields<'a>(Vec<Value<'a>>);

impl<'a> Fields<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let sequence = Values::new(bytes).expect(SEQUENCE)?;
        let mut values = Values::new(sequence.contents);
        let mut fields = Vec::new();
        while let Some(value) = values.next_value()? {
            if fields.len() == MAX_FIELDS {
                return Err(malformed());
            }
            fields.push(value);
        }
        Ok(Self(fields))
    }

    fn find(&self, number: u8) -> Option<Value<'a>> {
        self.0
            .iter()
            .find(|field| field.tag == context(number))
            .copied()
    }

    /// An OCTET STRING; an empty one counts as absent.
    fn octets(&self, number: u8) -> Result<Option<Vec<u8>>, DecodeError> {
        let Some(field) = self.find(number) else {
            return Ok(None);
        };
        let octets = Values::new(field.contents).expect(OCTET_STRING)?.contents;
        Ok((!octets.is_empty()).then(|| octets.to_vec()))
    }
}

fn encode_mech_list(mech_types: &[Oid]) -> Vec<u8> {
    let oids: Vec<Vec<u8>> = mech_types
        .iter()
        .map(|oid| encode(OBJECT_IDENTIFIER, &[oid.contents()]))
        .collect();
    encode(SEQUENCE, &[&oids.concat()])
}

fn octets(number: u8, value: Option<&[u8]>) -> Vec<u8> {
    value
        .map(|value| encode(context(number), &[&encode(OCTET_STRING, &[value])]))
        .unwrap_or_default()
}

fn frame(token: &[u8]) -> Vec<u8> {
    let oid = encode(OBJECT_IDENTIFIER, &[Oid::SPNEGO.contents()]);
    encode(APPLICATION_0, &[&oid, token])
}

const fn malformed() -> DecodeError {
    DecodeError {
        what: "SPNEGO token",
        at: 0,
    }
}

const INIT: u8 = context(0);
const RESP: u8 = context(1);
const HINT_NAME: &[u8] = b"not_defined_in_RFC4178@please_ignore";
/// Windows offers at most five.
const MAX_MECHANISMS: usize = 32;
/// The specification numbers five.
const MAX_FIELDS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // test [MS-SPNG] 2.2.1
    #[test]
    fn the_hint_is_what_every_server_sends() {
        let hint = NegTokenInit::encode_hint(&[Oid::NTLM]);
        let expected = [
            &b"\x60\x48\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x3e\x30\x3c"[..],
            b"\xa0\x0e\x30\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a",
            b"\xa3\x2a\x30\x28\xa0\x26\x1b\x24not_defined_in_RFC4178@please_ignore",
        ];
        assert_eq!(hint, expected.concat());
        let NegToken::Init(init) = NegToken::decode(&hint).unwrap() else {
            panic!("not an init")
        };
        assert_eq!(init.mech_types, [Oid::NTLM]);
        assert_eq!((init.mech_token, init.mech_list_mic), (None, None));
    }

    // test [MS-SPNG] 4
    #[test]
    fn the_example_of_the_specification_is_read() {
        let head = b"\x60\x82\x01\x5d\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x82\x01\x51\x30\x82\x01\x4d\
            \xa0\x1a\x30\x18\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x1e\x06\x0a\x2b\x06\x01\x04\x01\x82\
            \x37\x02\x02\x0a\xa2\x82\x01\x01\x04\x81\xfe";
        let hints = b"\xa3\x2a\x30\x28\xa0\x26\x1b\x24not_defined_in_RFC4178@please_ignore";
        let token = [&head[..], &[0x4e; 254], hints].concat();
        let NegToken::Init(init) = NegToken::decode(&token).unwrap() else {
            panic!("not an init")
        };
        assert_eq!(init.mech_types, [Oid::NEGOEX, Oid::NTLM]);
        assert_eq!(init.mech_token.map(|token| token.len()), Some(254));
        assert_eq!(init.mech_list_mic, None);
        assert_eq!(init.mech_list[..2], [0x30, 0x18]);
    }

    // test [RFC4178] 4.2.2
    #[test]
    fn every_field_of_a_response_survives_the_round_trip() {
        for state in [
            NegState::AcceptCompleted,
            NegState::AcceptIncomplete,
            NegState::Reject,
            NegState::RequestMic,
        ] {
            let response = NegTokenResp {
                state: Some(state),
                supported_mech: Some(Oid::MS_KERBEROS),
                response_token: Some(vec![1; 300]),
                mech_list_mic: Some(vec![2; 16]),
            };
            assert_eq!(
                NegToken::decode(&response.encode()),
                Ok(NegToken::Resp(response))
            );
        }
        let empty = NegTokenResp::default();
        assert_eq!(empty.encode(), b"\xa1\x02\x30\x00");
        assert_eq!(NegToken::decode(&empty.encode()), Ok(NegToken::Resp(empty)));
    }

    #[test]
    fn a_frame_of_another_mechanism_is_no_spnego_token() {
        let oid = encode(OBJECT_IDENTIFIER, &[Oid::KERBEROS.contents()]);
        let token = encode(APPLICATION_0, &[&oid, b"\x01\x00"]);
        assert_eq!(
            gss_mechanism(&token),
            Some((Oid::KERBEROS, &b"\x01\x00"[..]))
        );
        assert!(NegToken::decode(&token).is_err());
    }

    #[test]
    fn a_list_without_end_is_refused() {
        let many = vec![Oid::NTLM; MAX_MECHANISMS + 1];
        assert!(NegToken::decode(&NegTokenInit::new(many, None).encode()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(choice in 0xa0_u8..0xa2, bytes: Vec<u8>) {
            let _ = NegToken::decode(&bytes);
            let _ = NegToken::decode(&encode(choice, &[&encode(SEQUENCE, &[&bytes])]));
            let _ = NegToken::decode(&frame(&bytes));
        }

        #[test]
        fn offers_survive_the_round_trip(
            oids in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..8),
            token in proptest::collection::vec(any::<u8>(), 1..300),
        ) {
            let oids = oids.iter().map(|oid| Oid::from_contents(oid)).collect();
            let init = NegTokenInit::new(oids, Some(token));
            prop_assert_eq!(NegToken::decode(&init.encode()), Ok(NegToken::Init(init)));
        }
    }
}
