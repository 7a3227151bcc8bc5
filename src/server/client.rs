//! Whom a request comes from, as far as that can be told.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};

use super::app::App;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    /// An address.
    Address(IpAddr),
    /// Somebody on this machine, by a Unix socket.
    Local,
}

impl Other {
    /// Who it is, if not somebody on this machine: that may be a proxy, with requests of many.
    pub(super) fn stranger(self) -> Option<Client> {
        match self {
            Self::Address(address) if !address.to_canonical().is_loopback() => {
                Some(Client(Some(network(address))))
            }
            Self::Address(_) | Self::Local => None,
        }
    }
}

/// Whom a request comes from: an address, or for IPv6 the network that one has to oneself; `None`: this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client(Option<IpAddr>);

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::of_request(parts, app))
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Some(address) => address.fmt(f),
            None => f.write_str("this machine"),
        }
    }
}

impl Client {
    /// Whom a request comes from.
    pub(super) fn of_request(parts: &Parts, app: &App) -> Self {
        match parts.extensions.get::<ConnectInfo<Other>>() {
            Some(ConnectInfo(other)) => Self::of(*other, &parts.headers, app.config().behind_proxy),
            // The socket of `nixci ctl`.
            None => Self(None),
        }
    }

    #[cfg(test)]
    pub(super) fn at(address: IpAddr) -> Self {
        Self(Some(address))
    }

    fn of(other: Other, headers: &HeaderMap, behind_proxy: bool) -> Self {
        let told = behind_proxy.then(|| forwarded_for(headers)).flatten();
        let address = match (told, other) {
            (Some(told), _) => Some(told),
            (None, Other::Address(address)) => Some(address),
            (None, Other::Local) => None,
        };
        Self(address.map(network))
    }
}

/// Whom a proxy says it has a request from: the last address is its own, those before are of whoever asked.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    let last = last.to_str().ok()?.rsplit(',').next()?.trim();
    let address = last.parse::<IpAddr>();
    let with_port = || last.parse::<SocketAddr>().map(|address| address.ip());
    address.or_else(|_| with_port()).ok()
}

/// What one has to oneself of the addresses: with IPv6 whoever has one has 2^64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(other: Other, lines: &[&str], behind_proxy: bool) -> Client {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        Client::of(other, &headers, behind_proxy)
    }

    fn at(address: &str) -> Client {
        Client(Some(address.parse().unwrap()))
    }

    const PROXY: Other = Other::Address(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn only_what_a_trusted_proxy_has_added_counts() {
        let spoofed = ["10.1.1.1, 192.0.2.9, 198.51.100.7"];
        assert_eq!(client(PROXY, &spoofed, true), at("198.51.100.7"));
        assert_eq!(client(Other::Local, &spoofed, true), at("198.51.100.7"));
        assert_eq!(client(PROXY, &spoofed, false), at("127.0.0.1"));
        assert_eq!(client(Other::Local, &spoofed, false), Client(None));
        let lines = ["192.0.2.9", "10.1.1.1,198.51.100.7:4711"];
        assert_eq!(client(PROXY, &lines, true), at("198.51.100.7"));
        for nonsense in ["", "unknown", "192.0.2.9, nonsense", "192.0.2.9,", "1.2.3"] {
            assert_eq!(
                client(PROXY, &[nonsense], true),
                at("127.0.0.1"),
                "{nonsense}"
            );
        }
        assert_eq!(client(Other::Local, &[], true), Client(None));
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_ipv4_is_itself_however_it_is_written() {
        for (written, is) in [
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("[2001:db8:1:2:ffff::1]:80", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
            ("::ffff:192.0.2.9", "192.0.2.9"),
        ] {
            assert_eq!(client(PROXY, &[written], true), at(is), "{written}");
        }
    }
    #[test]
    fn who_is_on_this_machine_is_no_stranger() {
        for (address, is_stranger) in [
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("192.0.2.9", true),
            ("2001:db8::1", true),
        ] {
            let other = Other::Address(address.parse().unwrap());
            assert_eq!(other.stranger().is_some(), is_stranger, "{address}");
        }
        assert_eq!(Other::Local.stranger(), None);
    }
}
