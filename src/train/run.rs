//! Runs on disk: `.mlx/runs/<id>/` with its manifest, metrics, checkpoint and package.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::checkpoint::Progress;
use super::course::{Cuts, PartRecord, Replay};
use super::event::{Event, StopReason};
use crate::data::{Source, Task};
use crate::error::{Error, Result};
use crate::model::choice::Choice;
use crate::sys::{files, random};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Running,
    /// Stopped before its end; `mlx train --resume` goes on.
    Interrupted,
    Finished,
    Failed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }
}

/// `manifest.json`: what a run is and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunManifest {
    /// 32 lower-case hexadecimal digits.
    pub id: String,
    pub status: Status,
    /// The project's name, and so the model's.
    pub name: String,
    pub task: Task,
    /// The estimator, as in `model.kind`.
    pub kind: String,
    pub project_id: Option<String>,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    pub ended_ms: Option<i64>,
    pub seed: u64,
    pub device: String,
    /// `mlx.toml` as it was resolved.
    pub settings: serde_json::Value,
    /// The files that were read, with their digests.
    pub sources: Vec<Source>,
    /// The steps that the parts of a locked run are to end with.
    #[serde(default)]
    pub replay: Option<Replay>,
    /// Of the part that counts most.
    pub best_epoch: usize,
    /// Of all parts together, as are steps and seconds.
    pub epochs: usize,
    pub steps: u64,
    /// Seconds of fitting.
    pub seconds: f64,
    /// The most memory that its process held at once; absent where the system doesn't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    pub reason: Option<StopReason>,
    /// Validation metrics of the model, the most telling first.
    pub valid: Vec<(String, f64)>,
    /// What the budget took before the first part, in seconds: the command's start, reading the data.
    #[serde(default)]
    pub before_seconds: f64,
    /// What the budget cut of making one model of the parts, and after how many steps; of a locked run, what is to
    /// be cut.
    #[serde(default, skip_serializing_if = "Cuts::is_empty")]
    pub cuts: Cuts,
    /// What was trained, in this order.
    #[serde(default)]
    pub parts: Vec<PartRecord>,
    /// How the parts became one model.
    #[serde(default)]
    pub choice: Option<Choice>,
    pub package_digest: Option<String>,
    /// Where TensorBoard is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<PathBuf>,
    pub git: Option<GitState>,
    pub mlx_version: String,
    pub error: Option<String>,
}

impl RunManifest {
    /// Take in what a sitting held at its peak: the run's is the largest.
    pub(crate) fn saw_memory(&mut self, peak_bytes: Option<u64>) {
        self.peak_memory_bytes = self.peak_memory_bytes.max(peak_bytes);
    }
}

/// The commit that a run was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GitState {
    pub commit: String,
    /// Whether files differed from the commit; `mlx.lock` doesn't count.
    pub dirty: bool,
}

/// A run's folder, with its manifest as it was when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub dir: PathBuf,
    pub manifest: RunManifest,
}

/// Held while a run is worked on: by the operating system, so that no crash leaves it behind.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl Run {
    /// A new run under `runs`, with an id of its own.
    pub(crate) fn create(
        runs: &Path,
        manifest: impl FnOnce(String) -> RunManifest,
    ) -> Result<(Self, RunLock)> {
        let id = random::hex_id(16);
        let dir = runs.join(&id);
        fs::create_dir_all(&dir).map_err(|error| Error::io("make", &dir, &error))?;
        let run = Self { manifest: manifest(id), dir };
        let lock = run.lock()?;
        run.save()?;
        Ok((run, lock))
    }

    /// Work on this run, and nobody else until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<RunLock> {
        let path = self.dir.join("lock");
        let file = open_lock(&path)?;
        // Whoever lists runs holds a lock for an instant, to see whether it is free.
        for _ in 0..10 {
            match file.try_lock() {
                Ok(()) => return Ok(RunLock { _file: file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, &error)),
            }
        }
        Err(Error::user(format!("run {} is being worked on by another mlx", self.short_id()))
            .hint("wait for it to end, or stop it"))
    }

    pub(crate) fn save(&self) -> Result<()> {
        let json = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| Error::bug(format!("cannot write a run's manifest: {error}")))?;
        files::write_atomic(&self.dir.join("manifest.json"), &json)
    }

    /// Take the run off the disk, unless somebody works on it.
    pub(crate) fn remove(&self) -> Result<()> {
        let held = self.lock()?;
        // The manifest goes first: what is left of a removal that was cut short is no run.
        let manifest = self.dir.join("manifest.json");
        fs::remove_file(&manifest).map_err(|error| Error::file("remove", &manifest, error))?;
        drop(held);
        fs::remove_dir_all(&self.dir).map_err(|error| Error::file("remove", &self.dir, error))
    }

    pub(crate) fn package_dir(&self) -> PathBuf {
        self.dir.join("package")
    }

    pub(crate) fn checkpoint_dir(&self) -> PathBuf {
        self.dir.join("checkpoint")
    }

    pub(crate) fn metrics_file(&self) -> PathBuf {
        self.dir.join("metrics.jsonl")
    }

    /// As much of the id as people type.
    pub(crate) fn short_id(&self) -> &str {
        &self.manifest.id[..8]
    }

    /// The events of `metrics.jsonl`; a last line that was cut off is left out.
    pub(crate) fn events(&self) -> Result<Vec<Event>> {
        let path = self.metrics_file();
        if !path.is_file() {
            return Ok(Vec::new());
        }
        let text = files::read_text(&path)?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// The log of metrics to append to. What a resumed run will tell again is cut off: epochs after those that a
    /// part has `reached`, the ends of parts, and what was made of them.
    pub(crate) fn metrics_log(&self, reached: &BTreeMap<String, Progress>) -> Result<MetricsLog> {
        let path = self.metrics_file();
        let mut kept = String::new();
        for event in self.events()? {
            let again = match &event {
                Event::EpochEnded { part, epoch, .. } => {
                    reached.get(part).is_none_or(|reached| *epoch > reached.epoch)
                }
                Event::PartEnded { .. } | Event::PartLeftOut { .. } | Event::Chosen { .. } => true,
                _ => false,
            };
            if !again {
                kept.push_str(&line(&event)?);
            }
        }
        files::write_atomic(&path, kept.as_bytes())?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|error| Error::io("write", &path, &error))?;
        Ok(MetricsLog { path, file })
    }

    fn read(dir: PathBuf) -> Result<Self> {
        let path = dir.join("manifest.json");
        let mut manifest: RunManifest =
            serde_json::from_slice(&files::read(&path)?).map_err(|error| {
                Error::file("read", &path, error)
                    .hint(format!("the run is damaged: remove its folder, {}", dir.display()))
            })?;
        // Ids become names of files, and people see the start of them.
        let id = &manifest.id;
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::file("read", &path, format!("`{id}` is not the id of a run"))
                .hint(format!("the run is damaged: remove its folder, {}", dir.display())));
        }
        // Nobody holds the lock of a run whose process was killed.
        if manifest.status == Status::Running && !is_locked(&dir.join("lock")) {
            manifest.status = Status::Interrupted;
        }
        let mut run = Self { dir, manifest };
        if matches!(run.manifest.status, Status::Running | Status::Interrupted) {
            run.catch_up()?;
        }
        Ok(run)
    }

    /// The manifest tells of epochs once the run ended; until then its events do.
    fn catch_up(&mut self) -> Result<()> {
        let mut epochs = BTreeMap::new();
        for event in self.events()? {
            if let Event::EpochEnded {
                part,
                epoch,
                valid,
                best_epoch,
                improved,
                peak_memory_bytes,
                ..
            } = event
            {
                epochs.insert(part, epoch);
                self.manifest.saw_memory(peak_memory_bytes);
                self.manifest.best_epoch = best_epoch;
                if improved {
                    self.manifest.valid = valid;
                }
            }
        }
        self.manifest.epochs = epochs.values().sum();
        Ok(())
    }
}

/// `metrics.jsonl`, one event a line while training goes.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Steps are too many to be kept.
    pub(crate) fn write(&mut self, event: &Event) -> Result<()> {
        if matches!(event, Event::StepEnded { .. }) {
            return Ok(());
        }
        self.file
            .write_all(line(event)?.as_bytes())
            .map_err(|error| Error::io("write", &self.path, &error))
    }
}

fn line(event: &Event) -> Result<String> {
    let json = serde_json::to_string(event)
        .map_err(|error| Error::bug(format!("cannot write an event: {error}")))?;
    Ok(json + "\n")
}

/// What is in a folder of runs.
struct Found {
    /// Newest first.
    runs: Vec<Run>,
    /// The folders whose manifest is damaged or can't be read, and what is wrong.
    damaged: Vec<(PathBuf, Error)>,
}

/// Look at every folder. One without a manifest is no run: it is made first, and removed last.
fn look(runs: &Path) -> Result<Found> {
    let mut found = Found { runs: Vec::new(), damaged: Vec::new() };
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(Error::file("read", runs, error)),
    };
    for entry in entries {
        let dir = entry.map_err(|error| Error::file("read", runs, error))?.path();
        let manifest = dir.join("manifest.json");
        match fs::metadata(&manifest) {
            Ok(file) if file.is_file() => match Run::read(dir.clone()) {
                Ok(run) => found.runs.push(run),
                Err(error) => found.damaged.push((dir, error)),
            },
            Err(error)
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                found.damaged.push((dir, Error::io("read", &manifest, &error)));
            }
            _ => {}
        }
    }
    found.runs.sort_by(|a, b| {
        b.manifest
            .started_ms
            .cmp(&a.manifest.started_ms)
            .then_with(|| a.manifest.id.cmp(&b.manifest.id))
    });
    found.damaged.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// The project's runs, newest first. One that is damaged is passed over, and `warn` is told: the
/// others are no worse for it.
pub(crate) fn list(runs: &Path, warn: &dyn Fn(&str)) -> Result<Vec<Run>> {
    let found = look(runs)?;
    for (_, error) in &found.damaged {
        warn(&format!("{error}; this run is passed over"));
    }
    Ok(found.runs)
}

/// The run of this id, or of the only id that starts so.
pub(crate) fn find(runs: &Path, id: &str) -> Result<Run> {
    let id = id.to_ascii_lowercase();
    let Found { runs: mut whole, mut damaged } = look(runs)?;
    whole.retain(|run| run.manifest.id.starts_with(&id));
    // A damaged manifest tells no id; its folder has the same name.
    damaged.retain(|(dir, _)| {
        dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&id))
    });
    match (whole.len() + damaged.len(), whole.pop(), damaged.pop()) {
        (1, Some(run), _) => Ok(run),
        (1, None, Some((_, error))) => Err(error),
        (0, ..) => Err(Error::user(format!("no run `{id}` in {}", runs.display()))
            .hint("list the runs: `mlx runs list`")),
        (count, ..) => Err(Error::user(format!("{count} runs start with `{id}`"))
            .hint("write more of the id: `mlx runs list` shows them")),
    }
}

/// What is meant where a run is left out.
pub(crate) fn latest_finished(runs: &Path, warn: &dyn Fn(&str)) -> Result<Run> {
    latest(runs, Status::Finished, warn)?.ok_or_else(|| {
        Error::user(format!("no finished run in {}", runs.display())).hint("train one: `mlx train`")
    })
}

pub(crate) fn latest(runs: &Path, status: Status, warn: &dyn Fn(&str)) -> Result<Option<Run>> {
    Ok(list(runs, warn)?.into_iter().find(|run| run.manifest.status == status))
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| Error::io("write", path, &error))
}

fn is_locked(path: &Path) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(path) else { return false };
    // Shared, so that two who look don't see each other.
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}
