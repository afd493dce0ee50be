//! One verb per file: settings in, outcome out. This is where the rooms meet.

mod approve;
mod completions;
mod config;
mod environments;
mod eval;
mod predict;
mod resolve;
mod data_check;
mod new;
mod registry;
mod doctor;
mod tour;
mod gate_check;
mod login;
mod models;
mod promote;
mod register;
pub(crate) mod registry_client;
mod rollback;
mod runs;
mod train;
mod unparsed;

use std::panic::AssertUnwindSafe;

use clap::Parser;

use crate::cli::config::ConfigCommand;
use crate::cli::data::DataCommand;
use crate::cli::models::ModelsCommand;
use crate::cli::{Cli, Command, Globals};
use crate::error::{Error, ExitCode, Result};
use crate::settings;
use crate::settings::RegistrySettings;
use crate::settings::known::Known;
use crate::settings::promote::PromoteSettings;
use crate::settings::register::RegisterSettings;
use crate::settings::rollback::RollbackSettings;
use crate::ui::Ui;

/// Parse the command line, run it, and answer the exit code of the process.
pub(crate) fn main() -> std::process::ExitCode {
    if completions::answer_shell() {
        return std::process::ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed::unparsed(&error),
    };
    let ui = Ui::new(settings::ui(&cli.globals));
    if settings::env::text(settings::env::FUSED).as_deref() == Some("0") {
        crate::engine::use_plain_steps();
    }
    for sentence in settings::variables::unknown() {
        ui.warn(&sentence);
    }
    if let Some(sentence) = settings::registry::trusts_anybody() {
        ui.warn(sentence);
    }
    ui.report_panics();
    let finished = std::panic::catch_unwind(AssertUnwindSafe(|| start(cli, &ui)));
    // What panicked was reported when it did.
    let outcome = finished.unwrap_or(Ok(ExitCode::Bug));
    let code = outcome.unwrap_or_else(|error| {
        ui.fail(&error);
        error.code()
    });
    std::process::ExitCode::from(code as u8)
}

fn start(cli: Cli, ui: &Ui) -> Result<ExitCode> {
    // One thread is enough for a client and starts in microseconds; a server makes its own runtime.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::user(format!("cannot start: {error}")))?;
    runtime.block_on(run(cli, ui))
}

async fn run(cli: Cli, ui: &Ui) -> Result<ExitCode> {
    let globals = &cli.globals;
    match cli.command {
        Command::New(args) => ui.answer(&new::new(&settings::new::new(globals, args)?)?),
        Command::Init(args) => ui.answer(&new::new(&settings::new::init(globals, args)?)?),
        Command::Data(DataCommand::Check(args)) => {
            ui.answer(&data_check::data_check(&settings::data_check::data_check(globals, &args)?)?)
        }
        Command::Train(args) => train::train(settings::train::train(globals, args), ui).await,
        Command::Runs(command) => runs::runs(globals, command, ui),
        Command::Eval(args) => {
            let settings = settings::eval::EvalSettings::new(globals, &args)?;
            ui.answer(&eval::eval(&settings, ui).await?)
        }
        Command::Predict(args) => {
            let settings = settings::predict::PredictSettings::new(globals, &args)?;
            match predict::predict(&settings, ui).await? {
                Some(outcome) => ui.answer(&outcome),
                None => Ok(ExitCode::Done),
            }
        }
        Command::Registry(command) => registry::registry(globals, command, ui).await,
        Command::Register(args) => {
            ui.answer(&register::register(&RegisterSettings::new(globals, &args)?, ui).await?)
        }
        Command::Promote(args) => {
            ui.answer(&promote::promote(&PromoteSettings::new(globals, &args)?, ui).await?)
        }
        Command::Rollback(args) => {
            ui.answer(&rollback::rollback(&RollbackSettings::new(globals, &args)?, ui).await?)
        }
        Command::Env(command) => environments::environments(globals, command, ui).await,
        Command::Approve(args) => approve::approve(globals, &args, ui).await,
        Command::Login(args) => ui.answer(&login::login(globals, &args, ui).await?),
        Command::Logout(args) => ui.answer(&login::logout(globals, &args)?),
        Command::Models(command) => models(globals, command, ui).await,
        Command::Tour(args) => ui.answer(&tour::tour(&args, ui).await?),
        Command::Config(ConfigCommand::Show(args)) => ui.answer(&config::show(globals, &args)?),
        Command::Doctor(_) => ui.answer(&doctor::doctor(globals).await),
        Command::Schema(args) => ui.raw(&schema(&args.file)?),
        Command::Completions(args) => ui.raw(&completions::script(&args.shell)?),
    }
}

async fn models(globals: &Globals, command: ModelsCommand, ui: &Ui) -> Result<ExitCode> {
    let project = settings::find_project(globals, &[])?;
    let registry = RegistrySettings::new(globals, project.as_ref())?;
    match command {
        ModelsCommand::List(_) => ui.answer(&models::list(&registry).await?),
        ModelsCommand::Show(args) => {
            ui.answer(&models::show(&registry, &settings::typed(&args.model)?, ui).await?)
        }
        ModelsCommand::History(args) => match &args.at {
            Some(at) => ui.answer(&models::standing(&registry, &args, at, ui).await?),
            None => ui.answer(&models::history(&registry, &args, ui).await?),
        },
        ModelsCommand::Yank(args) => ui.answer(&models::yank(&registry, &args, ui).await?),
        ModelsCommand::Pull(args) => {
            let here = settings::working_folder(globals)?;
            let output = args.output.as_deref();
            ui.answer(
                &models::pull(&registry, &settings::typed(&args.model)?, output, &here, ui).await?,
            )
        }
        ModelsCommand::Delete(args) => ui.answer(
            &models::delete(&registry, &settings::typed(&args.model)?, args.all, args.dry_run, ui)
                .await?,
        ),
    }
}

fn schema(file: &str) -> Result<String> {
    if file != "mlx.toml" {
        return Err(Error::usage(format!("mlx has no schema for `{file}`"))
            .hint("there is one for `mlx.toml`"));
    }
    Ok(format!("{:#}\n", Known::of_project().schema))
}
