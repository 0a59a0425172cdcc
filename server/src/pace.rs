//! Slowing down whoever guesses passwords, wherever they are asked for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::server::Server;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogonResult {
    Succeeded,
    Failed,
}

/// Delays the answer, right or wrong, to whoever has guessed too often from `address`; none stands for a local socket.
pub(crate) async fn slow_down(
    server: &Arc<Server>,
    address: Option<IpAddr>,
    user: &str,
    result: LogonResult,
) {
    let address = address.unwrap_or(LOCAL);
    let now = server.environment().wall_clock();
    let delay = {
        let mut failed = server.failed_logons.lock();
        match result {
            LogonResult::Failed => failed.failed(user, address, now),
            LogonResult::Succeeded => {
                let delay = failed.delay(user, address, now);
                failed.succeeded(user, address);
                delay
            }
        }
    };
    if delay > Duration::ZERO {
        server.environment().sleep(delay).await;
    }
}

/// Stands for whoever comes through a local socket.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
