//! Many pipes, open and idle.

use conformance::fuzz::run::resident_bytes;

use super::*;

/// How many pipes are held open, and by how many sessions.
const PIPES: usize = 10_000;
const SESSIONS: usize = 10;
/// What they may take, this process's own clients included.
const MOST: u64 = 100 << 20;

#[test]
fn ten_thousand_idle_pipes_fit_in_100_mib() {
    with_client(|client, pipes| {
        let mut crowd = vec![open(client, pipes, "lsarpc")?];
        let address = client.stream().peer_addr()?;
        let before = resident_bytes();
        let mut clients = Vec::new();
        for _ in 0..SESSIONS {
            let (mut client, pipes) = log_on(address)?;
            for _ in 0..PIPES / SESSIONS {
                let pipe = open(&mut client, pipes, "srvsvc")?;
                client.write(&pipe, 0, bind())?;
                client.read(&pipe, 0, 1024)?;
                crowd.push(pipe);
            }
            clients.push(client);
        }
        let taken = resident_bytes().saturating_sub(before);
        assert_eq!(crowd.len(), PIPES + 1);
        println!("{PIPES} bound pipes: {} KiB", taken >> 10);
        assert!(taken < MOST, "{taken} bytes");
        // They are still there.
        let last = crowd.last().expect("not empty");
        let client = clients.last_mut().expect("not empty");
        let peek = control(last, Fsctl::PIPE_PEEK, Bytes::new(), 64);
        assert_eq!(client.call(last.scope, peek)?.status(), NtStatus::SUCCESS);
        Ok(())
    });
}
