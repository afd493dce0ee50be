//! What a web page must not do with the browser of somebody who can reach the registry.
//!
//! A page of another site can make a browser send requests to `http://127.0.0.1:5000`, or, by a
//! name of its own that suddenly means 127.0.0.1 (DNS rebinding), even read the answers. No client
//! of a registry sends an `Origin`; browsers do, and they name in `Host` what they were told to ask.

use axum::http::{HeaderMap, header};
use url::{Host, Url};

use super::Identity;
use crate::serve::registry::failure::ApiError;

/// The names by which a server without access control lets itself be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Addresses in figures and `localhost`, which nobody else can make theirs.
    Local,
    Any,
}

pub(super) fn check(identity: &Identity, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST);
    if let Some(origin) = text(header::ORIGIN)
        && !is_of(origin, host)
    {
        return Err(ApiError::forbidden(
            "Pages of another site may not use this registry: the request has its Origin.",
        ));
    }
    if let (Identity::Claimed(Hosts::Local), Some(host)) = (identity, host)
        && !is_local(host)
    {
        return Err(ApiError::forbidden(
            "A registry without tokens answers to its address in figures and to localhost alone; \
             started with `--auth FILE` or `--no-auth`, to any name.",
        ));
    }
    Ok(())
}

/// Whether a page's origin is this server itself.
fn is_of(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == host
}

fn is_local(host: &str) -> bool {
    let Ok(url) = Url::parse(&format!("http://{host}")) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_can_make_theirs_are_not_local() {
        for host in
            ["127.0.0.1:5000", "localhost", "localhost:80", "[::1]:5000", "10.0.0.7", "a.localhost"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in ["evil.example", "evil.example:5000", "localhost.evil.example", "", "a b"] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_that_of_the_server_or_another() {
        assert!(is_of("http://127.0.0.1:5000", Some("127.0.0.1:5000")));
        assert!(!is_of("http://127.0.0.1:5001", Some("127.0.0.1:5000")));
        assert!(!is_of("https://evil.example", Some("127.0.0.1:5000")));
        assert!(!is_of("null", Some("null")));
        assert!(!is_of("https://evil.example", None));
    }
}
