//! The verification trailer: what a client repeats of a request where it is protected, so that nobody on the way can
//! have changed what is not.

use super::super::pdu::{SyntaxId, kind};
use super::Fault;

/// What a request says of itself outside its arguments.
// [MS-RPCE] 2.2.2.13
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Repeated {
    /// Whether the client said in its bind that it signs headers.
    pub signs_headers: bool,
    /// The interface as the client proposed it.
    pub interface: SyntaxId,
    /// The way to write data that was chosen.
    pub transfer: SyntaxId,
    /// packed_drep.
    pub representation: [u8; 4],
    /// call_id.
    pub call_id: u32,
    /// p_cont_id.
    pub context: u16,
    /// opnum.
    pub operation: u16,
}

impl Repeated {
    /// Judges what stands behind the arguments: a trailer somewhere in it, or none.
    ///
    /// # Errors
    /// [`Fault::ACCESS_DENIED`]: the trailer contradicts the request, or cannot be understood.
    pub(in crate::ipc) fn check(&self, rest: &[u8]) -> Result<(), Fault> {
        let mut found = rest.windows(SIGNATURE.len());
        let Some(at) = found.position(|bytes| bytes == SIGNATURE) else {
            return Ok(());
        };
        let mut commands = rest.get(at + SIGNATURE.len()..).unwrap_or_default();
        loop {
            let (head, behind) = commands.split_first_chunk().ok_or(Fault::ACCESS_DENIED)?;
            let [low, high, length_low, length_high] = *head;
            let command = u16::from_le_bytes([low, high]);
            let length = u16::from_le_bytes([length_low, length_high]);
            let split = behind.split_at_checked(length.into());
            let (value, later) = split.ok_or(Fault::ACCESS_DENIED)?;
            if !self.agrees(command, value) {
                return Err(Fault::ACCESS_DENIED);
            }
            if command & END != 0 {
                return Ok(());
            }
            commands = later;
        }
    }

    fn agrees(&self, command: u16, value: &[u8]) -> bool {
        match command & COMMAND {
            // [MS-RPCE] 2.2.2.13.2
            BITMASK => match value {
                [bits, _, _, _] => bits & SUPPORTS_HEADER_SIGNING == 0 || self.signs_headers,
                _ => false,
            },
            // [MS-RPCE] 2.2.2.13.4
            CONTEXT => value == self.syntaxes(),
            // [MS-RPCE] 2.2.2.13.3
            HEADER => match value {
                [kind, _, _, _, fields @ ..] => *kind == kind::REQUEST && fields == self.fields(),
                _ => false,
            },
            _ => command & MUST_PROCESS == 0,
        }
    }

    fn syntaxes(&self) -> Vec<u8> {
        let both = [self.interface, self.transfer].into_iter();
        both.flat_map(|syntax| syntax.bytes()).collect()
    }

    fn fields(&self) -> Vec<u8> {
        let (context, operation) = (self.context.to_le_bytes(), self.operation.to_le_bytes());
        [
            &self.representation[..],
            &self.call_id.to_le_bytes(),
            &context,
            &operation,
        ]
        .concat()
    }
}

// [MS-RPCE] 2.2.2.13.1
const SIGNATURE: &[u8] = b"\x8a\xe3\x13\x71\x02\xf4\x36\x71";
// [MS-RPCE] 2.2.2.13
const BITMASK: u16 = 1;
const CONTEXT: u16 = 2;
const HEADER: u16 = 3;
const COMMAND: u16 = 0x3fff;
const END: u16 = 0x4000;
const MUST_PROCESS: u16 = 0x8000;
/// CLIENT_SUPPORT_HEADER_SIGNING, in the first byte.
const SUPPORTS_HEADER_SIGNING: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated() -> Repeated {
        Repeated {
            signs_headers: false,
            interface: SyntaxId {
                id: [7; 16],
                version: 3,
            },
            transfer: SyntaxId::NDR,
            representation: [0x10, 0, 0, 0],
            call_id: 2,
            context: 1,
            operation: 15,
        }
    }

    fn command(number: u16, value: &[u8]) -> Vec<u8> {
        let length = value.len() as u16;
        [&number.to_le_bytes()[..], &length.to_le_bytes(), value].concat()
    }

    fn check(commands: &[Vec<u8>]) -> Result<(), Fault> {
        let trailer = [&[0; 3], SIGNATURE, &commands.concat()].concat();
        repeated().check(&trailer)
    }

    fn context() -> Vec<u8> {
        let transfer: Vec<u8> = SyntaxId::NDR.bytes().collect();
        [&[7; 16][..], &[3, 0, 0, 0], &transfer].concat()
    }

    const HEADER_FIELDS: [u8; 16] = [0, 0, 0, 0, 0x10, 0, 0, 0, 2, 0, 0, 0, 1, 0, 15, 0];

    // test [MS-RPCE] 2.2.2.13
    #[test]
    fn a_trailer_that_says_what_the_request_says_is_let_through() {
        assert_eq!(repeated().check(&[0; 40]), Ok(()), "none");
        assert_eq!(check(&[command(CONTEXT | END, &context())]), Ok(()));
        let bits = command(BITMASK, &[0; 4]);
        let header = command(HEADER | MUST_PROCESS, &HEADER_FIELDS);
        let unknown = command(9, &[1, 2, 3, 4]);
        assert_eq!(
            check(&[bits, header, unknown, command(CONTEXT | END, &context())]),
            Ok(())
        );
    }

    // test [MS-RPCE] 2.2.2.13.3
    // test [MS-RPCE] 2.2.2.13.4
    #[test]
    fn a_trailer_with_one_other_byte_is_refused() {
        for at in [0, 4, 8, 12, 14] {
            let mut fields = HEADER_FIELDS;
            fields[at] ^= 1;
            let refused = check(&[command(HEADER | END, &fields)]);
            assert_eq!(refused, Err(Fault::ACCESS_DENIED), "byte {at}");
        }
        for at in 0..40 {
            let mut syntaxes = context();
            syntaxes[at] ^= 1;
            let refused = check(&[command(CONTEXT | END, &syntaxes)]);
            assert_eq!(refused, Err(Fault::ACCESS_DENIED), "byte {at}");
        }
    }

    // test [MS-RPCE] 2.2.2.13.2
    #[test]
    fn who_signs_headers_must_have_said_so_in_its_bind() {
        let bits = [command(BITMASK | END, &[1, 0, 0, 0])];
        assert_eq!(check(&bits), Err(Fault::ACCESS_DENIED));
        let signing = Repeated {
            signs_headers: true,
            ..repeated()
        };
        let trailer = [SIGNATURE, &bits[0]].concat();
        assert_eq!(signing.check(&trailer), Ok(()));
    }

    #[test]
    fn what_must_be_processed_and_what_is_cut_off_is_refused() {
        let denied = Err(Fault::ACCESS_DENIED);
        assert_eq!(check(&[command(9 | MUST_PROCESS | END, &[])]), denied);
        assert_eq!(check(&[command(BITMASK, &[0; 4])]), denied, "no end");
        assert_eq!(check(&[command(HEADER | END, &[0; 4])]), denied);
        assert_eq!(check(&[vec![1, 0x40, 8, 0, 0]]), denied);
        assert_eq!(check(&[]), denied);
    }
}
