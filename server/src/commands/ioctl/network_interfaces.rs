//! FSCTL_QUERY_NETWORK_INTERFACE_INFO. [MS-SMB2] 3.3.5.15.11

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use wire::fscc::fsctl_data::{InterfaceCapability, NetworkInterface};
use wire::negotiate::Capabilities;
use wire::{IoctlRequest, NtStatus, Writer};

use crate::context::Context;

/// Tells the addresses by which further channels may come.
///
/// # Errors
/// `NOT_SUPPORTED` where sessions have one channel, `BUFFER_TOO_SMALL` for too little room.
pub(super) fn run(context: &Context, request: &IoctlRequest) -> Result<Bytes, NtStatus> {
    let has_channels = context.connection.negotiated().is_some_and(|negotiated| {
        let capabilities = negotiated.server_capabilities;
        capabilities.contains(Capabilities::MULTI_CHANNEL)
    });
    if !has_channels {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    let interfaces = interfaces(context);
    let room = usize::try_from(request.max_output_response).unwrap_or_default();
    let mut out = BytesMut::new();
    let told = NetworkInterface::encode_list(&interfaces, &mut Writer::new(&mut out), room);
    if told < interfaces.len() {
        return Err(NtStatus::BUFFER_TOO_SMALL);
    }
    Ok(out.freeze())
}

/// The interfaces that the configuration names, else those of this machine that the client can reach.
fn interfaces(context: &Context) -> Vec<NetworkInterface> {
    let settings = context.server.settings();
    let server = &settings.configuration.server;
    if !server.interfaces.is_empty() {
        return configured(&server.interfaces);
    }
    let local = context.connection.facts.local.map(|local| local.ip());
    let mut interfaces = context.server.environment().network_interfaces();
    interfaces.retain(|one| is_reachable(one.address, &server.listen, local));
    interfaces.truncate(MOST_INTERFACES);
    interfaces
}

/// An address without the number of an interface is taken for one of its own.
fn configured(interfaces: &[config::Interface]) -> Vec<NetworkInterface> {
    let mut last_index = interfaces
        .iter()
        .filter_map(|one| one.if_index)
        .max()
        .unwrap_or_default();
    let mut index = |given: Option<u32>| {
        given.unwrap_or_else(|| {
            last_index = last_index.saturating_add(1);
            last_index
        })
    };
    let of_configuration = |one: &config::Interface| NetworkInterface {
        if_index: index(one.if_index),
        capability: if one.rss {
            InterfaceCapability::RSS_CAPABLE
        } else {
            InterfaceCapability::NONE
        },
        link_speed: one.speed,
        address: one.address,
    };
    interfaces
        .iter()
        .take(MOST_INTERFACES)
        .map(of_configuration)
        .collect()
}

/// Whether a client that has connected to `local` can connect to `address` too: the server listens
/// there, and the address means the same to the client. That of the loopback interface means another
/// machine to all others, and a link-local one is ambiguous without its zone, which the reply has no
/// field for.
fn is_reachable(address: IpAddr, listen: &[SocketAddr], local: Option<IpAddr>) -> bool {
    let listens = listen.iter().any(|socket| {
        let is_same_family = socket.is_ipv4() == address.is_ipv4();
        socket.ip() == address || (socket.ip().is_unspecified() && is_same_family)
    });
    let is_ambiguous = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_local = local.is_some_and(|local| local.is_loopback());
    listens && !is_ambiguous && (is_local || !address.is_loopback())
}

/// How many addresses a client is told of at most.
const MOST_INTERFACES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told(address: &str, listen: &str, local: &str) -> bool {
        let listen = [listen.parse().unwrap()];
        is_reachable(address.parse().unwrap(), &listen, local.parse().ok())
    }

    // test [MS-SMB2] 3.3.5.15.11
    #[test]
    fn clients_are_told_of_addresses_that_they_can_connect_to() {
        assert!(is_told("10.0.0.1", "0.0.0.0:445", "10.0.0.2"));
        assert!(is_told("10.0.0.1", "10.0.0.1:445", "10.0.0.1"));
        assert!(!is_told("10.0.0.1", "10.0.0.2:445", "10.0.0.2"));
        assert!(!is_told("10.0.0.1", "[::]:445", "fd00::1"));
        assert!(is_told("fd00::1", "[::]:445", "fd00::1"));
        assert!(!is_told("fe80::1", "[::]:445", "fd00::1"));
        assert!(!is_told("169.254.1.1", "0.0.0.0:445", "10.0.0.2"));
    }

    #[test]
    fn only_clients_of_this_machine_are_told_of_its_loopback_interface() {
        assert!(is_told("127.0.0.1", "127.0.0.1:4450", "127.0.0.1"));
        assert!(is_told("10.0.0.1", "0.0.0.0:445", "127.0.0.1"));
        assert!(!is_told("127.0.0.1", "0.0.0.0:445", "10.0.0.2"));
        assert!(!is_told("127.0.0.1", "0.0.0.0:445", "a local socket"));
    }

    #[test]
    fn addresses_of_the_configuration_have_interfaces_of_their_own_unless_it_says_which() {
        let interface = |address: &str, if_index| config::Interface {
            address: address.parse().unwrap(),
            speed: 10_000_000_000,
            rss: if_index == Some(7),
            if_index,
        };
        let given = [
            interface("10.0.0.1", None),
            interface("10.0.0.2", Some(7)),
            interface("10.0.0.3", None),
        ];
        let told = configured(&given);
        let indexes: Vec<_> = told.iter().map(|one| one.if_index).collect();
        assert_eq!(indexes, [8, 7, 9]);
        assert_eq!(told[1].capability, InterfaceCapability::RSS_CAPABLE);
        assert_eq!(told[2].link_speed, 10_000_000_000);
    }
}
