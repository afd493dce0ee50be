//! Where deliveries may go.
//!
//! Whoever makes a webhook chooses what this server connects to. So that nobody looks by it at what
//! only the server can reach, names are resolved once, every address is looked at, and the connection
//! goes to one of those and no other: an answer of DNS that changes meanwhile changes nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::error::{Error, Result};

/// What an operator allows beyond HTTPS to the public network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Loopback and private networks too.
    pub private: bool,
    /// Plain HTTP too.
    pub http: bool,
}

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);

/// The longest address that MLflow stores.
const LONGEST: usize = 500;

impl Reach {
    /// The address of a webhook that may be kept, as it was given; its host is not looked up.
    pub(super) fn check(self, address: &str) -> Result<Url> {
        let bad = |why: String| Error::user(format!("the webhook's URL `{address}` {why}"));
        if address.len() > LONGEST {
            return Err(Error::user(format!(
                "a webhook's URL has at most {LONGEST} bytes, and this has {}",
                address.len()
            )));
        }
        let url = Url::parse(address).map_err(|error| bad(format!("can't be read: {error}")))?;
        match url.scheme() {
            "https" => {}
            "http" if self.http => {}
            "http" => {
                return Err(bad("is not https, which this server asks for".into())
                    .hint("its operator can allow it: `--webhooks-allow http`"));
            }
            other => return Err(bad(format!("has the scheme `{other}`, which is no HTTP"))),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::user(
                "a webhook's URL holds no user and no password: its secret signs what is sent",
            ));
        }
        self.check_literal(&url)?;
        Ok(url)
    }

    /// As [`Reach::check`], and the host is one that resolves to what may be reached.
    pub(super) async fn check_and_resolve(self, address: &str) -> Result<Url> {
        let url = self.check(address)?;
        if let Some(host) = url.domain() {
            resolve(self, host)
                .await
                .map_err(|error| Error::user(format!("the webhook's URL `{address}`: {error}")))?;
        }
        Ok(url)
    }

    /// A host that is an address is connected to without being resolved.
    pub(super) fn check_literal(self, url: &Url) -> Result<()> {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Error::user(format!("`{url}` names no host"))),
        };
        self.admits(address).map_err(|error| Error::user(error.to_string()))
    }

    fn admits(self, address: IpAddr) -> Result<(), NotAllowed> {
        match kind(address) {
            Kind::Public => Ok(()),
            Kind::Private if self.private => Ok(()),
            Kind::Private => Err(NotAllowed(format!(
                "{address} is an address of a private network or of this machine, where webhooks \
                 of this server may not go; its operator can allow it: `--webhooks-allow private`"
            ))),
            Kind::Never => Err(NotAllowed(format!(
                "{address} is an address that webhooks never go to: link-local, multicast, \
                 reserved, or a cloud's service for its machines"
            ))),
        }
    }
}

/// An address where deliveries may not go; to try again would not help.
#[derive(Debug)]
pub(super) struct NotAllowed(String);

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAllowed {}

/// A resolver that answers only what may be reached.
impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let addresses = resolve(reach, name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All addresses of a host. One that may not be reached makes the host one that may not.
async fn resolve(
    reach: Reach,
    host: &str,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let looking = tokio::net::lookup_host((host, 0));
    let addresses: Vec<SocketAddr> = tokio::time::timeout(RESOLVE, looking)
        .await
        .map_err(|_| format!("looking up {host} took too long"))?
        .map_err(|error| format!("cannot look up {host}: {error}"))?
        .collect();
    for address in &addresses {
        reach
            .admits(address.ip())
            .map_err(|NotAllowed(why)| NotAllowed(format!("{host} is not allowed: {why}")))?;
    }
    Ok(addresses)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    /// Of a private network, or of this machine.
    Private,
    /// Nothing that serves webhooks is there, and what is there must not be asked.
    Never,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

/// By the special-purpose registry of IANA.
fn kind_v4(address: Ipv4Addr) -> Kind {
    // What Azure's and Alibaba's machines ask about themselves; elsewhere that is link-local.
    const METADATA: [Ipv4Addr; 2] =
        [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];
    if METADATA.contains(&address) {
        return Kind::Never;
    }
    match address.octets() {
        [10 | 127, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Kind::Private,
        [0 | 224..=255, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Kind::Never,
        _ => Kind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    if let Some(inner) = embedded(address) {
        return kind_v4(inner);
    }
    // What Amazon's machines ask about themselves.
    if address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254) {
        return Kind::Never;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] | [0xfc00..=0xfdff, ..] => Kind::Private,
        // Protocols' own (Teredo among them), documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Never,
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Never,
    }
}

/// The IPv4 address to which an IPv6 address of a transition leads: mapped, 6to4, NAT64.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(of(high, low))
        }
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Reach = Reach { private: false, http: false };
    const OPEN: Reach = Reach { private: true, http: true };

    #[test]
    fn addresses_are_what_they_are_in_every_spelling() {
        for (kind_of, addresses) in [
            (
                Kind::Public,
                "1.1.1.1 8.8.8.8 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1",
            ),
            (
                Kind::Private,
                "127.0.0.1 127.255.0.9 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 ::1 fd00::1 fc00::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:7f00:1::1",
            ),
            (
                Kind::Never,
                "0.0.0.0 169.254.169.254 168.63.129.16 100.100.100.200 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.9 224.0.0.1 255.255.255.255 240.0.0.1 :: fe80::1 ff02::1 2001::1 2001:db8::1 3fff::1 64:ff9b:1::1 100::1 fd00:ec2::254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 fec0::1",
            ),
        ] {
            for address in addresses.split(' ') {
                let parsed = address.parse().expect(address);
                assert_eq!(kind(parsed), kind_of, "{address}");
            }
        }
    }

    #[test]
    fn a_url_says_no_more_than_where_over_what() {
        for url in ["https://example.com/hook?a=b", "https://1.1.1.1", "HTTPS://EXAMPLE.com:8443/"]
        {
            assert!(STRICT.check(url).is_ok(), "{url}");
        }
        for (url, words) in [
            ("http://example.com/", "is not https"),
            ("ftp://example.com/", "no HTTP"),
            ("file:///etc/passwd", "no HTTP"),
            ("not a url", "can't be read"),
            ("https://", "can't be read"),
            ("https://ana:pw@example.com", "no user"),
            ("https://127.0.0.1/", "private network"),
            // Spellings of 127.0.0.1 that a resolver would understand.
            ("https://127.1/", "private network"),
            ("https://0x7f000001/", "private network"),
            ("https://2130706433/", "private network"),
            ("https://0177.0.0.1/", "private network"),
            ("https://[::ffff:127.0.0.1]/", "private network"),
            ("https://169.254.169.254/latest", "never go to"),
        ] {
            let error = STRICT.check(url).expect_err(url);
            assert!(error.message().contains(words), "{url}: {}", error.message());
            assert!(!error.message().contains("pw"), "{url}: {}", error.message());
        }
        assert!(OPEN.check("http://127.0.0.1:9/").is_ok());
        assert!(OPEN.check("http://169.254.169.254/latest").is_err());
        let long = format!("https://example.com/{}", "a".repeat(500));
        assert!(STRICT.check(&long).is_err());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_once_resolved() {
        let refused = resolve(STRICT, "localhost").await.expect_err("loopback");
        assert!(refused.is::<NotAllowed>(), "{refused}");
        assert!(resolve(OPEN, "localhost").await.is_ok());
    }
}
