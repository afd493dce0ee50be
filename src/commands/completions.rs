//! `mlx completions`, and what a shell asks at the prompt: verbs, flags, models, versions and runs.
//!
//! The scripts call this binary with `COMPLETE=<shell>` set, so that they never fall behind it.

use std::time::Duration;

use clap::{Arg, Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;

use super::registry_client;
use crate::cli::{Cli, Globals};
use crate::error::{Error, Result, closest};
use crate::settings::{self, RegistrySettings, env};
use crate::train;

/// The latest versions of a model are what one types.
const VERSIONS: usize = 20;

/// Answer a shell that asks for completions; false where this is an ordinary run.
pub(crate) fn answer_shell() -> bool {
    let here = std::env::current_dir().ok();
    let completed = CompleteEnv::with_factory(command)
        .var(env::COMPLETE)
        .bin("mlx")
        .completer("mlx")
        .try_complete(std::env::args_os(), here.as_deref());
    // A prompt is no place for an error.
    completed.unwrap_or(true)
}

/// The script that makes a shell ask.
pub(crate) fn script(shell: &str) -> Result<String> {
    let shells = Shells::builtins();
    let completer = shells.completer(shell).ok_or_else(|| {
        let error = Error::usage(format!("no completions for a shell named `{shell}`"));
        match closest(shell, shells.names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("there are completions for bash, zsh, fish, powershell and elvish"),
        }
    })?;
    let mut script = Vec::new();
    completer
        .write_registration(env::COMPLETE, "mlx", "mlx", "mlx", &mut script)
        .map_err(|error| Error::bug(format!("cannot write the completion script: {error}")))?;
    String::from_utf8(script)
        .map_err(|error| Error::bug(format!("a completion script is no text: {error}")))
}

/// The command line with what can stand for each model and run.
fn command() -> Command {
    let models = |arg: Arg| arg.add(ArgValueCandidates::new(models));
    let runs = |arg: Arg| arg.add(ArgValueCandidates::new(runs));
    Cli::command()
        .mut_subcommand("eval", |verb| verb.mut_arg("model", models))
        .mut_subcommand("predict", |verb| verb.mut_arg("model", models))
        .mut_subcommand("promote", |verb| verb.mut_arg("model", models))
        .mut_subcommand("rollback", |verb| verb.mut_arg("model", models))
        .mut_subcommand("register", |verb| verb.mut_arg("run", runs))
        .mut_subcommand("train", |verb| verb.mut_arg("resume", runs))
        .mut_subcommand("models", |models_verb| {
            ["show", "history", "pull", "delete"].into_iter().fold(models_verb, |command, name| {
                command.mut_subcommand(name, |verb| verb.mut_arg("model", models))
            })
        })
        .mut_subcommand("runs", |runs_verb| {
            [("show", "run"), ("compare", "runs"), ("rm", "runs")]
                .into_iter()
                .fold(runs_verb, |command, (name, arg)| {
                    command.mut_subcommand(name, |verb| verb.mut_arg(arg, runs))
                })
        })
}

/// The project's runs, newest first, by ids short enough to read.
fn runs() -> Vec<CompletionCandidate> {
    let Ok(Some(project)) = settings::find_project(&Globals::default(), &[]) else {
        return Vec::new();
    };
    let runs = train::run::list(&project.runs(), &|_| {}).unwrap_or_default();
    runs.iter().map(|run| CompletionCandidate::new(run.short_id())).collect()
}

/// Names, versions and environments of the registry's models, where it answers at once.
fn models() -> Vec<CompletionCandidate> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let references = runtime.block_on(async {
        // Whoever presses Tab waits: better nothing than a pause.
        tokio::time::timeout(Duration::from_millis(500), references()).await
    });
    match references {
        Ok(Ok(references)) => references.into_iter().map(CompletionCandidate::new).collect(),
        _ => Vec::new(),
    }
}

async fn references() -> Result<Vec<String>> {
    let globals = Globals::default();
    let project = settings::find_project(&globals, &[])?;
    let remote = registry_client::open(&RegistrySettings::new(&globals, project.as_ref())?).await?;
    let mut references = Vec::new();
    for model in remote.models().await? {
        let name = model.name;
        references
            .extend(model.environments.keys().map(|environment| format!("{name}@{environment}")));
        // Versions count up from 1; what was deleted since is not worth a call a model.
        let latest = model.latest.map_or(0, |version| version.0);
        references
            .extend((1..=latest).rev().take(VERSIONS).map(|version| format!("{name}/{version}")));
        references.push(name);
    }
    Ok(references)
}
