//! Listening for links: TCP ports, with or without NetBIOS sessions, and Unix sockets.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::{TcpListener, UnixListener};

use crate::link::{Link, LinkSettings};

/// A socket that yields links.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    settings: LinkSettings,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on a TCP address; port 0 lets the system choose.
    ///
    /// # Errors
    /// If the address is in use, not this machine's, or not permitted.
    pub async fn bind(address: SocketAddr, settings: LinkSettings) -> io::Result<Self> {
        let socket = Socket::Tcp(TcpListener::bind(address).await?);
        Ok(Self { socket, settings })
    }

    /// Takes over a TCP socket that already listens, as socket activation hands it in.
    ///
    /// # Errors
    /// If it cannot be made nonblocking.
    pub fn from_std(socket: std::net::TcpListener, settings: LinkSettings) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = Socket::Tcp(TcpListener::from_std(socket)?);
        Ok(Self { socket, settings })
    }

    /// Listens on a path, which must not exist: for tests.
    ///
    /// # Errors
    /// If the path exists or cannot be created.
    pub fn bind_unix(path: &Path, settings: LinkSettings) -> io::Result<Self> {
        let socket = Socket::Unix(UnixListener::bind(path)?);
        Ok(Self { socket, settings })
    }

    /// The TCP address listened on; None for a Unix socket.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// The next link. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// Those of the system: out of descriptors, or a peer that is gone already. Listening goes on
    /// after any of them, but the caller should pause, lest it spin without descriptors.
    pub async fn accept(&self) -> io::Result<Link> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, _) = socket.accept().await?;
                Link::over_tcp(stream, &self.settings)
            }
            Socket::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok(Link::over_unix(stream, &self.settings))
            }
        }
    }
}
