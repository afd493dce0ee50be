//! A project's data and course, and the run that they become.

use std::collections::BTreeMap;

use candle_core::Device;
use toml::Table;

use crate::data::{self, Dataset, LoadRequest};
use crate::engine::{Precision, uses_plain_steps};
use crate::error::{Error, ExitCode, Result};
use crate::outcome::train::{PlannedPart, TrainOutcome, TrainPlanOutcome};
use crate::settings::{Project, ProjectSettings};
use crate::sys::signals::Interrupt;
use crate::sys::{clock, device, git, memory};
use crate::train::Event;
use crate::train::course::walk::{self, WalkEnd};
use crate::train::course::{self, Course, Limits, PartRecord, Ready, Situation, Walk};
use crate::train::deadline::Deadline;
use crate::train::estimator::AUTO;
use crate::train::lock::Now;
use crate::train::run::{GitState, Run, RunLock, RunManifest, Status};
use crate::train::tensorboard::TensorBoard;
use crate::ui::Ui;
use crate::ui::progress::Progress;

/// Data and course of a project, ready for the first part.
pub(super) struct Training<'a> {
    pub project: &'a Project,
    pub dataset: Dataset,
    pub course: Course,
    pub limits: Limits,
    pub device_name: String,
    device: Device,
    schema: BTreeMap<String, data::ColumnKind>,
    /// The tables of `mlx.toml` that training reads.
    pub tables: Table,
}

impl<'a> Training<'a> {
    pub(super) fn new(project: &'a Project, ui: &Ui) -> Result<Self> {
        let settings = &project.settings;
        device::check_name(&settings.train.device)
            .map_err(|error| project.at_fault("train.device", error))?;
        let device = device::open(&settings.train.device)?;
        let dataset = data::load(&LoadRequest {
            task: settings.project.task,
            settings: &settings.data,
            columns: &settings.columns,
            root: &project.root,
            means: &project.means()?,
        })?;
        for notice in &dataset.notices {
            ui.note(notice);
        }
        let situation = Situation { dataset: &dataset, data: &settings.data };
        let course =
            course::plan(settings.project.task, &settings.model, settings.train.seed, &situation)?;
        if dataset.stream.is_some() && course.kind == AUTO {
            ui.note("of what `auto` trains, mlp alone learns from rows that are streamed");
        }
        let limits = limits(project, &course, &device)?;
        let device_name = device::name(&device);
        let schema = dataset.kinds();
        let tables = tables(settings)?;
        Ok(Self { project, dataset, course, limits, device_name, device, schema, tables })
    }

    pub(super) fn now(&self) -> Now<'_> {
        Now {
            kind: &self.course.kind,
            device: &self.device_name,
            schema: &self.schema,
            settings: &self.tables,
            data: &self.dataset.sources,
        }
    }

    /// What would be trained; each learner is built, looked at, and dropped.
    pub(super) fn planned(&self) -> Result<TrainPlanOutcome> {
        let settings = &self.project.settings;
        let mut parts = Vec::new();
        for part in &self.course.parts {
            let (learner, _) = self.course.learner(
                part,
                &self.dataset,
                &settings.data,
                &self.device,
                &Deadline::open(),
            )?;
            let plan = self.limits.plan(part, learner.as_ref());
            let last_step =
                self.limits.replay.as_ref().and_then(|replay| replay.get(&part.name)).copied();
            parts.push(PlannedPart {
                part: part.name.clone(),
                kind: part.estimator.kind.to_owned(),
                about: part.estimator.about,
                seed: part.seed,
                parameters: learner.parameters().count(),
                train_units: learner.units(),
                valid_units: learner.valid_units(),
                batch: plan.batch,
                learning_rate: plan.learning_rate,
                weight_decay: plan.weight_decay,
                last_step,
            });
        }
        Ok(TrainPlanOutcome {
            model: settings.project.name.to_string(),
            task: settings.project.task,
            kind: self.course.kind.clone(),
            device: self.device_name.clone(),
            sources: self.dataset.sources.clone(),
            rows: self.dataset.rows(),
            columns: self.schema.clone(),
            parts,
            max_epochs: self.limits.max_epochs,
            patience: self.limits.patience,
            locked: self.limits.replay.is_some(),
        })
    }

    /// The first part, made ready; `resumed` is the run that goes on.
    pub(super) fn first(&self, resumed: Option<&Run>) -> Result<Ready> {
        let data = &self.project.settings.data;
        let folder = resumed.map(Run::checkpoint_dir);
        let Self { course, dataset, device, limits, .. } = self;
        Ready::new(course, dataset, data, device, limits, folder.as_deref())
    }

    pub(super) fn manifest(&self, id: String) -> RunManifest {
        let settings = &self.project.settings;
        let git = git::head(&self.project.root);
        RunManifest {
            id,
            status: Status::Running,
            name: settings.project.name.to_string(),
            task: settings.project.task,
            kind: self.course.kind.clone(),
            project_id: settings.project.id.clone(),
            started_ms: clock::now_ms(),
            ended_ms: None,
            seed: settings.train.seed,
            device: self.device_name.clone(),
            settings: serde_json::to_value(settings).unwrap_or_default(),
            sources: self.dataset.sources.clone(),
            replay: self.limits.replay.clone(),
            before_seconds: self.limits.before.as_secs_f64(),
            cuts: self.limits.cuts.clone(),
            best_epoch: 0,
            epochs: 0,
            steps: 0,
            seconds: 0.0,
            peak_memory_bytes: None,
            tensorboard: None,
            reason: None,
            valid: Vec::new(),
            parts: Vec::new(),
            choice: None,
            package_digest: None,
            git: git.map(|(commit, dirty)| GitState { commit, dirty }),
            mlx_version: env!("CARGO_PKG_VERSION").into(),
            error: None,
        }
    }

    /// Train the run to its end. Whatever happens, its manifest says so.
    pub(super) fn carry_out(
        &self,
        mut run: Run,
        held: RunLock,
        first: Ready,
        interrupt: &Interrupt,
        ui: &Ui,
    ) -> Result<TrainOutcome> {
        run.manifest.status = Status::Running;
        run.manifest.error = None;
        run.save()?;
        let outcome = self.walk(&mut run, first, interrupt, ui);
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

    fn walk(
        &self,
        run: &mut Run,
        first: Ready,
        interrupt: &Interrupt,
        ui: &Ui,
    ) -> Result<TrainOutcome> {
        let folder = run.checkpoint_dir();
        let reached = walk::reached(&self.course, &folder)?;
        let mut log = run.metrics_log(&reached)?;
        let mut board =
            run.manifest.tensorboard.as_deref().map(|dir| TensorBoard::new(dir, run, &reached));
        let mut progress = Progress::new(ui);
        let mut unwritten = Ok(());
        let mut report = |event: Event| {
            progress.show(&event);
            if unwritten.is_ok() {
                unwritten = log.write(&event);
                if let (Ok(()), Some(board)) = (&unwritten, &mut board) {
                    unwritten = board.write(&event);
                }
                if unwritten.is_err() {
                    interrupt.set();
                }
            }
        };
        report(Event::Started {
            run: run.manifest.id.clone(),
            model: run.manifest.name.clone(),
            device: self.device_name.clone(),
            parts: self.course.parts.iter().map(|part| part.name.clone()).collect(),
            max_epochs: self.limits.max_epochs,
            patience: self.limits.patience,
            resumed: !reached.is_empty(),
        });
        let walk = Walk {
            course: &self.course,
            dataset: &self.dataset,
            data: &self.project.settings.data,
            device: &self.device,
            limits: &self.limits,
            folder: &folder,
            interrupt,
            report: &mut report,
        };
        let walked = walk.run(first);
        progress.clear();
        run.manifest.saw_memory(memory::peak_bytes());
        unwritten?;
        let walked = walked?;
        note(&mut run.manifest, walked.records);
        if self.limits.replay.is_none() {
            run.manifest.cuts = walked.cuts;
        }
        match walked.end {
            WalkEnd::Finished(finished) => {
                let outcome = self.finish(run, *finished, ui)?;
                log.write(&outcome.event())?;
                Ok(outcome)
            }
            WalkEnd::Interrupted { part, epochs } => {
                let of =
                    if self.course.parts.len() > 1 { format!(" of {part}") } else { String::new() };
                Err(Error::new(
                    ExitCode::Interrupted,
                    format!(
                        "interrupted in epoch {}{of}: run {} keeps its checkpoint",
                        epochs + 1,
                        run.short_id()
                    ),
                )
                .hint(format!("go on: `mlx train --resume {}`", run.short_id())))
            }
        }
    }
}

/// What the parts have come to, in the manifest.
fn note(manifest: &mut RunManifest, records: Vec<PartRecord>) {
    manifest.epochs = records.iter().map(|part| part.epochs).sum();
    manifest.steps = records.iter().map(|part| part.steps).sum();
    manifest.seconds = records.iter().map(|part| part.seconds).sum();
    let trained = records.iter().rev().find(|part| part.left_out.is_none());
    if let Some(last) = trained {
        manifest.best_epoch = last.best_epoch;
        manifest.valid.clone_from(&last.valid);
    }
    manifest.parts = records;
}

/// What `[train]` says, each value one that can be.
fn limits(project: &Project, course: &Course, device: &Device) -> Result<Limits> {
    let train = &project.settings.train;
    // Of a value that a key can't have: as it was said, and with a value that it can.
    let wrong = |key: &str, value: &dyn std::fmt::Display, wanted: &str| {
        let error = Error::user(format!("{} is {value}", project.said_as(key)));
        Err(project.at_fault(key, error.hint(format!("give it {wanted}"))))
    };
    for (key, zero) in [
        ("train.batch", train.batch == Some(0)),
        ("train.max_epochs", train.max_epochs == 0),
        ("train.patience", train.patience == 0),
    ] {
        if zero {
            return wrong(key, &0, &format!("at least 1: `--set {key}=1`"));
        }
    }
    let (rate, decay) = (train.learning_rate, train.weight_decay);
    let set = [
        ("batch", train.batch.is_some()),
        ("learning_rate", rate.is_some()),
        ("weight_decay", decay.is_some()),
    ];
    if let Some((key, _)) = set.iter().find(|(_, set)| *set)
        && !course.parts.iter().any(|part| part.estimator.descends)
    {
        return Err(Error::user(format!("train.{key} means nothing to {}", course.kind))
            .hint(format!("leave it out; what {} can be told stands under [model]", course.kind)));
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
        project.at_fault(key, error.context(format!("in {}", project.said_as(key))))
    });
    Ok(Limits {
        max_epochs: train.max_epochs,
        patience: train.patience,
        batch: train.batch,
        learning_rate: rate,
        weight_decay: decay,
        precision: precision(project, course, device)?,
        budget: budget?,
        ..Limits::default()
    })
}

/// `train.precision`, where there is something that can train in it.
fn precision(project: &Project, course: &Course, device: &Device) -> Result<Precision> {
    const KEY: &str = "train.precision";
    let precision = project.settings.train.precision;
    if precision == Precision::Float32 {
        return Ok(precision);
    }
    let (said, name, kind) = (project.said_as(KEY), precision.name(), &course.kind);
    if !course.parts.iter().any(|part| part.estimator.takes_precision()) {
        let error =
            Error::user(format!("{said} is {name}, and {kind} is trained in float32 alone"));
        return Err(project.at_fault(KEY, error.hint("leave it out")));
    }
    // Plain steps are those of a GPU, wherever they run.
    if device.is_cpu() && !uses_plain_steps() {
        let error = Error::user(format!("{said} is {name}, and the CPU trains in float32 alone"));
        let hint = "it is for GPUs: `--device cuda` or `--device metal`; else leave it out";
        return Err(project.at_fault(KEY, error.hint(hint)));
    }
    Ok(precision)
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
