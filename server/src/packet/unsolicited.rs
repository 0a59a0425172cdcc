//! Messages that no request asked for.

use wire::{
    CommandCode, Encode, Header, HeaderFlags, HeaderId, MessageId, NtStatus, ProcessId, SessionId,
    TreeId,
};

use super::{BufferPool, Frame, ReplyBuffer};
use crate::session::Session;

/// A message that no request asked for: not signed, and encrypted where the session is. `names` is the
/// SessionId of the header, which not all of them have. None when it cannot be encrypted.
// [MS-SMB2] 3.3.4.6
// MessageId -1, TreeId 0
pub(crate) fn unsolicited(
    pool: &BufferPool,
    session: &Session,
    command: CommandCode,
    names: SessionId,
    body: &impl Encode,
) -> Option<Frame> {
    let header = Header {
        credit_charge: 0,
        status: NtStatus::SUCCESS,
        command,
        credits: 0,
        flags: HeaderFlags::SERVER_TO_REDIR,
        next_command: 0,
        message_id: MessageId::UNSOLICITED,
        id: HeaderId::Sync {
            process_id: ProcessId(0),
            tree_id: TreeId(0),
        },
        session_id: names,
        signature: [0; 16],
    };
    let mut buffer = ReplyBuffer::new(pool.clone());
    buffer.append(&header, body, None);
    buffer.finish(session.encrypt_data.then_some(session))
}
