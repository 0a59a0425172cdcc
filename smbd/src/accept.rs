//! Takes connections in, as far as the limits let them, and gives each a task.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use server::Server;
use tokio::sync::{mpsc, watch};
use transport::{Framing, Link, LinkSettings};

use crate::{
    driver::{Stop, drive},
    gate::{Gate, Pass, Refused},
    listen::{Accepted, Listener},
};

/// What every accepting task shares.
#[derive(Clone)]
pub(crate) struct Acceptors {
    pub(crate) server: Arc<Server>,
    pub(crate) gate: Gate,
    pub(crate) stopping: watch::Receiver<Stop>,
    /// Held by each connection; when all are dropped, no connection is left.
    pub(crate) alive: mpsc::Sender<()>,
}

impl Acceptors {
    /// Accepts connections for ever.
    pub(crate) async fn accept(self, listener: Listener, settings: LinkSettings) {
        loop {
            let accepted = listener.accept().await;
            let peer = accepted.peer();
            let passed = self
                .gate
                .pass(peer.map(|peer| peer.ip()), &self.server.limits());
            match passed {
                Ok(pass) => self.serve(accepted, pass, &settings),
                Err(refused) => log_refusal(peer, refused),
            }
        }
    }

    /// Serves one connection in a task of its own.
    fn serve(&self, accepted: Accepted, pass: Pass, settings: &LinkSettings) {
        let link = match accepted {
            Accepted::Direct(stream, _) => Link::over_tcp(
                stream,
                &LinkSettings {
                    framing: Framing::DirectTcp,
                    ..settings.clone()
                },
            ),
            Accepted::NetBios(stream, _) => Link::over_tcp(
                stream,
                &LinkSettings {
                    framing: Framing::Detect,
                    ..settings.clone()
                },
            ),
            Accepted::Unix(stream) => Ok(Link::over_unix(stream, settings)),
        };
        // A client that is gone already needs nothing.
        let Ok(link) = link else { return };
        let (server, stopping, alive) = (
            self.server.clone(),
            self.stopping.clone(),
            self.alive.clone(),
        );
        tokio::spawn(async move {
            drive(server, link, stopping).await;
            drop((pass, alive));
        });
    }
}

impl Accepted {
    fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Direct(_, peer) | Self::NetBios(_, peer) => Some(*peer),
            Self::Unix(_) => None,
        }
    }
}

fn log_refusal(peer: Option<SocketAddr>, refused: Refused) {
    let address = peer.map(|peer: SocketAddr| -> IpAddr { peer.ip() });
    let limit = match refused {
        Refused::All => "limits.connections",
        Refused::Address => "limits.connections_per_address",
    };
    tracing::warn!(target: "smb::connection", ?address, limit, "a connection was refused");
}
