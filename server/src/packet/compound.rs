//! Splitting a frame into the messages compounded in it.

use bytes::BytesMut;
use wire::Header;

use crate::disconnect::DisconnectReason;

/// Cuts the first message off `frame` and returns it with its header; `frame` keeps the rest.
///
/// # Errors
/// `TooShort` and `MalformedCompound`.
pub(crate) fn split(frame: &mut BytesMut) -> Result<(Header, BytesMut), DisconnectReason> {
    if frame.len() < Header::SIZE {
        return Err(DisconnectReason::TooShort);
    }
    // [MS-SMB2] 3.3.5.2.6
    let header = Header::decode(frame).map_err(|_| DisconnectReason::UnknownProtocol)?;
    if header.next_command == 0 {
        return Ok((header, std::mem::take(frame)));
    }
    // [MS-SMB2] 3.3.5.2.7
    let next = usize::try_from(header.next_command).unwrap_or(usize::MAX);
    let leaves_frame = next > frame.len().saturating_sub(Header::SIZE);
    if next < Header::SIZE || !next.is_multiple_of(8) || leaves_frame {
        return Err(DisconnectReason::MalformedCompound);
    }
    let message = frame.split_to(next);
    Ok((header, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{
        Command, HeaderFlags, HeaderId, MessageId, NtStatus, ProcessId, SessionId, TreeId, Writer,
    };

    fn message(next_command: u32, length: usize) -> BytesMut {
        let mut out = BytesMut::new();
        let header = Header {
            credit_charge: 1,
            status: NtStatus::SUCCESS,
            command: Command::Echo.into(),
            credits: 1,
            flags: HeaderFlags::NONE,
            next_command,
            message_id: MessageId(7),
            id: HeaderId::Sync {
                process_id: ProcessId(0),
                tree_id: TreeId(0),
            },
            session_id: SessionId(0),
            signature: [0; 16],
        };
        header.encode(&mut Writer::new(&mut out));
        out.resize(length, 0);
        out
    }

    #[test]
    fn a_single_message_takes_the_whole_frame() {
        let mut frame = message(0, 71);
        let (_, first) = split(&mut frame).unwrap();
        assert_eq!((first.len(), frame.len()), (71, 0));
    }

    #[test]
    fn a_chain_is_cut_at_next_command() {
        let mut frame = message(72, 72);
        frame.extend_from_slice(&message(0, 68));
        let (_, first) = split(&mut frame).unwrap();
        let (_, second) = split(&mut frame).unwrap();
        assert_eq!((first.len(), second.len(), frame.len()), (72, 68, 0));
    }

    #[test]
    fn a_chain_that_leaves_the_frame_or_the_alignment_is_refused() {
        for (next, length) in [(8, 200), (70, 200), (136, 199), (0xffff_fff8, 200)] {
            let mut frame = message(next, length);
            assert_eq!(
                split(&mut frame).unwrap_err(),
                DisconnectReason::MalformedCompound
            );
        }
        assert_eq!(
            split(&mut message(0, 63)).unwrap_err(),
            DisconnectReason::TooShort
        );
    }
}
