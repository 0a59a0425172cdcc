//! Messages in and out of one pipe.

use wire::fscc::file_info::{
    PipeInformation, PipeLocalInformation, PipeRemoteInformation, PipeState, PipeType,
};
use wire::fscc::fsctl_data::{PipePeekResponse, PipeWaitRequest};
use wire::fscc::{FileInfoClass, FileInformation, SetFileInformation};
use wire::{FileId, IoctlResponse, QueryInfoResponse, ReadResponse};

use super::*;

fn data(reply: &Reply) -> Result<Bytes, CallError> {
    Ok(reply.body::<ReadResponse>()?.data)
}

fn output(reply: &Reply) -> Result<Bytes, CallError> {
    Ok(reply.body::<IoctlResponse>()?.output)
}

// test [MS-SMB2] 3.3.5.12
#[test]
fn a_message_that_is_longer_than_a_read_is_read_in_parts() {
    with_client(|client, pipes| {
        let pipe = open(client, pipes, "srvsvc")?;
        assert_eq!(client.write(&pipe, 0, bind())?, 72);
        let first = client.call(pipes, requests::read(pipe.id, 0, 60))?;
        assert_eq!(first.status(), NtStatus::BUFFER_OVERFLOW);
        assert_eq!(data(&first)?.len(), 60);
        let rest = client.call(pipes, requests::read(pipe.id, 0, 60))?;
        assert_eq!(rest.status(), NtStatus::SUCCESS);
        assert_eq!(data(&rest)?.len(), BIND_ACK - 60);
        Ok(())
    });
}

// test [MS-SMB2] 3.3.5.15.10
#[test]
fn a_transaction_writes_and_reads_one_message() {
    with_client(|client, pipes| {
        let pipe = open(client, pipes, "srvsvc")?;
        let request = control(&pipe, Fsctl::PIPE_TRANSCEIVE, bind(), 60);
        let part = client.call(pipes, request)?;
        assert_eq!(part.status(), NtStatus::BUFFER_OVERFLOW);
        assert_eq!(output(&part)?.len(), 60);
        let request = control(&pipe, Fsctl::PIPE_TRANSCEIVE, bind(), 60);
        let refused = client.call(pipes, request)?;
        assert_eq!(
            refused.status(),
            NtStatus::PIPE_BUSY,
            "the rest comes first"
        );
        assert_eq!(client.read(&pipe, 0, 60)?.len(), BIND_ACK - 60);
        Ok(())
    });
}

// test [MS-FSCC] 2.3.46
#[test]
fn peeking_tells_what_there_is_and_takes_nothing() {
    with_client(|client, pipes| {
        let pipe = open(client, pipes, "srvsvc")?;
        let peek = |room| control(&pipe, Fsctl::PIPE_PEEK, Bytes::new(), room);
        let nothing = client.call(pipes, peek(1024))?;
        let nothing = PipePeekResponse::decode(&output(&nothing)?)?;
        assert_eq!(
            (nothing.read_data_available, nothing.number_of_messages),
            (0, 0)
        );
        client.write(&pipe, 0, bind())?;
        for _ in 0..2 {
            let peeked = client.call(pipes, peek(24))?;
            assert_eq!(peeked.status(), NtStatus::BUFFER_OVERFLOW);
            let peeked = PipePeekResponse::decode(&output(&peeked)?)?;
            assert_eq!(peeked.named_pipe_state, PipeState::CONNECTED);
            assert_eq!((peeked.number_of_messages, peeked.message_length), (1, 68));
            assert_eq!(peeked.data.len(), 8);
        }
        assert_eq!(client.read(&pipe, 0, 1024)?.len(), BIND_ACK);
        Ok(())
    });
}

// test [MS-FSCC] 2.3.49
#[test]
fn pipes_that_exist_are_there_at_once_and_others_never() {
    with_client(|client, pipes| {
        for (name, expected) in [
            ("srvsvc", NtStatus::SUCCESS),
            ("LSARPC", NtStatus::SUCCESS),
            ("none", NtStatus::OBJECT_NAME_NOT_FOUND),
            ("", NtStatus::OBJECT_NAME_NOT_FOUND),
        ] {
            let mut input = BytesMut::new();
            let wait = PipeWaitRequest {
                timeout: Some(-1),
                name: name.into(),
            };
            wait.encode(&mut Writer::new(&mut input));
            let request = IoctlRequest {
                ctl_code: Fsctl::PIPE_WAIT,
                file_id: FileId::NONE,
                input: input.freeze(),
                max_input_response: 0,
                max_output_response: 0,
                flags: IoctlFlags::IS_FSCTL,
            };
            assert_eq!(client.call(pipes, request)?.status(), expected, "{name}");
        }
        Ok(())
    });
}

// test [MS-SMB2] 3.3.5.2.11
#[test]
fn a_pipe_that_was_opened_encrypted_takes_and_tells_nothing_in_clear() {
    with_client(|client, pipes| {
        let set = |client: &mut TcpClient, protection| {
            let session = client.connection.session_mut(pipes.session);
            session.expect("a session").protection = protection;
        };
        set(client, Protection::Sealed);
        let pipe = open(client, pipes, "srvsvc")?;
        set(client, Protection::Signed);
        let transact = control(&pipe, Fsctl::PIPE_TRANSCEIVE, bind(), 100);
        let refused = client.call(pipes, transact.clone())?;
        assert_eq!(refused.status(), NtStatus::ACCESS_DENIED);
        let read = client.call(pipes, requests::read(pipe.id, 0, 100))?;
        assert_eq!(read.status(), NtStatus::ACCESS_DENIED);
        set(client, Protection::Sealed);
        let answer = client.call(pipes, transact)?;
        assert_eq!(output(&answer)?.len(), BIND_ACK, "nothing came before it");
        Ok(())
    });
}

// test [MS-SMB2] 3.3.5.16
#[test]
fn a_read_that_waits_is_cancelled_and_takes_no_message_with_it() {
    with_client(|client, pipes| {
        let pipe = open(client, pipes, "srvsvc")?;
        let waiting = client.post(pipes, requests::read(pipe.id, 0, 1024))?;
        assert!(client.receive()?.is_interim());
        let cancel = client.connection.cancel(waiting, pipes);
        client.send(std::slice::from_ref(&cancel))?;
        let cancelled = client.receive_final(waiting)?;
        assert_eq!(cancelled.status(), NtStatus::CANCELLED);
        client.write(&pipe, 0, bind())?;
        assert_eq!(client.read(&pipe, 0, 1024)?.len(), BIND_ACK);
        Ok(())
    });
}

#[test]
fn reads_that_wait_end_with_a_message_or_with_the_pipe() {
    with_client(|client, pipes| {
        let pipe = open(client, pipes, "srvsvc")?;
        let waiting = client.post(pipes, requests::read(pipe.id, 0, 1024))?;
        assert!(client.receive()?.is_interim());
        client.write(&pipe, 0, bind())?;
        let read = client.receive_final(waiting)?;
        assert_eq!(
            (read.status(), data(&read)?.len()),
            (NtStatus::SUCCESS, BIND_ACK)
        );
        let waiting = client.post(pipes, requests::read(pipe.id, 0, 1024))?;
        assert!(client.receive()?.is_interim());
        client.close(&pipe)?;
        let status = client.receive_final(waiting)?.status();
        assert!(status.is_error(), "{status}");
        Ok(())
    });
}

#[test]
fn opens_of_one_pipe_do_not_read_each_others_messages() {
    with_client(|client, pipes| {
        let (one, other) = (
            open(client, pipes, "srvsvc")?,
            open(client, pipes, "srvsvc")?,
        );
        client.write(&one, 0, bind())?;
        let waiting = client.post(pipes, requests::read(other.id, 0, 1024))?;
        assert!(client.receive()?.is_interim());
        assert_eq!(client.read(&one, 0, 1024)?.len(), BIND_ACK);
        client.write(&other, 0, bind())?;
        assert_eq!(data(&client.receive_final(waiting)?)?.len(), BIND_ACK);
        Ok(())
    });
}

fn ask(
    client: &mut TcpClient,
    pipe: &OpenFile,
    class: FileInfoClass,
) -> Result<FileInformation, CallError> {
    let request = requests::query_file(pipe.id, class);
    let told: QueryInfoResponse = client.ask(pipe.scope, request)?;
    let decoded = FileInformation::decode(class, &told.output);
    Ok(decoded.expect("a class of pipes")?)
}

// test [MS-FSCC] 2.4.37
// test [MS-FSCC] 2.4.38
// test [MS-FSCC] 2.4.39
#[test]
fn the_classes_of_pipes_are_told_and_the_mode_is_set() {
    with_client(|client, pipes| {
        let pipe = open(client, pipes, "srvsvc")?;
        let mode = |read_mode, completion_mode| PipeInformation {
            read_mode,
            completion_mode,
        };
        let asked = ask(client, &pipe, FileInfoClass::PIPE)?;
        assert_eq!(asked, FileInformation::Pipe(mode(PipeType::MESSAGE, 0)));
        client.write(&pipe, 0, bind())?;
        let local = ask(client, &pipe, FileInfoClass::PIPE_LOCAL)?;
        let FileInformation::PipeLocal(PipeLocalInformation {
            named_pipe_type,
            named_pipe_state,
            read_data_available,
            ..
        }) = local
        else {
            panic!("{local:?}");
        };
        assert_eq!(named_pipe_type, PipeType::MESSAGE);
        assert_eq!(named_pipe_state, PipeState::CONNECTED);
        assert_eq!(read_data_available, 68);
        let remote = ask(client, &pipe, FileInfoClass::PIPE_REMOTE)?;
        let expected = PipeRemoteInformation::default();
        assert_eq!(remote, FileInformation::PipeRemote(expected));
        let at_once = mode(PipeType::BYTE_STREAM, 1);
        client.set(&pipe, &SetFileInformation::Pipe(at_once))?;
        assert_eq!(
            client.read(&pipe, 0, 30)?.len(),
            30,
            "bytes have no messages"
        );
        assert_eq!(client.read(&pipe, 0, 60)?.len(), BIND_ACK - 30);
        let empty = client.read(&pipe, 0, 60).expect_err("nothing is left");
        assert_eq!(empty.status(), Some(NtStatus::PIPE_EMPTY));
        let wrong = SetFileInformation::Pipe(mode(PipeType(7), 0));
        let refused = client.set(&pipe, &wrong).expect_err("no such mode");
        assert_eq!(refused.status(), Some(NtStatus::INVALID_PARAMETER));
        Ok(())
    });
}
