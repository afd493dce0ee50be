//! `mlx registry serve`: the embedded registry's router behind a socket.

use std::net::SocketAddr;

use serde_json::json;
use tokio::sync::oneshot;

use crate::error::{Error, ExitCode, Result};
use crate::serve::registry::{Identity, router};
use crate::serve::socket;
use crate::store::{Place, Store};
use crate::sys::signals;
use crate::ui::Ui;

pub(super) async fn serve(address: SocketAddr, place: Place, ui: &Ui) -> Result<ExitCode> {
    ui.start_log();
    if !address.ip().is_loopback() {
        ui.warn(
            "this registry has no access control yet: whoever reaches its address can change it",
        );
    }
    let (finish, finished) = oneshot::channel();
    let ui = ui.clone();
    // The command's own runtime has one thread, which is right for a client and not for a server.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let ended = match runtime {
            Ok(runtime) => runtime.block_on(run(address, place, &ui)),
            Err(error) => Err(Error::user(format!("cannot start: {error}"))),
        };
        let _ = finish.send(ended);
    });
    finished.await.map_err(|_| Error::bug("the server's thread ended without a word"))??;
    Ok(ExitCode::Done)
}

async fn run(address: SocketAddr, place: Place, ui: &Ui) -> Result<()> {
    // Both before the first line of output: whoever reads it may connect at once and be answered.
    let store = Store::open_at(&place).await?;
    store.sweep_uploads().await;
    let listener = socket::listen(address).await?;
    let bound = listener
        .local_addr()
        .map_err(|error| Error::user(format!("cannot tell the address: {error}")))?;
    let url = format!("http://{bound}");
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
    let router = router(store.clone(), Identity::Claimed);
    socket::serve(listener, router, signals::asked_to_end()).await?;
    store.close().await;
    if ui.json {
        ui.event(&json!({ "schema": "mlx.registry.serve/1", "event": "finished" }))?;
    } else {
        ui.note("stopped");
    }
    Ok(())
}
