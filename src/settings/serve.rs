//! `mlx registry serve` as meant: where, and who may ask.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::working_folder;
use crate::cli::Globals;
use crate::cli::registry::{RegistryServeArgs, WebhooksAllow};
use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub(crate) struct ServeSettings {
    pub address: SocketAddr,
    /// None: nobody is asked who they are.
    pub auth: Option<TokenPlace>,
    /// The files of the certificate and of its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub connections: usize,
    /// Whether it was said that all may, whoever they are.
    pub no_auth: bool,
    /// Without mlx's extension of MLflow's REST API.
    pub plain: bool,
    pub webhooks: WebhooksAllowed,
}

/// Where webhooks may go beyond HTTPS to the public network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WebhooksAllowed {
    pub private: bool,
    pub http: bool,
}

/// Where tokens are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenPlace {
    File(PathBuf),
    /// In the registry's own.
    Database,
}

impl TokenPlace {
    /// The word that means the database; a file of that name is `./database`.
    const DATABASE: &str = "database";

    pub(crate) fn new(globals: &Globals, auth: &Path) -> Result<Self> {
        if auth == Path::new(Self::DATABASE) {
            return Ok(Self::Database);
        }
        Ok(Self::File(working_folder(globals)?.join(auth)))
    }
}

impl ServeSettings {
    pub(crate) fn new(globals: &Globals, args: &RegistryServeArgs) -> Result<Self> {
        if !args.host.is_loopback() && args.auth.is_none() && !args.no_auth {
            return Err(Error::usage(format!(
                "{} can be reached from other machines, and nobody would be asked who they are",
                args.host
            ))
            .hint(
                "ask for tokens: `--auth FILE` (make the first: `mlx registry token create NAME --role admin --auth FILE`), or say that all may: `--no-auth`",
            ));
        }
        let here = working_folder(globals)?;
        let auth = args.auth.as_deref().map(|auth| TokenPlace::new(globals, auth)).transpose()?;
        let tls = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
        Ok(Self {
            address: (args.host, args.port).into(),
            auth,
            tls: tls.map(|(certificate, key)| (here.join(certificate), here.join(key))),
            connections: args.connections as usize,
            no_auth: args.no_auth,
            plain: args.plain,
            webhooks: WebhooksAllowed {
                private: args.webhooks_allow.contains(&WebhooksAllow::Private),
                http: args.webhooks_allow.contains(&WebhooksAllow::Http),
            },
        })
    }
}
