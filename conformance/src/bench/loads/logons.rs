//! Logging on: from the connection to the share, and away again.

use std::time::Instant;

use crate::bench::measure::{Latencies, Meter};
use crate::bench::variant::{SHARE_PATH, Variant};
use crate::bench::{Bed, Outcome};
use crate::client::{
    CallError, ClientConnection, Logon, LogonStep, Outgoing, Scope, TcpClient, requests,
};

/// Logs on in groups, all of a group abreast, as long as the time allows.
pub fn run(bed: &Bed<'_>, variant: Variant) -> Outcome {
    let mut latencies = Latencies::with_room();
    let meter = Meter::start(bed.server);
    while meter.elapsed() < bed.scale.time {
        group(bed, variant, &mut latencies)?;
    }
    let done = latencies.count() as f64;
    Ok(meter.finish(done, latencies))
}

/// One client on its way in.
struct Entrant {
    client: TcpClient,
    logon: Logon,
    /// What it sent last.
    sent: Outgoing,
    begun: Instant,
}

fn group(bed: &Bed<'_>, variant: Variant, latencies: &mut Latencies) -> Result<(), CallError> {
    let mut entrants = Vec::with_capacity(ABREAST);
    for _ in 0..ABREAST {
        entrants.push(Entrant::connect(bed, variant)?);
    }
    for entrant in &mut entrants {
        let reply = entrant.client.receive_final(entrant.sent.message_id())?;
        succeeded(&reply)?;
        entrant.sent = entrant.logon.start(&mut entrant.client.connection);
        entrant.send()?;
    }
    for _ in 0..2 {
        for entrant in &mut entrants {
            let reply = entrant.client.receive_final(entrant.sent.message_id())?;
            entrant.sent = match entrant.logon.step(&mut entrant.client.connection, &reply) {
                LogonStep::Send(next) => next,
                LogonStep::Done(session) => {
                    variant.protect(&mut entrant.client, session);
                    let tree_connect = requests::tree_connect(SHARE_PATH).into();
                    let scope = Scope::session(session);
                    entrant.client.connection.prepare(scope, tree_connect)
                }
                LogonStep::Refused(status) => return Err(CallError::Status(status)),
                LogonStep::GaveUp(error) => {
                    return Err(CallError::Io(std::io::Error::other(error)));
                }
            };
            entrant.send()?;
        }
    }
    for entrant in &mut entrants {
        let reply = entrant.client.receive_final(entrant.sent.message_id())?;
        succeeded(&reply)?;
        latencies.push(entrant.begun.elapsed());
    }
    Ok(())
}

impl Entrant {
    fn connect(bed: &Bed<'_>, variant: Variant) -> Result<Self, CallError> {
        let begun = Instant::now();
        let connection = ClientConnection::new(variant.offer());
        let mut client = TcpClient::connect(bed.server.address(), connection)?;
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(std::io::Error::other)?;
        let now = crate::client::now();
        let mut entrant = Self {
            sent: client.connection.negotiate(),
            logon: Logon::ntlm(bed.server.credentials(), entropy, now),
            client,
            begun,
        };
        entrant.send()?;
        Ok(entrant)
    }

    fn send(&mut self) -> std::io::Result<()> {
        self.client.send(std::slice::from_ref(&self.sent))
    }
}

fn succeeded(reply: &crate::client::Reply) -> Result<(), CallError> {
    match reply.status() {
        wire::NtStatus::SUCCESS => Ok(()),
        status => Err(CallError::Status(status)),
    }
}

const ABREAST: usize = 8;
