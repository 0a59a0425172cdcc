use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::header::HeaderId;
use crate::testing::{message, message_of, noise};
use crate::{FileId, ProcessId, SessionId, TreeId};

/// StructureSize of the requests, in the order of the commands.
const REQUEST_SIZES: [u16; 19] = [
    36, 25, 4, 9, 4, 57, 24, 24, 49, 49, 48, 57, 4, 4, 33, 32, 41, 33, 24,
];

fn decode(command: Command, status: NtStatus, hex: &str) -> Result<Response, DecodeError> {
    Response::decode(command.into(), status, &message(hex))
}

#[test]
fn each_command_has_the_structure_size_of_its_request_and_no_other() {
    for (command, size) in Command::ALL.into_iter().zip(REQUEST_SIZES) {
        let body = |size: u16| {
            let mut message = vec![0; 64];
            message.extend(size.to_le_bytes());
            message.resize(64 + 64, 0);
            Request::decode(command, &message.into())
        };
        let request = body(size).unwrap();
        assert_eq!(request.command(), command);
        assert!(body(size + 1).is_err(), "{command:?}");
        let message = message_of(&request);
        assert_eq!(message[64..66], size.to_le_bytes(), "{command:?}");
    }
}

// test [MS-SMB2] 3.3.4.4
#[test]
fn a_failed_request_is_answered_by_an_error() {
    let error = Ok(Response::Error(ErrorResponse::EMPTY));
    for command in Command::ALL {
        for status in [
            NtStatus::ACCESS_DENIED,
            NtStatus::PENDING,
            NtStatus::STOPPED_ON_SYMLINK,
        ] {
            assert_eq!(
                decode(command, status, "0900 0000 00000000 00"),
                error,
                "{command:?}"
            );
        }
    }
}

// test [MS-SMB2] 3.3.4.4
#[test]
fn some_statuses_that_are_not_success_carry_the_body_of_the_command() {
    let more = NtStatus::MORE_PROCESSING_REQUIRED;
    let setup = decode(Command::SessionSetup, more, "0900 0000 4800 0000");
    assert!(matches!(setup, Ok(Response::SessionSetup(_))));
    let query = decode(
        Command::QueryInfo,
        NtStatus::BUFFER_OVERFLOW,
        "0900 4800 01000000 07",
    );
    assert!(matches!(query, Ok(Response::QueryInfo(_))));
    let notify = decode(
        Command::ChangeNotify,
        NtStatus::NOTIFY_ENUM_DIR,
        "0900 4800 00000000",
    );
    assert!(matches!(notify, Ok(Response::ChangeNotify(_))));
    let zeros = "00".repeat(46);
    let copy = decode(
        Command::Ioctl,
        NtStatus::INVALID_PARAMETER,
        &format!("3100 {zeros}"),
    );
    assert!(matches!(copy, Ok(Response::Ioctl(_))));
}

#[test]
fn a_cancel_has_no_response_but_an_error() {
    assert!(decode(Command::Cancel, NtStatus::SUCCESS, "0400 0000").is_err());
    let unknown = Response::decode(CommandCode(0x14), NtStatus::SUCCESS, &message("0400 0000"));
    assert!(unknown.is_err());
}

#[test]
fn an_oplock_break_with_the_id_of_unsolicited_messages_is_a_notification() {
    let break_of = |message_id| {
        let header = Header {
            credit_charge: 0,
            status: NtStatus::SUCCESS,
            command: Command::OplockBreak.into(),
            credits: 0,
            flags: crate::HeaderFlags::SERVER_TO_REDIR,
            next_command: 0,
            message_id,
            id: HeaderId::Sync {
                process_id: ProcessId(0),
                tree_id: TreeId(0),
            },
            session_id: SessionId(0),
            signature: [0; 16],
        };
        let body = OplockBreakResponse::Oplock(crate::oplock_break::OplockBreak {
            oplock_level: crate::OplockLevel::NONE,
            file_id: FileId::NONE,
        });
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        header.encode(&mut writer);
        body.encode(&mut writer);
        Response::decode(header.command, header.status, &out.freeze())
    };
    assert!(matches!(
        break_of(MessageId(5)),
        Ok(Response::OplockBreak(_))
    ));
    let unasked = break_of(MessageId::UNSOLICITED);
    assert!(matches!(unasked, Ok(Response::OplockBreakNotification(_))));
}

proptest! {
    #[test]
    fn requests_of_noise_never_panic_and_survive_if_they_decode(
        command in prop::sample::select(&Command::ALL[..]),
        message in noise(&REQUEST_SIZES),
    ) {
        if let Ok(request) = Request::decode(command, &message) {
            let again = Request::decode(command, &message_of(&request));
            prop_assert_eq!(again, Ok(request));
        }
    }

    #[test]
    fn responses_of_noise_never_panic(
        code in 0_u16..0x16,
        status: u32,
        message in noise(&[4, 9, 12, 16, 17, 24, 36, 44, 49, 60, 65, 89]),
    ) {
        for status in [NtStatus::SUCCESS, NtStatus(status)] {
            let _ = Response::decode(CommandCode(code), status, &message);
        }
    }

    #[test]
    fn messages_of_any_length_never_panic(code in 0_u16..0x16, message: Vec<u8>) {
        let message = Bytes::from(message);
        let _ = Header::decode(&message);
        let _ = Response::decode(CommandCode(code), NtStatus::SUCCESS, &message);
        if let Some(command) = CommandCode(code).command() {
            let _ = Request::decode(command, &message);
        }
    }
}
