//! A server inside this process, as `smbd::ServerBuilder` makes it, with clients that connect.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use auth::client::Credentials;
use bytes::Bytes;
use conformance::client::{CallError, Offer, TcpClient, requests};
use share_handlers::memory::{MemoryHandler, MemoryOptions};
use share_handlers::wrappers::read_only::ReadOnly;
use smbd::{RunningServer, ServerBuilder, wall_clock};
use wire::NtStatus;

fn memory(label: &str) -> Arc<MemoryHandler> {
    let handler = MemoryHandler::new(MemoryOptions::new(label), Arc::new(wall_clock));
    Arc::new(handler.expect("room for the root"))
}

async fn start() -> RunningServer {
    ServerBuilder::new()
        .account("alice", "Wonder-land-1")
        .share("scratch", memory("scratch"))
        .share("manual", ReadOnly::over(memory("manual")))
        .start()
        .await
        .expect("a free port")
}

/// Writes a file on the first share and reads it back; fails to on the second.
fn use_both_shares(address: SocketAddr) -> Result<Bytes, CallError> {
    let mut client = TcpClient::negotiated(address, Offer::everything())?;
    let session = client.log_on(Credentials::password("alice", "", "Wonder-land-1"))?;
    let scratch = client.tree_connect(session, r"\\server\scratch")?;
    let file = client.open(scratch, requests::open_or_create("file"))?;
    client.write(&file, 0, Bytes::from_static(b"hello"))?;
    let read = client.read(&file, 0, 100)?;
    client.close(&file)?;
    let manual = client.tree_connect(session, r"\\server\manual")?;
    let refused = client
        .open(manual, requests::open_or_create("file"))
        .map(drop);
    let status = refused.expect_err("it is read-only").status();
    assert_eq!(status, Some(NtStatus::ACCESS_DENIED));
    Ok(read)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_use_the_shares_of_a_server_in_the_same_process() {
    let server = start().await;
    let address = server.address();
    let used = tokio::task::spawn_blocking(move || use_both_shares(address)).await;
    assert_eq!(&*used.expect("no panic").expect("no refusal"), b"hello");
    server.stop().await;
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_account_does_not_get_in() {
    let server = start().await;
    let address = server.address();
    let log_on = move || {
        let mut client = TcpClient::negotiated(address, Offer::everything())?;
        client.log_on(Credentials::password("alice", "", "wrong"))
    };
    let refused = tokio::task::spawn_blocking(log_on).await.expect("no panic");
    let status = refused.expect_err("a wrong password").status();
    assert_eq!(status, Some(NtStatus::LOGON_FAILURE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smbclient_lists_the_shares() {
    let server = start().await;
    let port = server.address().port().to_string();
    let list = move || {
        Command::new("smbclient")
            .args(["-L", "//127.0.0.1", "-p", &port, "-s", "/dev/null"])
            .args(["-U", "alice%Wonder-land-1", "-m", "SMB3"])
            .output()
    };
    let Ok(output) = tokio::task::spawn_blocking(list).await.expect("no panic") else {
        println!("skipped: smbclient is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("scratch") && text.contains("manual"),
        "{text}"
    );
}
