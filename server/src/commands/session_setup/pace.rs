//! Slowing down whoever guesses passwords.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::context::Context;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LogonResult {
    Succeeded,
    Failed,
}

/// Delays the answer, right or wrong, to whoever has guessed too often.
pub(super) async fn slow_down(context: &Context, user: &str, result: LogonResult) {
    let address = context
        .connection
        .facts
        .peer
        .map_or(LOCAL, |peer| peer.ip());
    let now = context.server.environment().wall_clock();
    let delay = {
        let mut failed = context.server.failed_logons.lock();
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
        context.server.environment().sleep(delay).await;
    }
}

/// Stands for whoever comes through a local socket.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
