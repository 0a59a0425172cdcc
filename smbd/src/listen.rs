//! The sockets that clients connect to: opened here, or handed in by a service manager.

use std::{fs, io, net::SocketAddr, os::unix::fs::FileTypeExt, path::Path, time::Duration};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::failure::Failure;

/// A socket that clients connect to, and what is spoken there.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Direct TCP.
    Direct(TcpListener),
    /// The NetBIOS session service.
    NetBios(TcpListener),
    /// Direct TCP's framing over a Unix socket.
    Unix(UnixListener),
}

/// A connection that has just been accepted.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// Direct TCP.
    Direct(TcpStream, SocketAddr),
    /// The NetBIOS session service.
    NetBios(TcpStream, SocketAddr),
    /// Direct TCP's framing over a Unix socket.
    Unix(UnixStream),
}

/// The sockets handed in by a service manager if there are any, else those that the configuration
/// names.
///
/// # Errors
///
/// An address cannot be listened on, or there is none.
pub(crate) fn open(server: &config::Server) -> Result<Vec<Listener>, Failure> {
    let mut listeners = inherited(server)?;
    if !listeners.is_empty() {
        return Ok(listeners);
    }
    for address in &server.listen {
        listeners.push(Listener::Direct(bind(*address)?));
    }
    for address in &server.netbios_listen {
        listeners.push(Listener::NetBios(bind(*address)?));
    }
    if let Some(path) = &server.unix_listen {
        listeners.push(Listener::Unix(bind_unix(path)?));
    }
    if listeners.is_empty() {
        return Err(Failure::new(
            "there is no address to listen on; give server.listen one",
        ));
    }
    Ok(listeners)
}

impl Listener {
    /// Waits for the next connection. What a client can cause is passed over; what the system is
    /// short of is waited out.
    pub(crate) async fn accept(&self) -> Accepted {
        loop {
            let accepted = match self {
                Self::Direct(tcp) => tcp
                    .accept()
                    .await
                    .map(|(tcp, peer)| Accepted::Direct(tcp, peer)),
                Self::NetBios(tcp) => tcp
                    .accept()
                    .await
                    .map(|(tcp, peer)| Accepted::NetBios(tcp, peer)),
                Self::Unix(unix) => unix.accept().await.map(|(unix, _)| Accepted::Unix(unix)),
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Where clients reach it, for people.
    pub(crate) fn describe(&self) -> String {
        let address = |tcp: &TcpListener| {
            tcp.local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string())
        };
        match self {
            Self::Direct(tcp) => address(tcp),
            Self::NetBios(tcp) => format!("{} (NetBIOS)", address(tcp)),
            Self::Unix(unix) => unix.local_addr().map_or_else(
                |error| error.to_string(),
                |address| {
                    address
                        .as_pathname()
                        .unwrap_or(Path::new(""))
                        .display()
                        .to_string()
                },
            ),
        }
    }

    /// The address of a socket for direct TCP.
    pub(crate) fn direct_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Direct(tcp) => tcp.local_addr().ok(),
            _ => None,
        }
    }
}

/// The sockets that a service manager handed in. A TCP socket on a port of `netbios_listen`, or on
/// port 139, speaks NetBIOS.
fn inherited(server: &config::Server) -> Result<Vec<Listener>, Failure> {
    let failed = |error: io::Error| Failure::to("use a socket of the service manager", error);
    let mut handed_in = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed_in.len() {
        if let Ok(Some(unix)) = handed_in.take_unix_listener(index) {
            unix.set_nonblocking(true).map_err(failed)?;
            listeners.push(Listener::Unix(
                UnixListener::from_std(unix).map_err(failed)?,
            ));
        } else if let Some(tcp) = handed_in.take_tcp_listener(index).map_err(failed)? {
            tcp.set_nonblocking(true).map_err(failed)?;
            let port = tcp.local_addr().map_err(failed)?.port();
            let is_netbios = port == NETBIOS_PORT
                || server
                    .netbios_listen
                    .iter()
                    .any(|address| address.port() == port);
            let tcp = TcpListener::from_std(tcp).map_err(failed)?;
            listeners.push(if is_netbios {
                Listener::NetBios(tcp)
            } else {
                Listener::Direct(tcp)
            });
        }
    }
    Ok(listeners)
}

/// Listens on one address. An IPv6 address takes IPv6 only, so that `0.0.0.0` and `[::]` can stand
/// side by side.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listen = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if address.is_ipv6() {
            rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
        }
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied if address.port() < 1024 => {
                " (a port below 1024 needs root or CAP_NET_BIND_SERVICE)"
            }
            io::ErrorKind::AddrInUse => " (is another SMB server running?)",
            _ => "",
        };
        Failure::to(
            format_args!("listen on {address}"),
            format_args!("{error}{advice}"),
        )
    })
}

/// Listens on a Unix socket; one that a former server left behind is replaced, any other file is
/// not.
fn bind_unix(path: &Path) -> Result<UnixListener, Failure> {
    let is_socket = |facts: fs::Metadata| facts.file_type().is_socket();
    if fs::symlink_metadata(path).is_ok_and(is_socket)
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        fs::remove_file(path).map_err(Failure::with("remove", path))?;
    }
    UnixListener::bind(path).map_err(Failure::with("listen on", path))
}

/// How many connections the system keeps for us until they are accepted.
const BACKLOG: u32 = 1024;
/// How long to wait when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// The port of the NetBIOS session service.
const NETBIOS_PORT: u16 = 139;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_families_listen_side_by_side_on_one_port() {
        let four = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = four.local_addr().unwrap().port();
        let Ok(six) = bind(format!("[::]:{port}").parse().unwrap()) else {
            println!("skipped: this machine has no IPv6");
            return;
        };
        assert_eq!(six.local_addr().unwrap().port(), port);
        let sentence = bind(four.local_addr().unwrap()).unwrap_err().to_string();
        assert!(
            sentence.ends_with("(is another SMB server running?)"),
            "{sentence}"
        );
    }

    #[tokio::test]
    async fn a_left_over_unix_socket_is_replaced_but_no_other_file_and_no_living_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = bind_unix(&path).unwrap();
        assert!(bind_unix(&path).is_err());
        drop(first);
        bind_unix(&path).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(bind_unix(&file).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
}
