//! The bodies that say nothing: StructureSize 4 and two reserved bytes.

/// Defines one such body.
macro_rules! empty_body {
    ($(#[$meta:meta])* $name:ident, $what:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl $crate::Decode for $name {
            fn decode(message: &bytes::Bytes) -> Result<Self, $crate::DecodeError> {
                let mut body = $crate::Reader::body($what, message, 4)?;
                // Reserved (2 bytes).
                body.skip(2)?;
                Ok(Self)
            }
        }

        impl $crate::Encode for $name {
            fn encode(&self, out: &mut $crate::Writer<'_>) {
                out.u16(4);
                out.u16(0);
            }
        }
    };
}

pub(crate) use empty_body;

#[cfg(test)]
mod tests {
    use crate::testing::{check_vector, message};
    use crate::{Decode, EchoRequest, LogoffRequest};

    #[test]
    fn an_empty_body_is_its_size_and_two_bytes() {
        check_vector("0400 0000", &EchoRequest);
    }

    #[test]
    fn reserved_bytes_may_be_anything_but_must_be_there() {
        assert_eq!(
            LogoffRequest::decode(&message("0400 ffff")),
            Ok(LogoffRequest)
        );
        assert!(LogoffRequest::decode(&message("0400 00")).is_err());
        assert!(LogoffRequest::decode(&message("0500 0000")).is_err());
    }
}
