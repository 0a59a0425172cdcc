//! The example of `docs/writing-a-share-handler.md`: the text shows what the example holds, and
//! clients can use it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use auth::client::Credentials;
use conformance::client::{CallError, Offer, TcpClient, requests};
use smbd::{RunningServer, ServerBuilder};
use wire::NtStatus;

#[path = "../../smbd/examples/key_value.rs"]
mod key_value;

const EXAMPLE: &str = include_str!("../../smbd/examples/key_value.rs");
const TUTORIAL: &str = include_str!("../../docs/writing-a-share-handler.md");

async fn start() -> RunningServer {
    let entries = [("colour", "green"), ("answer", "42")];
    let entries = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let map = key_value::MapShare::new(BTreeMap::from(entries));
    ServerBuilder::new()
        .account("alice", "Wonder-land-1")
        .share("settings", Arc::new(map))
        .start()
        .await
        .expect("a free port")
}

#[test]
fn the_tutorial_shows_the_example_as_it_is() {
    let mut blocks = TUTORIAL.split("```rust\n").skip(1).peekable();
    assert!(blocks.peek().is_some());
    for block in blocks {
        let code = block.split("```").next().unwrap_or_default();
        assert!(EXAMPLE.contains(code), "the example does not hold:\n{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_are_files_that_can_be_listed_and_read_and_not_changed() {
    let server = start().await;
    let address = server.address();
    let using = move || -> Result<(), CallError> {
        let mut client = TcpClient::negotiated(address, Offer::everything())?;
        let session = client.log_on(Credentials::password("alice", "", "Wonder-land-1"))?;
        let share = client.tree_connect(session, r"\\server\settings")?;
        let root = client.open(share, requests::open_directory(""))?;
        let entries = client.list(&root)?;
        let names: Vec<_> = entries
            .iter()
            .map(|entry| entry.file_name.to_string_lossy())
            .collect();
        assert_eq!(names, [".", "..", "answer", "colour"]);
        let file = client.open(share, requests::open("ANSWER"))?;
        assert_eq!(&*client.read(&file, 0, 100)?, b"42");
        let made = client
            .open(share, requests::open_or_create("new"))
            .map(drop);
        assert_eq!(
            made.expect_err("nothing is made").status(),
            Some(NtStatus::ACCESS_DENIED)
        );
        Ok(())
    };
    let used = tokio::task::spawn_blocking(using).await.expect("no panic");
    used.expect("no refusal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smbclient_gets_a_value() {
    let server = start().await;
    let port = server.address().port().to_string();
    let get = move || {
        Command::new("smbclient")
            .args(["//127.0.0.1/settings", "-p", &port, "-s", "/dev/null"])
            .args([
                "-U",
                "alice%Wonder-land-1",
                "-m",
                "SMB3",
                "-c",
                "ls; get answer -",
            ])
            .output()
    };
    let Ok(output) = tokio::task::spawn_blocking(get).await.expect("no panic") else {
        println!("skipped: smbclient is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("colour") && text.contains("42"), "{text}");
}
