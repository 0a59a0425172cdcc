//! Named pipes over a connection: messages in and out, looking without taking, waiting, and many at once.

mod many;
mod messages;

use std::net::SocketAddr;

use auth::client::Credentials;
use bytes::{Bytes, BytesMut};
use conformance::client::{
    CallError, Offer, OpenFile, Protection, Reply, Scope, TcpClient, requests,
};
use smbd::{RunningServer, ServerBuilder};
use wire::{IoctlRequest, NtStatus, Writer, fscc::Fsctl, ioctl::IoctlFlags};

const PASSWORD: &str = "Wonder-land-1";

async fn start() -> RunningServer {
    let builder = ServerBuilder::new().account("alice", PASSWORD);
    builder.start().await.expect("a free port")
}

/// Runs a client, which blocks, against a server of its own.
fn with_client(test: impl FnOnce(&mut TcpClient, Scope) -> Result<(), CallError> + Send + 'static) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.expect("threads").block_on(async {
        let server = start().await;
        let address = server.address();
        let run = move || {
            let (mut client, pipes) = log_on(address)?;
            test(&mut client, pipes)
        };
        let done = tokio::task::spawn_blocking(run).await;
        done.expect("no panic").expect("no refusal");
        server.stop().await;
    });
}

/// A client that is connected to `IPC$`.
fn log_on(address: SocketAddr) -> Result<(TcpClient, Scope), CallError> {
    let mut client = TcpClient::negotiated(address, Offer::everything())?;
    let session = client.log_on(Credentials::password("alice", "", PASSWORD))?;
    let pipes = client.tree_connect(session, r"\\server\IPC$")?;
    Ok((client, pipes))
}

fn open(client: &mut TcpClient, pipes: Scope, name: &str) -> Result<OpenFile, CallError> {
    client.open(pipes, requests::open_or_create(name))
}

/// A control code with 64 KiB of room for its answer.
fn control(file: &OpenFile, code: Fsctl, input: Bytes, room: u32) -> IoctlRequest {
    IoctlRequest {
        ctl_code: code,
        file_id: file.id,
        input,
        max_input_response: 0,
        max_output_response: room,
        flags: IoctlFlags::IS_FSCTL,
    }
}

/// A bind to the server service: the answer takes 68 bytes.
fn bind() -> Bytes {
    const SRVSVC: [u8; 16] = *b"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88";
    const NDR: [u8; 16] = *b"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60";
    let head = [5, 0, 11, 3, 16, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0];
    let contexts = [0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    let parts: [&[u8]; 6] = [
        &head,
        &contexts,
        &SRVSVC,
        &[3, 0, 0, 0],
        &NDR,
        &[2, 0, 0, 0],
    ];
    parts.concat().into()
}

/// The answer to [`bind`] in bytes.
const BIND_ACK: usize = 68;
