//! `mlx tour`: the whole road in a sandbox, run through this very binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cli::tour::TourArgs;
use crate::error::{Error, ExitCode, Result, closest};
use crate::outcome::tour::{TourOutcome, TourStep};
use crate::settings::env;
use crate::ui::Ui;

/// One command of the tour.
struct Stop {
    why: &'static str,
    /// `NAME` stands for the project.
    words: &'static str,
    /// How the command ends when all is well; a gate that says no is part of the tour.
    ends: ExitCode,
}

const fn stop(why: &'static str, words: &'static str) -> Stop {
    Stop { why, words, ends: ExitCode::Done }
}

/// A template and the name of its project.
const CHAPTERS: &[(&str, &str)] =
    &[("classification", "churn"), ("forecasting", "demand"), ("ranking", "search")];

/// What is typed in the project's folder, once `mlx new` has made it.
const ROAD: &[Stop] = &[
    stop("what the data holds, and what is suspicious about it", "data check"),
    stop("one run, under .mlx/runs; the budget keeps the tour short", "train --budget 5s"),
    stop("the test rows, which no fitting has seen, beside the baselines", "eval"),
    stop("the run's package becomes version 1", "register"),
    stop(
        "version 1 goes live in staging, if the gate of mlx.toml allows it",
        "promote NAME/1 --to staging --reason first",
    ),
    stop("another seed, another model", "train --budget 5s --seed 8"),
    stop("version 2", "register"),
    stop("it replaces version 1", "promote NAME/2 --to staging --reason tour"),
    stop(
        "version 2 misbehaves: back to the last known good, verified before the pointer moves",
        "rollback NAME --env staging --reason misbehaves",
    ),
    stop("who moved what, when and why", "models history NAME"),
    stop("every byte, event and alias of the registry checked", "registry verify"),
];

pub(crate) async fn tour(args: &TourArgs, ui: &Ui) -> Result<TourOutcome> {
    let chapters = chapters(args.template.as_deref())?;
    let sandbox = Sandbox::new(args)?;
    let started = Instant::now();
    let mut steps = Vec::new();
    for (template, name) in chapters {
        ui.tour_chapter(&format!("{template}: a project named {name}"))?;
        let make = format!("new {name} --template {template}");
        let first = (sandbox.path(), "a project that trains as it stands", make, ExitCode::Done);
        let folder = sandbox.path().join(name);
        let road = ROAD
            .iter()
            .map(|stop| (folder.as_path(), stop.why, stop.words.replace("NAME", name), stop.ends));
        for (folder, why, words, ends) in std::iter::once(first).chain(road) {
            let command = format!("mlx {words}");
            ui.tour_step(why, &command)?;
            let step_started = Instant::now();
            let code = sandbox.run(folder, &words, ui).await?;
            if code == ExitCode::Interrupted as i32 {
                return Err(Error::new(ExitCode::Interrupted, "the tour was interrupted"));
            }
            if code != ends as i32 {
                return Err(unexpected(&command, code));
            }
            let seconds = step_started.elapsed().as_secs_f64();
            steps.push(TourStep { template: template.into(), command, exit_code: code, seconds });
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(TourOutcome { steps, seconds, kept: sandbox.kept() })
}

/// A step that ended otherwise than it should. It said why; only what it calls a bug is one.
fn unexpected(command: &str, code: i32) -> Error {
    let what = format!("`{command}` of the tour ended with {code}");
    if code == ExitCode::Bug as i32 {
        return Error::bug(what);
    }
    Error::user(what).hint(
        "it says why above; look at what it left: `mlx tour --keep`, without `--quiet` or `--json`",
    )
}

fn chapters(template: Option<&str>) -> Result<Vec<(&'static str, &'static str)>> {
    let Some(wanted) = template else { return Ok(CHAPTERS.to_vec()) };
    let found: Vec<_> =
        CHAPTERS.iter().copied().filter(|(template, _)| *template == wanted).collect();
    if found.is_empty() {
        let error = Error::usage(format!("no template is named `{wanted}`"));
        return Err(match closest(wanted, CHAPTERS.iter().map(|(template, _)| *template)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("there are classification, forecasting and ranking"),
        });
    }
    Ok(found)
}

/// A folder with a registry and settings of its own, which goes away with the tour.
struct Sandbox {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

impl Sandbox {
    fn new(args: &TourArgs) -> Result<Self> {
        if let Some(folder) = &args.dir {
            std::fs::create_dir_all(folder).map_err(|error| Error::file("make", folder, error))?;
            let mut entries =
                std::fs::read_dir(folder).map_err(|error| Error::file("read", folder, error))?;
            if entries.next().is_some() {
                return Err(Error::user(format!("{} is not empty", folder.display()))
                    .hint("name a folder that isn't there yet: `mlx tour --dir DIR`"));
            }
            let path = folder.canonicalize().map_err(|error| Error::file("find", folder, error))?;
            let temporary = None;
            return Ok(Self { path, temporary });
        }
        let temporary = tempfile::Builder::new()
            .prefix("mlx-tour-")
            .tempdir()
            .map_err(|error| Error::user(format!("cannot make a sandbox folder: {error}")))?;
        if args.keep {
            return Ok(Self { path: temporary.keep(), temporary: None });
        }
        Ok(Self { path: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn kept(&self) -> Option<PathBuf> {
        self.temporary.is_none().then(|| self.path.clone())
    }

    /// Run one command to its end. Ctrl-C reaches it by itself; the tour only waits, and so cleans up.
    async fn run(&self, folder: &Path, words: &str, ui: &Ui) -> Result<i32> {
        let program = std::env::current_exe()
            .map_err(|error| Error::user(format!("cannot tell where mlx itself is: {error}")))?;
        let mut command = Command::new(program);
        command
            .args(words.split(' '))
            .current_dir(folder)
            .env(env::REGISTRY_DATA, self.path.join("registry"))
            .env(env::CACHE, self.path.join("cache"))
            .env(env::CONFIG, self.path.join("config.toml"))
            .stdin(Stdio::null());
        for variable in [env::REGISTRY_URL, env::MLFLOW_TRACKING_URI, env::SEED, env::BUDGET] {
            command.env_remove(variable);
        }
        if ui.json {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        } else if ui.quiet {
            command.arg("--quiet").stdout(Stdio::null());
        }
        let child = command
            .spawn()
            .map_err(|error| Error::user(format!("cannot run `mlx {words}`: {error}")))?;
        let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
        let interrupted = async {
            // The first Ctrl-C is the child's; this handler keeps it from ending the tour.
            while tokio::signal::ctrl_c().await.is_ok() {}
            std::future::pending::<()>().await;
        };
        let output = tokio::select! {
            output = waiting => output,
            () = interrupted => unreachable!("it never ends"),
        };
        match output {
            Ok(Ok(output)) => Ok(output.status.code().unwrap_or(ExitCode::Interrupted as i32)),
            Ok(Err(error)) => Err(Error::user(format!("cannot wait for `mlx {words}`: {error}"))),
            Err(error) => Err(Error::bug(format!("waiting for `mlx {words}` failed: {error}"))),
        }
    }
}
