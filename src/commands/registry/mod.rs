//! `mlx registry …`: run and look after a registry.

mod copies;
mod gc;
mod import;
mod reconcile;
mod serve;
mod status;
mod token;
mod verify;

use std::path::{Path, PathBuf};

use crate::cli::Globals;
use crate::cli::registry::{PlaceArgs, RegistryCommand};
use crate::error::{Error, ExitCode, Result};
use crate::settings::registry::RegistrySettings;
use crate::settings::serve::ServeSettings;
use crate::settings::{self, RegistryTarget, env};
use crate::store::{Collect, ImportSource, Place};
use crate::sys::{clock, folders};
use crate::ui::Ui;

pub(crate) async fn registry(
    globals: &Globals,
    command: RegistryCommand,
    ui: &Ui,
) -> Result<ExitCode> {
    match command {
        RegistryCommand::Serve(args) => {
            let place = place(globals, &args.place)?;
            serve::serve(ServeSettings::new(globals, &args)?, place, ui).await
        }
        RegistryCommand::Token(command) => token::token(globals, command, ui).await,
        RegistryCommand::Status(_) => ui.answer(&status::status(&in_use(globals)?).await?),
        RegistryCommand::Verify(args) => ui.answer(&if is_said(&args.place) {
            verify::verify_place(&place(globals, &args.place)?).await?
        } else {
            verify::verify(&in_use(globals)?).await?
        }),
        RegistryCommand::Reconcile(args) => {
            ui.answer(&reconcile::reconcile(&in_use(globals)?, &args, ui).await?)
        }
        RegistryCommand::Gc(args) => {
            let what = Collect {
                older_than: clock::parse_duration(&args.older_than)
                    .map_err(|error| error.context("--older-than").into_usage())?,
                least_age: Collect::LEAST_AGE,
                deleted_runs: args.deleted_runs,
                dry_run: args.dry_run,
            };
            ui.answer(&if is_said(&args.place) {
                gc::gc_place(&place(globals, &args.place)?, &what).await?
            } else {
                gc::gc(&in_use(globals)?, &what).await?
            })
        }
        RegistryCommand::Backup(args) => {
            let to = settings::working_folder(globals)?.join(&args.to);
            ui.answer(&copies::backup(&place(globals, &args.place)?, &to).await?)
        }
        RegistryCommand::Restore(args) => {
            let from = settings::working_folder(globals)?.join(&args.from);
            let folder = folder(globals, args.data.as_deref())?;
            ui.answer(&copies::restore(from, &folder, args.replace).await?)
        }
        RegistryCommand::Import(args) => {
            let to = place(globals, &args.place)?;
            let working = settings::working_folder(globals)?;
            let artifacts = args.from_artifacts.map(|artifacts| working.join(artifacts));
            let source = ImportSource {
                database: args.from,
                working,
                artifacts,
                actor: folders::user_name(),
            };
            ui.answer(&import::import(source, &to, ui).await?)
        }
    }
}

/// The registry that every other verb would speak to here.
fn in_use(globals: &Globals) -> Result<RegistrySettings> {
    let project = settings::find_project(globals, &[])?;
    RegistrySettings::new(globals, project.as_ref())
}

/// The registry to open: of flags, of variables, and of the folder for what neither says.
fn place(globals: &Globals, args: &PlaceArgs) -> Result<Place> {
    let said = |flag: &Option<String>, name| flag.clone().or_else(|| env::text(name));
    Place::new(
        &folder(globals, args.data.as_deref())?,
        said(&args.database, env::DATABASE_URL).as_deref(),
        said(&args.artifacts, env::ARTIFACTS_URL).as_deref(),
        &settings::working_folder(globals)?,
        &env::clouds(),
    )
}

/// Does anything say which registry to open, so that it is not the one in use?
fn is_said(args: &PlaceArgs) -> bool {
    args.data.is_some() || args.database.is_some() || args.artifacts.is_some()
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
