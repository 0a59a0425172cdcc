//! What the program tells whoever starts it: where it listens, as whom it serves, and what to type
//! on a client.

use std::{fmt::Write, net::SocketAddr};

use config::Configuration;

/// The text for people that is printed at start.
///
/// `demo` is the name and password of the demo account, where there is one.
pub(crate) fn text(
    configuration: &Configuration,
    address: Option<SocketAddr>,
    host: &str,
    demo: Option<(&str, &str)>,
) -> String {
    let mut text = String::new();
    for share in &configuration.shares {
        let access = if share.read_only {
            "read only"
        } else {
            "read and write"
        };
        let guests = if share.guest { ", guests too" } else { "" };
        let _ = writeln!(
            text,
            "share {:<16} {access}{guests}  {}",
            share.name, share.comment
        );
    }
    let Some(address) = address else { return text };
    let Some(share) = configuration.shares.iter().find(|share| !share.hidden) else {
        return text;
    };
    let (user, password) = demo.unwrap_or(("USER", "PASSWORD"));
    let host = if address.ip().is_unspecified() {
        host.to_owned()
    } else {
        address.ip().to_string()
    };
    let (share, port) = (&share.name, address.port());
    let (tcp_port, mount_port, url_port, windows_port) = if port == SMB_PORT {
        (String::new(), String::new(), String::new(), String::new())
    } else {
        (
            format!(" -p {port}"),
            format!("port={port},"),
            format!(":{port}"),
            format!(" /TCPPORT:{port}"),
        )
    };
    let needs_24h2 = if port == SMB_PORT {
        ""
    } else {
        " (11 24H2 or later, for the port)"
    };
    let _ = write!(
        text,
        "To try it:
  smbclient  smbclient //{host}/{share}{tcp_port} -U {user}%{password}
  Linux      sudo mount -t cifs //{host}/{share} /mnt -o {mount_port}username={user},password={password}
  macOS      open smb://{user}:{password}@{host}{url_port}/{share}
  Windows    net use * \\\\{host}\\{share} {password} /user:{user}{windows_port}{needs_24h2}
"
    );
    text
}

/// The port that clients use when they are told none.
const SMB_PORT: u16 = 445;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_says_exactly_what_to_type() {
        let sample = include_str!("../../config/shares.toml");
        let configuration = Configuration::parse(sample, "shares.toml").unwrap();
        let address = configuration.server.listen[0];
        let expected = r"share public           read and write  Read and write, for the account demo
share archive          read only  Read only
share guests           read and write, guests too  For everybody
To try it:
  smbclient  smbclient //127.0.0.1/public -p 4450 -U demo%demo
  Linux      sudo mount -t cifs //127.0.0.1/public /mnt -o port=4450,username=demo,password=demo
  macOS      open smb://demo:demo@127.0.0.1:4450/public
  Windows    net use * \\127.0.0.1\public demo /user:demo /TCPPORT:4450 (11 24H2 or later, for the port)
";
        assert_eq!(
            text(
                &configuration,
                Some(address),
                "host",
                Some(("demo", "demo"))
            ),
            expected
        );
    }

    #[test]
    fn the_usual_port_and_every_address_need_no_mention() {
        let text_of = "[[share]]\nname = 'a'\npath = '/a'\n";
        let configuration = Configuration::parse(text_of, "f.toml").unwrap();
        let shown = text(&configuration, "0.0.0.0:445".parse().ok(), "nas", None);
        assert!(
            shown.contains("smbclient //nas/a -U USER%PASSWORD\n"),
            "{shown}"
        );
        assert!(
            shown.contains(r"net use * \\nas\a PASSWORD /user:USER"),
            "{shown}"
        );
        assert!(!shown.contains("445"), "{shown}");
    }
}
