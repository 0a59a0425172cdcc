//! A network interface as the configuration file describes it: an address, and what it can do.

use std::net::IpAddr;

use toml::{Spanned, de::DeValue};

use crate::value::{Unfit, Value};

/// One address that clients may connect to, written as in
/// `"10.0.0.1;speed=10000000000,capability=RSS,if_index=2"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// Bits per second.
    pub speed: u64,
    /// Whether several connections to it are faster than one, because it spreads them over
    /// processors.
    pub rss: bool,
    /// Which interface the address belongs to. `None` for one of its own.
    pub if_index: Option<u32>,
}

impl Interface {
    /// An address of which nothing else is known.
    fn plain(address: IpAddr) -> Self {
        Self {
            address,
            speed: DEFAULT_SPEED,
            rss: false,
            if_index: None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, properties) = match text.split_once(';') {
            Some((address, properties)) => (address, Some(properties)),
            None => (text, None),
        };
        let mut interface = Self::plain(address.trim().parse().ok()?);
        for property in properties.into_iter().flat_map(|list| list.split(',')) {
            let (name, value) = property.split_once('=')?;
            match name.trim() {
                "speed" => {
                    interface.speed = value.trim().parse().ok().filter(|speed| *speed > 0)?;
                }
                "capability" if value.trim().eq_ignore_ascii_case("RSS") => interface.rss = true,
                "if_index" => {
                    let index = value.trim().parse().ok().filter(|index| *index > 0)?;
                    interface.if_index = Some(index);
                }
                _ => return None,
            }
        }
        Some(interface)
    }
}

impl Value for Interface {
    fn expects() -> String {
        "an address such as \"10.0.0.1\", or with what it can do such as \
         \"10.0.0.1;speed=10000000000,capability=RSS,if_index=2\""
            .into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Unfit> {
        let interface = value.get_ref().as_str().and_then(Self::parse);
        interface.ok_or_else(|| Unfit::new(value))
    }

    fn write(&self) -> toml::Value {
        let mut text = format!("{};speed={}", self.address, self.speed);
        if self.rss {
            text.push_str(",capability=RSS");
        }
        if let Some(index) = self.if_index {
            text.push_str(&format!(",if_index={index}"));
        }
        text.into()
    }
}

/// What an interface is taken for whose speed nobody says, in bits per second.
const DEFAULT_SPEED: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(text: &str) -> Option<Interface> {
        Interface::parse(text)
    }

    #[test]
    fn an_interface_is_an_address_with_what_it_can_do() {
        let plain = interface("10.0.0.1").unwrap();
        assert_eq!(plain, Interface::plain("10.0.0.1".parse().unwrap()));
        let full = interface("fd00::1; speed=10000000000, capability=rss, if_index=2").unwrap();
        let expected = Interface {
            address: "fd00::1".parse().unwrap(),
            speed: 10_000_000_000,
            rss: true,
            if_index: Some(2),
        };
        assert_eq!(full, expected);
        for one in [plain, full] {
            assert_eq!(interface(one.write().as_str().unwrap()), Some(one));
        }
    }

    #[test]
    fn what_is_no_interface_is_refused() {
        for text in [
            "",
            "eth0",
            "10.0.0.1;",
            "10.0.0.1;speed=0",
            "10.0.0.1;speed=fast",
            "10.0.0.1;capability=RDMA",
            "10.0.0.1;if_index=0",
            "10.0.0.1;colour=red",
        ] {
            assert_eq!(interface(text), None, "{text}");
        }
    }
}
