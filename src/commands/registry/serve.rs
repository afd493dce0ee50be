//! `mlx registry serve`: the embedded registry's router behind a socket.

use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ExitCode, Result};
use crate::registry::access::Standing;
use crate::serve::registry::{Hosts, Identity, Reach, plain, served};
use crate::serve::socket::{self, Limits, Tls};
use crate::settings::serve::{ServeSettings, TokenPlace};
use crate::store::{Place, Store, Sweeper, Tokens};
use crate::sys::{clock, signals};
use crate::ui::Ui;

pub(super) async fn serve(settings: ServeSettings, place: Place, ui: &Ui) -> Result<ExitCode> {
    ui.start_log();
    let (finish, finished) = oneshot::channel();
    let ui = ui.clone();
    // The command's own runtime has one thread, which is right for a client and not for a server.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let ended = match runtime {
            Ok(runtime) => runtime.block_on(run(settings, place, &ui)),
            Err(error) => Err(Error::user(format!("cannot start: {error}"))),
        };
        let _ = finish.send(ended);
    });
    finished.await.map_err(|_| Error::bug("the server's thread ended without a word"))??;
    Ok(ExitCode::Done)
}

async fn run(settings: ServeSettings, place: Place, ui: &Ui) -> Result<()> {
    let ServeSettings { address, auth, tls, connections, no_auth, webhooks, plain: is_plain } =
        settings;
    let tls = tls.map(|(certificate, key)| Tls::load(&certificate, &key)).transpose()?;
    // Both before the first line of output: whoever reads it may connect at once and be answered.
    let store = Store::open_at(&place).await?;
    let local = address.ip().is_loopback();
    let identity = match auth {
        None => Identity::Claimed(if no_auth { Hosts::Any } else { Hosts::Local }),
        Some(kept) => Identity::Tokens(tokens(kept, &store, ui).await?),
    };
    warn(&identity, local, tls.is_some(), ui);
    let listener = socket::listen(address).await?;
    let bound = listener
        .local_addr()
        .map_err(|error| Error::user(format!("cannot tell the address: {error}")))?;
    let url = format!("{}://{bound}", if tls.is_some() { "https" } else { "http" });
    if ui.json {
        ui.event(&json!({
            "schema": "mlx.registry.serve/1", "event": "listening", "url": url, "data": place.to_string(),
        }))?;
    } else {
        ui.raw(&format!("listening on {url}\n"))?;
        ui.note(&format!(
            "the registry in {place}; point clients at it with MLX_REGISTRY_URL={url}"
        ));
    }
    let reach = Reach { private: webhooks.private, http: webhooks.http };
    let (mut router, deliveries) = served(store.clone(), identity, reach);
    let sweeping = tokio::spawn(sweep(store.clone()));
    if is_plain {
        router = plain(router);
    }
    let stop = CancellationToken::new();
    let delivering = tokio::spawn(deliveries.run(stop.clone()));
    let limits = Limits { connections, ..Limits::default() };
    let ended = socket::serve(listener, router, tls, limits, signals::asked_to_end()).await;
    stop.cancel();
    let _ = delivering.await;
    sweeping.abort();
    ended?;
    store.close().await;
    if ui.json {
        ui.event(&json!({ "schema": "mlx.registry.serve/1", "event": "finished" }))?;
    } else {
        ui.note("stopped");
    }
    Ok(())
}

/// Tokens that can be read, so that a server that knows nobody doesn't start in silence.
async fn tokens(place: TokenPlace, store: &Store, ui: &Ui) -> Result<Tokens> {
    let (tokens, flag) = match place {
        TokenPlace::File(path) => {
            let flag = format!(" --auth {}", path.display());
            (Tokens::in_file(path), flag)
        }
        TokenPlace::Database => (Tokens::in_database(store.clone()), String::new()),
    };
    let now = clock::now_ms();
    if !tokens.all().await?.iter().any(|token| token.standing(now) == Standing::Good) {
        ui.warn(&format!(
            "no token is good, so nobody will be let in: `mlx registry token create NAME --role admin{flag}`"
        ));
    }
    Ok(tokens)
}

fn warn(identity: &Identity, local: bool, tls: bool, ui: &Ui) {
    match identity {
        _ if local => {}
        Identity::Tokens(_) if !tls => ui.warn(
            "tokens and models travel in the clear: give `--tls-cert` and `--tls-key`, or let a proxy before this server do TLS",
        ),
        Identity::Tokens(_) => {}
        _ => ui.warn("nobody is asked who they are: whoever reaches this address can change everything"),
    }
}

/// Give up uploads that nobody goes on with, as long as the server runs.
async fn sweep(store: Store) {
    let mut sweeper = Sweeper::new(store);
    loop {
        if let Err(failure) = sweeper.sweep().await {
            tracing::warn!("cannot clear away old uploads: {}", failure.into_error());
        }
        tokio::time::sleep(Sweeper::EVERY).await;
    }
}
