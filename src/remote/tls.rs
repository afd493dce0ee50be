//! Whose certificates a server may show: the system's roots, a private CA's beside them, or none.

use std::error::Error as _;
use std::path::Path;

use reqwest::ClientBuilder;

use crate::error::{Error, Result};
use crate::sys::files;

/// Trust the roots of a file in PEM beside the system's.
pub(super) fn trust(client: ClientBuilder, bundle: &Path) -> Result<ClientBuilder> {
    let text = files::read(bundle)?;
    let roots = reqwest::Certificate::from_pem_bundle(&text)
        .ok()
        .filter(|roots| !roots.is_empty())
        .ok_or_else(|| {
            Error::file("read", bundle, "there is no certificate in it")
                .hint("a bundle holds certificates in PEM: `-----BEGIN CERTIFICATE-----`")
        })?;
    Ok(client.tls_certs_merge(roots))
}

/// What to say where the server's certificate is why nothing was sent; trying again would not help.
pub(super) fn distrust(error: &reqwest::Error, address: &str) -> Option<Error> {
    let why = certificate_error(error)?;
    let said = Error::user(format!("{address} does not prove to be who it says: {why}"));
    Some(match why {
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidForName
            | rustls::CertificateError::NotValidForNameContext { .. },
        ) => said.hint("use the name that its certificate is for"),
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. },
        ) => said.hint("its certificate has to be renewed; or this machine's clock is wrong"),
        _ => said.hint(
            "if its CA is your own, name the file of its certificate: `MLX_CA_BUNDLE=ca.pem`",
        ),
    })
}

/// rustls's word about a certificate, which stands somewhere among the causes. An error of input
/// and output that wraps another does not name it as its source.
fn certificate_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        let wrapped = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let found = inner
            .downcast_ref::<rustls::Error>()
            .or_else(|| wrapped.and_then(|wrapped| wrapped.downcast_ref()));
        if let Some(found @ rustls::Error::InvalidCertificate(_)) = found {
            return Some(found);
        }
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    None
}
