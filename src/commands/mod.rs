//! One verb per file: settings in, outcome out. This is where the rooms meet.

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::error::{Error, ExitCode, Result};
use crate::settings;
use crate::ui::Ui;

/// Parse the command line, run it, and answer the exit code of the process.
pub(crate) fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
            return std::process::ExitCode::from(code as u8);
        }
    };
    let ui = Ui::new(settings::ui(&cli.globals));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli, &ui)),
        Err(error) => Err(Error::user(format!("cannot start: {error}"))),
    };
    let code = outcome.unwrap_or_else(|error| {
        ui.fail(&error);
        error.code()
    });
    std::process::ExitCode::from(code as u8)
}

async fn run(cli: Cli, _ui: &Ui) -> Result<ExitCode> {
    let _globals = &cli.globals;
    // Until a verb is built, its arm says so.
    let unbuilt = |verb: &str| Err(Error::bug(format!("`mlx {verb}` is not built yet")));
    match cli.command {
        Command::New(_) => unbuilt("new"),
        Command::Init(_) => unbuilt("init"),
        Command::Data(_) => unbuilt("data"),
        Command::Train(_) => unbuilt("train"),
        Command::Runs(_) => unbuilt("runs"),
        Command::Eval(_) => unbuilt("eval"),
        Command::Predict(_) => unbuilt("predict"),
        Command::Register(_) => unbuilt("register"),
        Command::Promote(_) => unbuilt("promote"),
        Command::Rollback(_) => unbuilt("rollback"),
        Command::Models(_) => unbuilt("models"),
        Command::Registry(_) => unbuilt("registry"),
        Command::Tour(_) => unbuilt("tour"),
        Command::Config(_) => unbuilt("config"),
        Command::Doctor(_) => unbuilt("doctor"),
        Command::Schema(_) => unbuilt("schema"),
        Command::Completions(_) => unbuilt("completions"),
    }
}
