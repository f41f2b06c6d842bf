//! One address of `bind`.
//!
//! Why it exists: Redis's `-` prefix ("may be missing on this machine") and `*` ("every
//! interface") must mean the same here. Not for the listening itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address to listen on.
///
/// # Examples
/// ```
/// use server::settings::BindAddress;
/// let address = BindAddress::parse("-::1").expect("a valid address");
/// assert!(address.optional && address.ip.is_loopback());
/// assert_eq!(address.to_string(), "-::1");
/// assert_eq!(BindAddress::parse("localhost"), None);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BindAddress {
    /// Where to listen; unspecified for every interface of its family.
    pub ip: IpAddr,
    /// Whether the server starts when this address does not exist here (the `-` prefix).
    pub optional: bool,
}

impl BindAddress {
    /// Reads an address: an IP, `*` for every IPv4 or `::*` for every IPv6 interface, each with
    /// an optional `-` in front. Host names are not looked up. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (optional, address) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let ip = match address {
            "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            other => other.parse().ok()?,
        };
        Some(Self { ip, optional })
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.optional { "-" } else { "" };
        match self.ip {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => write!(formatter, "{prefix}*"),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => write!(formatter, "{prefix}::*"),
            ip => write!(formatter, "{prefix}{ip}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_were_read() {
        for text in ["127.0.0.1", "-127.0.0.1", "::1", "-::1", "*", "-*", "::*", "-::*"] {
            let address = BindAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.optional, text.starts_with('-'), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "-", "localhost", "127.0.0.1:6174", "1.2.3", "[::1]"] {
            assert_eq!(BindAddress::parse(text), None, "{text}");
        }
    }
}
