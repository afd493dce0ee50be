//! `mlx train`: one run from data to package, or the rest of one that was interrupted.

mod package;
mod resume;
mod training;

use std::time::{Duration, Instant};

use crate::engine::threads::with_threads;
use crate::error::{Error, ExitCode, Result};
use crate::outcome::train::{TrainOutcome, TrainPlanOutcome};
use crate::settings::Project;
use crate::settings::train::{RunSettings, Start};
use crate::sys::signals::{self, Interrupt};
use crate::train::Event;
use crate::train::lock::Lock;
use crate::train::run::Run;
use crate::train::tensorboard;
use crate::ui::Ui;

use resume::{check_sources, resumable, warn_of_other_machine};
use training::Training;

/// Settings that could not be resolved end the stream of events as any other failure does.
pub(crate) async fn train(settings: Result<RunSettings>, ui: &Ui) -> Result<ExitCode> {
    let answer = match settings {
        Ok(settings) => watched(settings, ui).await,
        Err(error) => Err(error),
    };
    let failed = match answer {
        Ok(Answer::Trained(outcome)) if ui.json => {
            return ui.train_event(&outcome.event()).map(|()| ExitCode::Done);
        }
        Ok(Answer::Trained(outcome)) => return ui.answer(&*outcome),
        Ok(Answer::Planned(outcome)) => return ui.answer(&*outcome),
        Err(error) => error,
    };
    if !ui.json {
        return Err(failed);
    }
    let hint = failed.hint_text().map(str::to_owned);
    ui.train_event(&Event::Error { message: failed.message().to_owned(), hint })?;
    ui.say_failure(&failed);
    Ok(failed.code())
}

enum Answer {
    Trained(Box<TrainOutcome>),
    Planned(Box<TrainPlanOutcome>),
}

/// Fit on a thread of its own while this one listens for Ctrl-C.
async fn watched(settings: RunSettings, ui: &Ui) -> Result<Answer> {
    let began = Instant::now();
    let interrupt = Interrupt::default();
    let (flag, quiet_ui) = (interrupt.clone(), ui.clone());
    let threads = threads(&settings.project)?;
    let mut work = tokio::task::spawn_blocking(move || {
        with_threads(threads, move || prepare(settings, began, &flag, &quiet_ui))
            .and_then(|answer| answer)
    });
    let done = tokio::select! {
        done = &mut work => done,
        () = signals::asked_to_end() => {
            interrupt.set();
            ui.note("stopping after this step; Ctrl-C again stops at once");
            tokio::select! {
                done = &mut work => done,
                // The last checkpoint is whole whenever this happens.
                () = signals::asked_to_end() => std::process::exit(ExitCode::Interrupted as i32),
            }
        }
    };
    done.unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic()))
}

/// How many threads to train on: as many as asked for, or as there are cores.
fn threads(project: &Project) -> Result<usize> {
    const MOST: usize = 1024;
    const KEY: &str = "train.threads";
    match project.settings.train.threads {
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Some(threads @ 1..=MOST) => Ok(threads),
        Some(threads) => {
            let error = Error::user(format!("`{}` is {threads}", project.said_as(KEY)))
                .hint(format!("it may be 1 to {MOST}; leave it out for one a core"));
            Err(project.at_fault(KEY, error))
        }
    }
}

/// Read, decide, and then train.
fn prepare(
    settings: RunSettings,
    began: Instant,
    interrupt: &Interrupt,
    ui: &Ui,
) -> Result<Answer> {
    let RunSettings { mut project, start, dry_run, tensorboard } = settings;
    let resumed = match &start {
        Start::Resume(id) => Some(resumable(&project.runs(), id.as_deref(), ui)?),
        Start::Fresh | Start::Locked => None,
    };
    if let Some((run, _)) = &resumed {
        project.settings = serde_json::from_value(run.manifest.settings.clone())
            .map_err(|error| Error::file("read the settings of", &run.dir, error))?;
    }
    if let Some(dir) = tensorboard.as_deref().filter(|_| !dry_run) {
        tensorboard::check(dir)?;
    }
    let mut training = Training::new(&project, ui)?;
    match &resumed {
        Some((run, _)) => {
            check_sources(run, &training.dataset.sources)?;
            training.limits.replay.clone_from(&run.manifest.replay);
            if run.manifest.replay.is_some() {
                training.limits.cuts.clone_from(&run.manifest.cuts);
            }
        }
        None if start == Start::Locked => {
            let lock = Lock::read(&project.root)?;
            lock.check(&training.now())?;
            warn_of_other_machine(&lock, ui);
            training.limits.replay = Some(lock.replay(&training.course));
            training.limits.cuts = lock.cuts;
        }
        None => {}
    }
    if dry_run {
        return Ok(Answer::Planned(Box::new(training.planned()?)));
    }
    // What can't be learned from is said before there is a run of it.
    let resumed_run = resumed.as_ref().map(|(run, _)| run);
    // What a resumed run reads again was counted when it read it first.
    training.limits.before = resumed_run.map_or_else(
        || began.elapsed(),
        |run| Duration::try_from_secs_f64(run.manifest.before_seconds).unwrap_or_default(),
    );
    let first = training.first(resumed_run)?;
    let (mut run, held) = match resumed {
        Some(found) => found,
        None => Run::create(&project.runs(), |id| training.manifest(id))?,
    };
    // A resumed run goes on telling TensorBoard where it told it before.
    run.manifest.tensorboard = tensorboard.or(run.manifest.tensorboard);
    training
        .carry_out(run, held, first, interrupt, ui)
        .map(|outcome| Answer::Trained(outcome.into()))
}
