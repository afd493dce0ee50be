//! `mlx train`: one run from data to package, or the rest of one that was interrupted.

use std::path::Path;

use toml::Table;

use crate::data::{self, Dataset, LoadRequest, Source};
use crate::engine::threads::with_threads;
use crate::error::{Context, Error, ExitCode, Result};
use crate::model::contents::PackageContext;
use crate::model::{Example, Model, Package};
use crate::outcome::train::{TrainOutcome, TrainPlanOutcome};
use crate::settings::train::{RunSettings, Start};
use crate::settings::{Project, ProjectSettings};
use crate::sys::signals::{self, Interrupt};
use crate::sys::{clock, device, git, machine};
use crate::train::checkpoint::State;
use crate::train::event::StopReason;
use crate::train::fit::{Ended, Fit, FitPlan, fresh_state};
use crate::train::lock::{Lock, LockedResult, Now, source_differences};
use crate::train::run::{self, GitState, Run, RunLock, RunManifest, Status};
use crate::train::{Event, Learner, learner};
use crate::ui::Ui;
use crate::ui::train::Progress;

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
    let interrupt = Interrupt::default();
    let (flag, quiet_ui) = (interrupt.clone(), ui.clone());
    let threads = threads(&settings.project)?;
    let mut work = tokio::task::spawn_blocking(move || {
        with_threads(threads, move || prepare(settings, &flag, &quiet_ui)).and_then(|answer| answer)
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
fn prepare(settings: RunSettings, interrupt: &Interrupt, ui: &Ui) -> Result<Answer> {
    let RunSettings { mut project, start, dry_run } = settings;
    let resumed = match &start {
        Start::Resume(id) => Some(resumable(&project.runs(), id.as_deref(), ui)?),
        Start::Fresh | Start::Locked => None,
    };
    if let Some((run, _)) = &resumed {
        project.settings = serde_json::from_value(run.manifest.settings.clone())
            .map_err(|error| Error::file("read the settings of", &run.dir, error))?;
    }
    let training = Training::new(&project, ui)?;
    let mut last_step = None;
    match &resumed {
        Some((run, _)) => {
            check_sources(run, &training.dataset.sources)?;
            last_step = run.manifest.last_step;
        }
        None if start == Start::Locked => {
            let lock = Lock::read(&project.root)?;
            lock.check(&training.now())?;
            warn_of_other_machine(&lock, ui);
            last_step = Some(lock.result.steps);
        }
        None => {}
    }
    let plan = training.plan(last_step)?;
    if dry_run {
        return Ok(Answer::Planned(Box::new(training.planned(&plan))));
    }
    let (run, held) = match resumed {
        Some(found) => found,
        None => Run::create(&project.runs(), |id| training.manifest(id, last_step))?,
    };
    training
        .carry_out(run, held, &plan, interrupt, ui)
        .map(|outcome| Answer::Trained(outcome.into()))
}

/// The run to go on with, held from here on.
fn resumable(runs: &Path, id: Option<&str>, ui: &Ui) -> Result<(Run, RunLock)> {
    let run = match id {
        Some(id) => run::find(runs, id)?,
        None => run::latest(runs, Status::Interrupted, &|damaged| ui.warn(damaged))?.ok_or_else(
            || {
                Error::user(format!("no interrupted run in {}", runs.display()))
                    .hint("train anew: `mlx train`")
            },
        )?,
    };
    if run.manifest.status == Status::Finished {
        return Err(Error::user(format!(
            "run {} is finished: nothing is left to resume",
            run.short_id()
        ))
        .hint(format!(
            "train anew: `mlx train`, or look at it: `mlx runs show {}`",
            run.short_id()
        )));
    }
    let held = run.lock()?;
    Ok((run, held))
}

/// A resumed run learns from the bytes that it began with, or not at all.
fn check_sources(run: &Run, now: &[Source]) -> Result<()> {
    let differences = source_differences(&run.manifest.sources, now, "the run");
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::user(format!(
        "the data changed since run {} began:\n  {}",
        run.short_id(),
        differences.join("\n  ")
    ))
    .hint("put the data back, or train anew: `mlx train`"))
}

fn warn_of_other_machine(lock: &Lock, ui: &Ui) {
    let here = machine::instruction_sets();
    if lock.instructions != here {
        ui.warn(&format!(
            "mlx.lock was made on {}, this is {here}: the weights may differ in their last digits",
            lock.instructions
        ));
    }
    if lock.mlx != env!("CARGO_PKG_VERSION") {
        ui.warn(&format!("mlx.lock was made by mlx {}: the weights may differ", lock.mlx));
    }
}

/// Data and learner of a project, ready for the first step.
struct Training<'a> {
    project: &'a Project,
    dataset: Dataset,
    learner: Box<dyn Learner>,
    device: String,
    schema: std::collections::BTreeMap<String, data::ColumnKind>,
    /// The tables of `mlx.toml` that training reads.
    tables: Table,
}

impl<'a> Training<'a> {
    fn new(project: &'a Project, ui: &Ui) -> Result<Self> {
        let settings = &project.settings;
        let (task, seed) = (settings.project.task, settings.train.seed);
        device::check_name(&settings.train.device)
            .map_err(|error| project.at_fault("train.device", error))?;
        let device = device::open(&settings.train.device)?;
        let dataset = data::load(&LoadRequest {
            task,
            settings: &settings.data,
            columns: &settings.columns,
            root: &project.root,
        })?;
        let learner =
            learner::build(task, &dataset, &settings.data, &settings.model, seed, &device)?;
        for notice in dataset.notices.iter().chain(&learner.notices()) {
            ui.note(notice);
        }
        if learner.units() == 0 || learner.valid_units() == 0 {
            return Err(Error::user(format!(
                "{} units to learn from and {} to validate on: training needs both",
                learner.units(),
                learner.valid_units()
            ))
            .hint("give more rows, or change `data.split`"));
        }
        let device = device::name(&device);
        let schema = dataset.kinds();
        Ok(Self { project, dataset, learner, device, schema, tables: tables(settings)? })
    }

    fn now(&self) -> Now<'_> {
        Now {
            kind: self.learner.kind(),
            device: &self.device,
            schema: &self.schema,
            settings: &self.tables,
            data: &self.dataset.sources,
        }
    }

    fn plan(&self, last_step: Option<u64>) -> Result<FitPlan> {
        let train = &self.project.settings.train;
        let defaults = self.learner.defaults();
        let batch = train.batch.unwrap_or(defaults.batch);
        // Of a value that a key can't have: as it was said, and with a value that it can.
        let wrong = |key: &str, value: &dyn std::fmt::Display, wanted: &str| {
            let error = Error::user(format!("{} is {value}", self.project.said_as(key)));
            Err(self.project.at_fault(key, error.hint(format!("give it {wanted}"))))
        };
        for (key, zero) in [
            ("train.batch", batch == 0),
            ("train.max_epochs", train.max_epochs == 0),
            ("train.patience", train.patience == 0),
        ] {
            if zero {
                return wrong(key, &0, &format!("at least 1: `--set {key}=1`"));
            }
        }
        let (rate, decay) = (train.learning_rate, train.weight_decay);
        let unused = [
            ("batch", train.batch.is_some()),
            ("learning_rate", rate.is_some()),
            ("weight_decay", decay.is_some()),
        ];
        if let Some((key, _)) = unused.iter().find(|(_, set)| *set)
            && self.learner.steps_per_epoch().is_some()
        {
            return Err(Error::user(format!(
                "train.{key} means nothing to {}",
                self.learner.kind()
            ))
            .hint("leave it out; what trees can be told stands under [model]"));
        }
        if let Some(rate) = rate.filter(|rate| !(*rate > 0.0 && rate.is_finite())) {
            let wanted = "more than 0, such as `--set train.learning_rate=0.001`";
            return wrong("train.learning_rate", &rate, wanted);
        }
        if let Some(decay) = decay.filter(|decay| !(*decay >= 0.0 && decay.is_finite())) {
            let wanted = "0 or more, such as `--set train.weight_decay=0.01`";
            return wrong("train.weight_decay", &decay, wanted);
        }
        let key = "train.budget";
        let budget = train.budget.as_deref().map(clock::parse_duration).transpose();
        let budget = budget.map_err(|error| {
            self.project.at_fault(key, error.context(format!("in {}", self.project.said_as(key))))
        });
        Ok(FitPlan {
            seed: train.seed,
            max_epochs: train.max_epochs,
            patience: train.patience,
            batch,
            learning_rate: rate.unwrap_or(defaults.learning_rate),
            weight_decay: decay.unwrap_or(defaults.weight_decay),
            budget: budget?,
            last_step,
        })
    }

    fn planned(&self, plan: &FitPlan) -> TrainPlanOutcome {
        let settings = &self.project.settings;
        TrainPlanOutcome {
            model: settings.project.name.to_string(),
            task: settings.project.task,
            kind: self.learner.kind().to_owned(),
            device: self.device.clone(),
            sources: self.dataset.sources.clone(),
            rows: [&self.dataset.train, &self.dataset.valid, &self.dataset.test]
                .map(|table| table.rows),
            columns: self.schema.clone(),
            parameters: self.learner.parameters().count(),
            train_units: self.learner.units(),
            valid_units: self.learner.valid_units(),
            seed: plan.seed,
            batch: plan.batch,
            learning_rate: plan.learning_rate,
            weight_decay: plan.weight_decay,
            max_epochs: plan.max_epochs,
            patience: plan.patience,
            last_step: plan.last_step,
        }
    }

    fn manifest(&self, id: String, last_step: Option<u64>) -> RunManifest {
        let settings = &self.project.settings;
        let git = git::head(&self.project.root);
        RunManifest {
            id,
            status: Status::Running,
            name: settings.project.name.to_string(),
            task: settings.project.task,
            kind: self.learner.kind().to_owned(),
            project_id: settings.project.id.clone(),
            started_ms: clock::now_ms(),
            ended_ms: None,
            seed: settings.train.seed,
            device: self.device.clone(),
            settings: serde_json::to_value(settings).unwrap_or_default(),
            sources: self.dataset.sources.clone(),
            last_step,
            best_epoch: 0,
            epochs: 0,
            steps: 0,
            seconds: 0.0,
            reason: None,
            valid: Vec::new(),
            package_digest: None,
            git: git.map(|(commit, dirty)| GitState { commit, dirty }),
            mlx_version: env!("CARGO_PKG_VERSION").into(),
            error: None,
        }
    }

    /// Train the run to its end. Whatever happens, its manifest says so.
    fn carry_out(
        &self,
        mut run: Run,
        held: RunLock,
        plan: &FitPlan,
        interrupt: &Interrupt,
        ui: &Ui,
    ) -> Result<TrainOutcome> {
        run.manifest.status = Status::Running;
        run.manifest.error = None;
        run.save()?;
        let outcome = self.fit(&mut run, plan, interrupt, ui);
        if let Err(error) = &outcome {
            let interrupted = error.code() == ExitCode::Interrupted;
            run.manifest.status = if interrupted { Status::Interrupted } else { Status::Failed };
            run.manifest.error = (!interrupted).then(|| error.message().to_owned());
            run.manifest.ended_ms = Some(clock::now_ms());
            run.save()?;
        }
        drop(held);
        outcome
    }

    fn fit(
        &self,
        run: &mut Run,
        plan: &FitPlan,
        interrupt: &Interrupt,
        ui: &Ui,
    ) -> Result<TrainOutcome> {
        let learner = self.learner.as_ref();
        let parameters = learner.parameters();
        let state = match State::load(&run.checkpoint_dir(), parameters.device())? {
            Some(state) => state,
            None => fresh_state(learner)?,
        };
        learner
            .restore(&state.weights)
            .context(|| format!("the checkpoint of run {} does not fit", run.short_id()))?;
        let mut log = run.metrics_log(state.progress.epoch)?;
        let mut progress = Progress::new(ui, plan.max_epochs);
        let mut unwritten = Ok(());
        let mut report = |event: Event| {
            progress.show(&event);
            if unwritten.is_ok() && !matches!(event, Event::StepEnded { .. }) {
                unwritten = log.write(&event);
                if unwritten.is_err() {
                    interrupt.set();
                }
            }
        };
        report(Event::Started {
            run: run.manifest.id.clone(),
            model: run.manifest.name.clone(),
            device: self.device.clone(),
            train_units: learner.units(),
            valid_units: learner.valid_units(),
            parameters: parameters.count(),
            max_epochs: plan.max_epochs,
            from_epoch: state.progress.epoch,
        });
        let folder = run.checkpoint_dir();
        let mut fit = Fit::new(learner, plan, state, &folder, interrupt, &mut report)?;
        let ended = fit.run();
        let state = fit.state;
        progress.clear();
        unwritten?;
        let manifest = &mut run.manifest;
        manifest.epochs = state.progress.epoch;
        manifest.steps = state.progress.total_steps;
        manifest.best_epoch = state.progress.best_epoch;
        manifest.seconds = state.progress.seconds;
        manifest.valid.clone_from(&state.progress.best_metrics);
        match ended? {
            Ended::Finished(reason) => {
                let outcome = self.finish(run, &state, reason, ui)?;
                log.write(&outcome.event())?;
                Ok(outcome)
            }
            Ended::Interrupted => Err(Error::new(
                ExitCode::Interrupted,
                format!(
                    "interrupted in epoch {}: run {} keeps its checkpoint",
                    state.progress.epoch + 1,
                    run.short_id()
                ),
            )
            .hint(format!("go on: `mlx train --resume {}`", run.short_id()))),
        }
    }

    /// The best weights as a package, then the lock, and the manifest last: a run killed in between is
    /// interrupted, and resuming it does this again.
    fn finish(
        &self,
        run: &mut Run,
        state: &State,
        reason: StopReason,
        ui: &Ui,
    ) -> Result<TrainOutcome> {
        self.learner.restore(&state.best)?;
        let model = self.learner.model()?;
        let context = PackageContext {
            name: run.manifest.name.clone(),
            owner: self.project.settings.project.owner.clone(),
            lineage: self.lineage(run),
            valid: run.manifest.valid.clone(),
            example: self.example(&model, ui),
        };
        let package = Package::write(&run.package_dir(), &model, &context)?;
        let result = LockedResult {
            epochs: run.manifest.epochs,
            steps: run.manifest.steps,
            best_epoch: run.manifest.best_epoch,
            reason,
            weights_sha256: package.manifest.files["mlx/weights.safetensors"].sha256.clone(),
        };
        let locked = run.manifest.last_step.is_some();
        if locked {
            match Lock::read(&self.project.root) {
                Ok(lock) if lock.result.weights_sha256 == result.weights_sha256 => {}
                Ok(lock) => ui.warn(&format!(
                    "the weights have SHA-256 {}, and mlx.lock records {}",
                    result.weights_sha256, lock.result.weights_sha256
                )),
                Err(error) => ui.warn(&format!("the weights are not checked: {error}")),
            }
        } else {
            let instructions = machine::instruction_sets();
            Lock::new(&self.now(), run.manifest.seed, instructions, result)
                .write(&self.project.root)?;
        }
        let manifest = &mut run.manifest;
        manifest.status = Status::Finished;
        manifest.reason = Some(reason);
        manifest.package_digest = Some(package.digest.clone());
        manifest.ended_ms = Some(clock::now_ms());
        run.save()?;
        Ok(TrainOutcome {
            run: run.manifest.id.clone(),
            model: run.manifest.name.clone(),
            task: run.manifest.task,
            kind: run.manifest.kind.clone(),
            epochs: run.manifest.epochs,
            steps: run.manifest.steps,
            best_epoch: run.manifest.best_epoch,
            reason,
            seconds: run.manifest.seconds,
            valid: run.manifest.valid.clone(),
            package: run.package_dir(),
            package_digest: package.digest,
            locked,
        })
    }

    /// Rows for the package to be checked by. A run is not lost for want of them.
    fn example(&self, model: &Model, ui: &Ui) -> Option<Example> {
        if !self.project.settings.package.example {
            return None;
        }
        match Example::new(model, &self.dataset.train) {
            Ok(example) => Some(example),
            Err(error) => {
                ui.warn(&format!("the package keeps no example: {error}"));
                None
            }
        }
    }

    /// What the model was made from. No time of day and no id of a server: the same commit, data and
    /// settings give the same lineage, but for the run's id.
    fn lineage(&self, run: &Run) -> serde_json::Value {
        let manifest = &run.manifest;
        serde_json::json!({
            "run": manifest.id,
            "git": manifest.git,
            "mlx": manifest.mlx_version,
            "kind": manifest.kind,
            "device": self.device,
            "instructions": machine::instruction_sets(),
            "seed": manifest.seed,
            "epochs": manifest.epochs,
            "steps": manifest.steps,
            "best_epoch": manifest.best_epoch,
            "data": manifest.sources,
            "settings": self.tables,
        })
    }
}

fn tables(settings: &ProjectSettings) -> Result<Table> {
    let mut table = Table::try_from(settings)
        .map_err(|error| Error::bug(format!("settings are no TOML: {error}")))?;
    table.retain(|name, _| ["project", "data", "columns", "model", "train"].contains(&name));
    if let Some(project) = table.get_mut("project").and_then(|project| project.as_table_mut()) {
        project.retain(|name, _| ["name", "task"].contains(&name));
    }
    Ok(table)
}
