//! Checkpoints: all that a run needs to go on as if it had never stopped, there whole or not at all.
//!
//! A checkpoint is one safetensors file (weights, optimiser, best weights) and one JSON file that names it
//! by digest. The JSON is replaced atomically and last, so it always names tensors that are complete.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::adamw::Moments;
use super::event::StopReason;
use super::fit::scaling::LossScale;
use super::learner::Validation;
use crate::error::{Error, Result};
use crate::sys::files;

/// Where a run is. Random streams need no state: each is derived from the seed, the epoch and the step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Epochs that ended.
    pub epoch: usize,
    /// Steps of the epoch after it that were taken.
    pub step: usize,
    /// Steps of all epochs.
    pub total_steps: u64,
    /// The sum of the losses of the current epoch's steps so far, each weighed by its units.
    pub loss_sum: f64,
    pub loss_units: usize,
    pub best_epoch: usize,
    pub best_monitor: Option<f64>,
    /// What validation saw at the best epoch.
    pub best_metrics: Vec<(String, f64)>,
    /// Epochs since the best one.
    pub stale: usize,
    /// Seconds of fitting, over all sittings.
    pub seconds: f64,
    /// Those of them that went by before the first step: data made ready, what is fitted in closed form.
    #[serde(default)]
    pub setup_seconds: f64,
    /// Where losses are scaled: what the next one is multiplied with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
    /// Why there is no further epoch, once there isn't: decided once, whatever the clock says later.
    #[serde(default)]
    pub ended: Option<StopReason>,
}

impl Progress {
    /// Take in an ended epoch's validation; true where it is the best so far.
    pub(crate) fn judge(&mut self, validation: &Validation) -> bool {
        let improved = self.best_monitor.is_none_or(|best| validation.monitor < best);
        if improved {
            self.best_monitor = Some(validation.monitor);
            self.best_epoch = self.epoch;
            self.best_metrics.clone_from(&validation.metrics);
            self.stale = 0;
        } else {
            self.stale += 1;
        }
        improved
    }
}

/// Everything that training has come to.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub progress: Progress,
    pub weights: BTreeMap<String, Tensor>,
    pub optimiser: Moments,
    /// The weights of the best epoch.
    pub best: BTreeMap<String, Tensor>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    progress: Progress,
    optimiser_steps: u64,
    /// The file of tensors beside this one, and its SHA-256.
    tensors: String,
    sha256: String,
}

const FORMAT: u32 = 1;
const HEADER: &str = "checkpoint.json";
const GROUPS: [&str; 4] = ["weights", "first", "second", "best"];

impl State {
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let groups = [&self.weights, &self.optimiser.first, &self.optimiser.second, &self.best];
        let mut tensors = BTreeMap::new();
        for (group, values) in GROUPS.iter().zip(groups) {
            for (name, tensor) in values {
                tensors.insert(format!("{group}/{name}"), tensor.to_device(&Device::Cpu)?);
            }
        }
        let bytes = safetensors::serialize(&tensors, None)
            .map_err(|error| Error::bug(format!("cannot lay out a checkpoint: {error}")))?;
        // Two names in turn: the one that the header names is never written to.
        let name = match read_header(folder)? {
            Some(header) if header.tensors == "a.safetensors" => "b.safetensors",
            _ => "a.safetensors",
        };
        files::write_atomic(&folder.join(name), &bytes)?;
        let header = Header {
            format: FORMAT,
            progress: self.progress.clone(),
            optimiser_steps: self.optimiser.steps,
            tensors: name.into(),
            sha256: files::digest_bytes(&bytes),
        };
        let json = serde_json::to_vec_pretty(&header)
            .map_err(|error| Error::bug(format!("cannot write a checkpoint's header: {error}")))?;
        files::write_atomic(&folder.join(HEADER), &json)
    }

    /// None where the run was stopped before its first checkpoint.
    pub(crate) fn load(folder: &Path, device: &Device) -> Result<Option<Self>> {
        let Some(header) = read_header(folder)? else { return Ok(None) };
        let path = folder.join(&header.tensors);
        let bytes = files::read(&path)?;
        if files::digest_bytes(&bytes) != header.sha256 {
            return Err(Error::user(format!(
                "{} is damaged: its checksum is not the recorded one",
                path.display()
            ))
            .hint("train anew: `mlx train`"));
        }
        let tensors = candle_core::safetensors::load_buffer(&bytes, device)
            .map_err(|error| Error::file("read the checkpoint", &path, error))?;
        let mut groups = split(tensors);
        let mut take = |group: &str| groups.remove(group).unwrap_or_default();
        Ok(Some(Self {
            progress: header.progress,
            weights: take("weights"),
            optimiser: Moments {
                steps: header.optimiser_steps,
                first: take("first"),
                second: take("second"),
            },
            best: take("best"),
        }))
    }
}

/// How far the checkpoint in a folder has got, without its tensors; `None` where there is none.
pub(crate) fn progress(folder: &Path) -> Result<Option<Progress>> {
    Ok(read_header(folder)?.map(|header| header.progress))
}

fn read_header(folder: &Path) -> Result<Option<Header>> {
    let path = folder.join(HEADER);
    if !path.is_file() {
        return Ok(None);
    }
    let header: Header = serde_json::from_slice(&files::read(&path)?).map_err(|error| {
        Error::file("read the checkpoint", &path, error).hint("train anew: `mlx train`")
    })?;
    if header.format > FORMAT {
        return Err(Error::user(format!("{} was written by a newer mlx", path.display()))
            .hint("install a newer mlx, or train anew: `mlx train`"));
    }
    Ok(Some(header))
}

fn split(tensors: HashMap<String, Tensor>) -> BTreeMap<String, BTreeMap<String, Tensor>> {
    let mut groups: BTreeMap<String, BTreeMap<String, Tensor>> = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some((group, name)) = name.split_once('/') {
            groups.entry(group.to_owned()).or_default().insert(name.to_owned(), tensor);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(value: f32) -> State {
        let tensor = Tensor::new(&[value, 2.0], &Device::Cpu).expect("a tensor");
        let named = |name: &str| BTreeMap::from([(name.to_owned(), tensor.clone())]);
        let optimiser = Moments { steps: 3, first: named("w"), second: named("w") };
        let progress = Progress { epoch: 2, best_monitor: Some(0.1 + 0.2), ..Progress::default() };
        State { progress, weights: named("w"), optimiser, best: named("w") }
    }

    #[test]
    fn what_is_loaded_is_what_was_saved_last() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(State::load(folder.path(), &Device::Cpu).expect("none yet").is_none());
        for value in [1.0, 3.0, 5.0] {
            state(value).save(folder.path()).expect("saved");
            let loaded = State::load(folder.path(), &Device::Cpu).expect("loads").expect("one");
            assert_eq!(loaded.weights["w"].to_vec1::<f32>().expect("values"), [value, 2.0]);
            assert_eq!(loaded.progress, state(value).progress);
            assert_eq!(loaded.optimiser.steps, 3);
        }
    }

    #[test]
    fn a_checkpoint_that_was_cut_off_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        state(1.0).save(folder.path()).expect("saved");
        // The next tensors were written, and the header was not.
        std::fs::write(folder.path().join("b.safetensors"), b"half").expect("written");
        let loaded = State::load(folder.path(), &Device::Cpu).expect("loads").expect("one");
        assert_eq!(loaded.weights["w"].to_vec1::<f32>().expect("values"), [1.0, 2.0]);
        std::fs::write(folder.path().join("a.safetensors"), b"damaged").expect("written");
        assert!(State::load(folder.path(), &Device::Cpu).is_err());
    }
}
