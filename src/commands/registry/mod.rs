//! `mlx registry …`: run and look after a registry.

mod copies;
mod serve;
mod verify;

use std::path::{Path, PathBuf};

use crate::cli::Globals;
use crate::cli::registry::RegistryCommand;
use crate::error::{Error, ExitCode, Result};
use crate::settings::{self, RegistryTarget};
use crate::ui::Ui;

pub(crate) async fn registry(
    globals: &Globals,
    command: RegistryCommand,
    ui: &Ui,
) -> Result<ExitCode> {
    match command {
        RegistryCommand::Serve(args) => {
            let folder = folder(globals, args.data.as_deref())?;
            serve::serve((args.host, args.port).into(), folder, ui).await
        }
        RegistryCommand::Status(_) => Err(Error::bug("not built yet")),
        RegistryCommand::Verify(args) => {
            let folder = folder(globals, args.data.as_deref())?;
            ui.answer(&verify::verify_folder(&folder).await?)
        }
        RegistryCommand::Backup(args) => {
            let to = settings::working_folder(globals)?.join(&args.to);
            let folder = folder(globals, args.data.as_deref())?;
            ui.answer(&copies::backup(folder, &to).await?)
        }
        RegistryCommand::Restore(args) => {
            let from = settings::working_folder(globals)?.join(&args.from);
            let folder = folder(globals, args.data.as_deref())?;
            ui.answer(&copies::restore(from, &folder, args.replace).await?)
        }
    }
}

/// The folder to work on: `--data`, or that of the registry in use if it is not behind an address.
fn folder(globals: &Globals, data: Option<&Path>) -> Result<PathBuf> {
    if let Some(data) = data {
        return Ok(settings::working_folder(globals)?.join(data));
    }
    if globals.registry.is_none() {
        // `serve`, `backup` and `restore` are for the machine that has the folder, whatever the
        // project's registry is.
        return settings::embedded_folder();
    }
    match settings::registry(globals, None)? {
        RegistryTarget::Embedded(folder) => Ok(folder),
        RegistryTarget::Remote(url) => {
            Err(Error::user(format!("{url} is a server, and this works on a registry's folder"))
                .hint("run it on the server's machine: `--data DIR`"))
        }
    }
}
