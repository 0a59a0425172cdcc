//! How many connections may be open: in all, and from one address.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

/// Counts open connections; clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// The right to be connected; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Gate,
    address: Option<IpAddr>,
}

/// Which limit refuses a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// `limits.connections`
    All,
    /// `limits.connections_per_address`
    Address,
}

impl Gate {
    /// Lets one more connection in, from this address if it has one, unless a limit is reached.
    pub(crate) fn pass(
        &self,
        address: Option<IpAddr>,
        limits: &config::Limits,
    ) -> Result<Pass, Refused> {
        let address = address.map(|address| address.to_canonical());
        let mut counts = self.0.lock();
        if counts.all >= limits.connections {
            return Err(Refused::All);
        }
        if let Some(address) = address {
            let count = counts.by_address.entry(address).or_default();
            if *count >= limits.connections_per_address {
                return Err(Refused::Address);
            }
            *count += 1;
        }
        counts.all += 1;
        Ok(Pass {
            gate: self.clone(),
            address,
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.gate.0.lock();
        counts.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: fn() -> config::Limits = || config::Limits {
        connections: 3,
        connections_per_address: 2,
        ..config::Limits::default()
    };

    #[test]
    fn connections_are_bounded_in_all_and_by_address() {
        let (gate, limits) = (Gate::default(), LIMITS());
        let one = "192.0.2.1".parse().ok();
        let mapped = "::ffff:192.0.2.1".parse().ok();
        let other = "192.0.2.2".parse().ok();
        let first = gate.pass(one, &limits).unwrap();
        let second = gate.pass(mapped, &limits).unwrap();
        assert_eq!(gate.pass(one, &limits).unwrap_err(), Refused::Address);
        let third = gate.pass(other, &limits).unwrap();
        assert_eq!(gate.pass(None, &limits).unwrap_err(), Refused::All);
        drop(first);
        let _fourth = gate.pass(one, &limits).unwrap();
        assert_eq!(gate.0.lock().all, 3);
        drop((second, third));
        assert_eq!(gate.0.lock().all, 1);
        assert_eq!(gate.0.lock().by_address.len(), 1);
    }
}
