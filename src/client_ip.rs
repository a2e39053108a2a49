//! The client IP of a request: the address of the peer, or the one that trusted proxies report in
//! `X-Forwarded-For` or in `Forwarded` (RFC 7239).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use clap::ValueEnum;
use ipnet::IpNet;

/// The IP address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientIp {
    /// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses are converted to IPv4.
    Known(IpAddr),
    /// A trusted proxy forwarded the request without a valid address. No IP range contains it.
    Unknown,
}

impl From<IpAddr> for ClientIp {
    fn from(address: IpAddr) -> Self {
        ClientIp::Known(address.to_canonical())
    }
}

/// Formats as the address, or as `unknown`.
impl fmt::Display for ClientIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientIp::Known(address) => address.fmt(f),
            ClientIp::Unknown => f.write_str("unknown"),
        }
    }
}

/// The header in which trusted proxies report the client IP. The other header is never read: a proxy that
/// does not set it forwards what the client sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements, each with a parameter `for`.
    Forwarded,
}

/// A text in a list of networks that is neither a network nor an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IP address or a network such as 10.0.0.0/8")]
pub struct InvalidNetwork(pub String);

/// The reverse proxies whose forwarding header is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let names = text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let networks =
            names.map(|name| parse_network(name).ok_or_else(|| InvalidNetwork(name.to_owned())));
        networks.collect::<Result<_, _>>().map(TrustedProxies)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            &self
                .0
                .iter()
                .map(IpNet::to_string)
                .collect::<Vec<_>>()
                .join(","),
        )
    }
}

/// Parses a network or a single address. One of IPv4-mapped IPv6 addresses is converted to IPv4, as the
/// addresses of clients are.
pub fn parse_network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    let network: IpNet = text.parse().ok()?;
    let mapped = match (network.addr().to_canonical(), network) {
        (IpAddr::V4(address), IpNet::V6(network)) => network
            .prefix_len()
            .checked_sub(96)
            .and_then(|prefix| IpNet::new(address.into(), prefix).ok()),
        _ => None,
    };
    Some(mapped.unwrap_or(network))
}

impl TrustedProxies {
    /// Whether no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` belongs to a trusted proxy.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0
            .iter()
            .any(|network| network.contains(&address.to_canonical()))
    }

    /// The client IP of a request from `peer` whose `header` has these field lines, in order.
    ///
    /// Each proxy appends an element on the right. Reading from the right, the first address that is not a
    /// trusted proxy is the client; elements further left may be forged. If the element of a trusted proxy
    /// is invalid, the client IP is unknown, since using the address of the proxy would give the client the
    /// rights of the proxy. Elements are split at every comma, quoted or not, so that a forged opening quote
    /// cannot hide what a proxy appended.
    pub fn client_ip<'a>(
        &self,
        peer: Option<IpAddr>,
        header: ForwardedHeader,
        lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> ClientIp {
        let Some(peer) = peer else {
            return ClientIp::Unknown;
        };
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return ClientIp::Known(client);
        }
        let mut has_header = false;
        let mut has_address = false;
        for element in lines
            .rev()
            .flat_map(|line| line.rsplit(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
        {
            has_header = true;
            // RFC 9110 section 5.6.1.2: empty elements of a list are ignored.
            if element.is_empty() {
                continue;
            }
            let Some(address) = header.address(element) else {
                return ClientIp::Unknown;
            };
            has_address = true;
            client = address.to_canonical();
            if !self.contains(client) {
                return ClientIp::Known(client);
            }
        }
        // Without the header the proxy itself is the client, for example for its health checks.
        if has_header && !has_address {
            ClientIp::Unknown
        } else {
            ClientIp::Known(client)
        }
    }
}

impl ForwardedHeader {
    /// Parses the address in one element of the header.
    fn address(self, element: &[u8]) -> Option<IpAddr> {
        let element = str::from_utf8(element).ok()?;
        match self {
            ForwardedHeader::XForwardedFor => node(unquoted(element)),
            ForwardedHeader::Forwarded => node(for_parameter(element)?),
        }
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}

/// The value of `for` in a `forwarded-element` (RFC 7239 section 4). The whole element must be well-formed
/// and contain `for` once. Unquoted values may contain `:`, `[` and `]`, as some proxies send them.
fn for_parameter(element: &str) -> Option<&str> {
    let mut found = None;
    let mut rest = element;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(';') {
            rest = after.trim_ascii_start();
            continue;
        }
        let (name, after) = rest.split_once('=')?;
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            return None;
        }
        let (value, tail) = match after.strip_prefix('"') {
            Some(after) => quoted_string(after)?,
            None => {
                let (value, tail) =
                    after.split_at(after.find([';', ' ', '\t']).unwrap_or(after.len()));
                let plain = !value.is_empty()
                    && value
                        .bytes()
                        .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
                (plain.then_some(value)?, tail)
            }
        };
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
        rest = tail.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(';') {
            return None;
        }
    }
    found
}

/// Splits `text`, which begins after an opening quote, into the content of the quoted string (escapes are
/// kept) and the rest after the closing quote.
fn quoted_string(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// Parses a `node` (RFC 7239 section 6) as an address with an optional port; IPv6 addresses may have
/// brackets. `None` for `unknown` and obfuscated identifiers.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        return (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
            .then_some(IpAddr::V6(v6(address)?));
    }
    match text.split_once(':') {
        None => text.parse().map(IpAddr::V4).ok(),
        Some((address, port)) => match address.parse::<Ipv4Addr>() {
            Ok(address) => is_port(port).then_some(IpAddr::V4(address)),
            Err(_) => v6(text).map(IpAddr::V6),
        },
    }
}

/// Parses an IPv6 address. A zone (RFC 4007 section 11) has a meaning only on its own host and is dropped.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    (!zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic()))
        .then_some(address.parse().ok()?)
}

/// Whether `text` is a `node-port` (RFC 7239 section 6).
fn is_port(text: &str) -> bool {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let obfuscated = text.strip_prefix('_').is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    });
    digits || obfuscated
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1";

    #[test]
    fn networks_of_mapped_addresses_are_ipv4() {
        for (text, expected) in [
            ("10.1.2.3/8", Some("10.1.2.3/8")),
            ("::ffff:10.0.0.1", Some("10.0.0.1/32")),
            ("::ffff:10.0.0.0/104", Some("10.0.0.0/8")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            ("::ffff:0:0/95", Some("::ffff:0.0.0.0/95")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::/0", Some("::/0")),
            ("10.0.0.0/33", None),
            ("10.0.0.0/", None),
            ("", None),
        ] {
            let network = parse_network(text).map(|network| network.to_string());
            assert_eq!(network.as_deref(), expected, "{text}");
        }
    }

    fn resolve(header: ForwardedHeader, peer: &str, lines: &[&[u8]]) -> String {
        let proxies: TrustedProxies = "10.0.0.0/8, 2001:db8:aa::/48, ::ffff:172.16.0.9"
            .parse()
            .unwrap_or_default();
        proxies
            .client_ip(peer.parse().ok(), header, lines.iter().copied())
            .to_string()
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let rows: &[(&[&[u8]], &str)] = &[
            (&[], PEER),
            (&[b"203.0.113.7"], "203.0.113.7"),
            (&[b" \t203.0.113.7 \t"], "203.0.113.7"),
            (&[b"1.2.3.4, 203.0.113.7"], "203.0.113.7"),
            (&[b"1.2.3.4,203.0.113.7,10.0.0.5"], "203.0.113.7"),
            (&[b"10.0.0.9, 10.0.0.5"], "10.0.0.9"),
            // Ports and brackets.
            (&[b"203.0.113.7:49152"], "203.0.113.7"),
            (&[b"203.0.113.7:_secret"], "203.0.113.7"),
            (&[b"[2001:db8::7]"], "2001:db8::7"),
            (&[b"[2001:db8::7]:443"], "2001:db8::7"),
            (&[b"\"[2001:db8::7]:443\""], "2001:db8::7"),
            (&[b"\"203.0.113.7\""], "203.0.113.7"),
            (&[b"2001:db8::7"], "2001:db8::7"),
            (&[b"203.0.113.7, 10.0.0.5:80"], "203.0.113.7"),
            (&[b"203.0.113.7, [2001:db8:aa::1]:80"], "203.0.113.7"),
            // IPv4-mapped addresses and zones.
            (&[b"::ffff:203.0.113.7"], "203.0.113.7"),
            (&[b"203.0.113.7, ::ffff:10.0.0.5"], "203.0.113.7"),
            (&[b"203.0.113.7, 172.16.0.9"], "203.0.113.7"),
            (&[b"fe80::7%eth0"], "fe80::7"),
            (&[b"[fe80::7%25eth0]:80"], "fe80::7"),
            // Several lines, in their order; empty elements.
            (&[b"1.2.3.4", b"203.0.113.7"], "203.0.113.7"),
            (&[b"203.0.113.7", b"10.0.0.5"], "203.0.113.7"),
            (&[b"203.0.113.7", b""], "203.0.113.7"),
            (&[b"203.0.113.7, ,, "], "203.0.113.7"),
            (&[b",203.0.113.7"], "203.0.113.7"),
            // What a proxy did not write does not matter.
            (&[b"\xff, 203.0.113.7"], "203.0.113.7"),
            (&[b"unknown, 203.0.113.7"], "203.0.113.7"),
            (&[b"\", 203.0.113.7"], "203.0.113.7"),
            // Unreadable where a trusted proxy vouches for it.
            (&[b""], "unknown"),
            (&[b" , ,"], "unknown"),
            (&[b"203.0.113.7, \xff"], "unknown"),
            (&[b"\xff"], "unknown"),
            (&[b"\xff, 10.0.0.5"], "unknown"),
            (&[b"203.0.113.7, unknown"], "unknown"),
            (&[b"203.0.113.7, _hidden"], "unknown"),
            (&[b"unix:"], "unknown"),
            (&[b"203.0.113.7:"], "unknown"),
            (&[b"203.0.113.7:123456"], "unknown"),
            (&[b"203.0.113.7:_"], "unknown"),
            (&[b"203.0.113.7%eth0"], "unknown"),
            (&[b"203.0.113.07"], "unknown"),
            (&[b"203.0.113"], "unknown"),
            (&[b"3405803783"], "unknown"),
            (&[b"[203.0.113.7]"], "unknown"),
            (&[b"[2001:db8::7"], "unknown"),
            (&[b"[2001:db8::7]x"], "unknown"),
            (&[b"fe80::7%"], "unknown"),
            (&[b"\"203.0.113.7"], "unknown"),
            (&[b"203.0.113.7 1.2.3.4"], "unknown"),
            (&[b"for=203.0.113.7"], "unknown"),
        ];
        for (lines, expected) in rows {
            assert_eq!(
                resolve(ForwardedHeader::XForwardedFor, PEER, lines),
                *expected,
                "{lines:?}"
            );
        }
        for peer in ["192.0.2.1", "::ffff:192.0.2.1"] {
            let lines: [&[u8]; 1] = [b"203.0.113.7"];
            assert_eq!(
                resolve(ForwardedHeader::XForwardedFor, peer, &lines),
                "192.0.2.1",
                "not trusted"
            );
        }
        let lines: [&[u8]; 1] = [b"203.0.113.7"];
        assert_eq!(
            resolve(ForwardedHeader::XForwardedFor, "::ffff:10.0.0.1", &lines),
            "203.0.113.7"
        );
        assert_eq!(
            resolve(ForwardedHeader::XForwardedFor, "no peer", &lines),
            "unknown"
        );
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        let rows: &[(&[&[u8]], &str)] = &[
            (&[], PEER),
            (&[b"for=203.0.113.7"], "203.0.113.7"),
            (&[b"for=\"203.0.113.7:4711\""], "203.0.113.7"),
            (&[b"for=203.0.113.7:4711"], "203.0.113.7"),
            (&[b"For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&[b"for=\"[2001:db8::7]\";proto=https"], "2001:db8::7"),
            (&[b"proto=http;FOR=203.0.113.7; by=10.0.0.1"], "203.0.113.7"),
            (&[b"for=203.0.113.7;;host=a.example;"], "203.0.113.7"),
            (
                &[b"for=1.2.3.4, for=203.0.113.7;host=\"a\\\"b;c\""],
                "203.0.113.7",
            ),
            (&[b"for=203.0.113.7, for=10.0.0.5"], "203.0.113.7"),
            (&[b"for=1.2.3.4", b"for=203.0.113.7"], "203.0.113.7"),
            (&[b"for=203.0.113.7,"], "203.0.113.7"),
            (&[b"for=\"abc, for=203.0.113.7"], "203.0.113.7"),
            (
                &[b"for=127.0.0.1;x=\", for=\"[2001:db8::7]:4711\""],
                "2001:db8::7",
            ),
            (&[b"\xff, for=203.0.113.7"], "203.0.113.7"),
            (&[b"for=unknown"], "unknown"),
            (&[b"for=_hidden, for=\"_SEVKISEK:80\""], "unknown"),
            (&[b"for=1.2.3.4, by=10.0.0.1"], "unknown"),
            (&[b"for=1.2.3.4;for=203.0.113.7"], "unknown"),
            (&[b"for="], "unknown"),
            (&[b"for=\"\""], "unknown"),
            (&[b"for=\"203.0.113.7"], "unknown"),
            (&[b"for=203.0.113.7\""], "unknown"),
            (&[b"for=\"203.0.113.\\7\""], "unknown"),
            (&[b"for=203.0.113.7 by=x"], "unknown"),
            (&[b"for = 203.0.113.7"], "unknown"),
            (&[b"203.0.113.7"], "unknown"),
            (&[b"for=1.2.3.4;host=\"a, for=127.0.0.1\""], "unknown"),
            (&[b"for=1.2.3.4;host=\"a, for=\\\"127.0.0.1\""], "unknown"),
            (&[b" "], "unknown"),
        ];
        for (lines, expected) in rows {
            assert_eq!(
                resolve(ForwardedHeader::Forwarded, PEER, lines),
                *expected,
                "{lines:?}"
            );
        }
    }
}
