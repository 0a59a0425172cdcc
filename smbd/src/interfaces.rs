//! The network interfaces of this machine, as clients with several channels are told of them.

use std::{fs, net::IpAddr, path::Path};

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::{InterfaceFlags, if_nametoindex},
    sys::socket::SockaddrStorage,
};
use wire::fscc::fsctl_data::{InterfaceCapability, NetworkInterface};

/// Every address of every interface that is up, in the order of the system.
pub(crate) fn network_interfaces() -> Vec<NetworkInterface> {
    match getifaddrs() {
        Ok(addresses) => addresses.filter_map(|address| of(&address)).collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot list the network interfaces");
            Vec::new()
        }
    }
}

fn of(one: &InterfaceAddress) -> Option<NetworkInterface> {
    let is_up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    if !one.flags.contains(is_up) {
        return None;
    }
    let name = one.interface_name.as_str();
    let folder = Path::new("/sys/class/net").join(name);
    Some(NetworkInterface {
        if_index: if_nametoindex(name).ok()?,
        capability: capability(&folder),
        link_speed: link_speed(&folder),
        address: ip(one.address.as_ref()?)?,
    })
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in();
    let v6 = address.as_sockaddr_in6();
    v4.map(|v4| v4.ip().into())
        .or_else(|| v6.map(|v6| v6.ip().into()))
}

/// Bits per second. Bridges, tunnels and the loopback interface do not say.
fn link_speed(folder: &Path) -> u64 {
    let megabits = fs::read_to_string(folder.join("speed")).ok();
    let megabits = megabits.and_then(|text| text.trim().parse::<u64>().ok());
    megabits
        .filter(|megabits| *megabits > 0)
        .map_or(DEFAULT_SPEED, |megabits| megabits.saturating_mul(MEGABIT))
}

/// An interface with several receive queues spreads connections over processors.
fn capability(folder: &Path) -> InterfaceCapability {
    let queues = fs::read_dir(folder.join("queues")).into_iter().flatten();
    let is_receiving =
        |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("rx-");
    if queues.flatten().filter(is_receiving).count() > 1 {
        InterfaceCapability::RSS_CAPABLE
    } else {
        InterfaceCapability::NONE
    }
}

const MEGABIT: u64 = 1_000_000;
/// What an interface is taken for that does not say how fast it is.
const DEFAULT_SPEED: u64 = 1_000 * MEGABIT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_its_address_a_number_and_a_speed() {
        let interfaces = network_interfaces();
        let loopback = interfaces
            .iter()
            .find(|one| one.address == IpAddr::from([127, 0, 0, 1]))
            .expect("every machine has it");
        assert_ne!(loopback.if_index, 0);
        assert_eq!(loopback.link_speed, DEFAULT_SPEED);
    }
}
