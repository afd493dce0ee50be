//! TLS by rustls: a certificate and its key from files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::{Error, Result};
use crate::sys::files;

/// What the server shows to prove who it is.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// From PEM files: the certificate with those that lead to its root, and its private key.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self> {
        let chain = certificates(certificate)?;
        let private = PrivateKeyDer::from_pem_slice(&files::read(key)?).map_err(|error| {
            Error::file("read", key, shown(&error))
                .hint("it holds one private key in PEM: `-----BEGIN PRIVATE KEY-----`")
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|error| {
                let (certificate, key) = (certificate.display(), key.display());
                Error::user(format!("cannot serve TLS with {certificate} and {key}: {error}"))
                    .hint("the key must be that of the first certificate in the file")
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let hint = "it holds certificates in PEM: `-----BEGIN CERTIFICATE-----`";
    let text = files::read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::file("read", path, shown(&error)).hint(hint))?;
    if chain.is_empty() {
        return Err(Error::file("read", path, "there is no certificate in it").hint(hint));
    }
    Ok(chain)
}

fn shown(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is no private key in it".into(),
        // Others may repeat what is in the file.
        pem::Error::Base64Decode(_) => "its base64 is broken".into(),
        _ => "it is not PEM".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_or_no_key_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let make = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let (one, other) = (make(), make());
        let cert = file("cert.pem", &one.cert.pem());
        let key = file("key.pem", &one.signing_key.serialize_pem());
        let foreign = file("foreign.pem", &other.signing_key.serialize_pem());
        let text = file("text.pem", "a letter");
        assert!(Tls::load(&cert, &key).is_ok());
        for (cert, key, said) in [
            (&cert, &foreign, "cannot serve TLS"),
            (&text, &key, "there is no certificate in it"),
            (&cert, &text, "there is no private key in it"),
            (&cert, &cert, "there is no private key in it"),
            (&cert, &folder.path().join("nowhere"), "cannot read"),
        ] {
            let error = Tls::load(cert, key).err().expect("refused");
            assert!(error.message().contains(said), "{said}: {error}");
        }
    }
}
