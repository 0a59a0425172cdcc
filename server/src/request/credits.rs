//! Credits: what a request costs, what a client is granted, and how large messages may be.

use wire::{Command, Header, NtStatus, Request};

use super::sequence::SequenceWindow;
use crate::context::Context;
use crate::disconnect::DisconnectReason;

/// The largest message of a command that has no payload to speak of, in bytes.
const SMALL_MESSAGE: usize = 68 * 1024;

/// What one credit pays for, in bytes.
const CREDIT_PAYLOAD: u32 = 65_536;

/// Refuses a message that is larger than its command and the dialect allow.
// [MS-SMB2] 3.3.5.2
pub(crate) fn check_size(
    command: Option<Command>,
    length: usize,
    multi_credit: bool,
) -> Result<(), DisconnectReason> {
    let may_be_large = multi_credit
        && matches!(
            command,
            Some(
                Command::Read
                    | Command::Write
                    | Command::Ioctl
                    | Command::QueryDirectory
                    | Command::ChangeNotify
                    | Command::QueryInfo
                    | Command::SetInfo
            )
        );
    if length > SMALL_MESSAGE && !may_be_large {
        return Err(DisconnectReason::TooLong);
    }
    Ok(())
}

/// Opens the window by what the client asks for, but never leaves it without any credit.
// [MS-SMB2] 3.3.1.2
pub(crate) fn credits_to_grant(window: &mut SequenceWindow, header: &Header) -> u16 {
    let wanted = if window.available() == 0 {
        header.credits.max(1)
    } else {
        header.credits
    };
    window.grant(wanted)
}

/// Refuses a request whose payload, or whose largest reply, costs more than it paid.
// [MS-SMB2] 3.3.5.2.5
pub(crate) fn check_charge(context: &Context, request: &Request) -> Result<(), NtStatus> {
    let multi_credit = context
        .connection
        .negotiated()
        .is_some_and(|n| n.supports_multi_credit);
    if !multi_credit {
        return Ok(());
    }
    let payload = payload(request);
    let charge = u32::from(context.header.credit_charge.max(1));
    // [MS-SMB2] 3.1.5.2
    let needed = payload
        .saturating_sub(1)
        .checked_div(CREDIT_PAYLOAD)
        .unwrap_or_default();
    if needed.saturating_add(1) > charge {
        Err(NtStatus::INVALID_PARAMETER)
    } else {
        Ok(())
    }
}

/// The larger of what a request sends and the most it asks to get, in bytes.
fn payload(request: &Request) -> u32 {
    let length = |bytes: &bytes::Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    match request {
        Request::Read(read) => read.length,
        Request::Write(write) => length(&write.data),
        Request::Ioctl(ioctl) => {
            let input = length(&ioctl.input);
            input
                .max(ioctl.max_output_response)
                .max(ioctl.max_input_response)
        }
        Request::QueryDirectory(query) => query.output_buffer_length,
        Request::ChangeNotify(notify) => notify.output_buffer_length,
        Request::QueryInfo(query) => query.output_buffer_length.max(length(&query.input)),
        Request::SetInfo(set) => length(&set.buffer),
        _ => 0,
    }
}
