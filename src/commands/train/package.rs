//! The end of a run: its package, its lock, and its answer.

use super::training::Training;
use crate::error::Result;
use crate::model::contents::PackageContext;
use crate::model::{Example, Model, Package};
use crate::outcome::train::TrainOutcome;
use crate::sys::{clock, machine, memory};
use crate::train::course::{self, Finished, PartRecord};
use crate::train::event::StopReason;
use crate::train::lock::{Lock, LockedPart, LockedResult};
use crate::train::run::{Run, RunManifest, Status};
use crate::ui::Ui;

impl Training<'_> {
    /// The model as a package, then the lock, and the manifest last: a run killed in between is
    /// interrupted, and resuming it does this again.
    pub(super) fn finish(
        &self,
        run: &mut Run,
        finished: Finished,
        ui: &Ui,
    ) -> Result<TrainOutcome> {
        let Finished { model, valid, choice, warning, notices } = finished;
        for notice in &notices {
            ui.note(notice);
        }
        if let Some(warning) = &warning {
            ui.warn(warning);
        }
        let manifest = &mut run.manifest;
        manifest.valid = valid;
        manifest.choice = choice;
        if let Some(part) = heaviest(manifest) {
            manifest.best_epoch = part.best_epoch;
        }
        let reason = reason(manifest);
        let context = PackageContext {
            name: run.manifest.name.clone(),
            owner: self.project.settings.project.owner.clone(),
            lineage: self.lineage(run),
            valid: run.manifest.valid.clone(),
            choice: run.manifest.choice.clone(),
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
        let locked = run.manifest.replay.is_some();
        if locked {
            self.compare(&result, ui);
        } else {
            let instructions = machine::instruction_sets();
            let parts = locked_parts(&run.manifest);
            let cuts = run.manifest.cuts.clone();
            Lock::new(&self.now(), run.manifest.seed, instructions, result, parts, cuts)
                .write(&self.project.root)?;
        }
        let manifest = &mut run.manifest;
        manifest.status = Status::Finished;
        manifest.reason = Some(reason);
        manifest.package_digest = Some(package.digest.clone());
        manifest.ended_ms = Some(clock::now_ms());
        // Making the package may have taken more than training did.
        manifest.saw_memory(memory::peak_bytes());
        run.save()?;
        let manifest = &run.manifest;
        Ok(TrainOutcome {
            run: manifest.id.clone(),
            model: manifest.name.clone(),
            task: manifest.task,
            kind: manifest.kind.clone(),
            epochs: manifest.epochs,
            steps: manifest.steps,
            best_epoch: manifest.best_epoch,
            reason,
            seconds: manifest.seconds,
            peak_memory_bytes: manifest.peak_memory_bytes,
            valid: manifest.valid.clone(),
            parts: manifest.parts.clone(),
            choice: manifest.choice.clone(),
            package: run.package_dir(),
            package_digest: package.digest,
            locked,
        })
    }

    /// Whether a locked run came to the weights that the lock records.
    fn compare(&self, result: &LockedResult, ui: &Ui) {
        match Lock::read(&self.project.root) {
            Ok(lock) if lock.result.weights_sha256 == result.weights_sha256 => {}
            Ok(lock) => ui.warn(&format!(
                "the weights have SHA-256 {}, and mlx.lock records {}",
                result.weights_sha256, lock.result.weights_sha256
            )),
            Err(error) => ui.warn(&format!("the weights are not checked: {error}")),
        }
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
        let parts: Vec<serde_json::Value> = locked_parts(manifest)
            .iter()
            .filter_map(|part| serde_json::to_value(part).ok())
            .collect();
        serde_json::json!({
            "run": manifest.id,
            "git": manifest.git,
            "mlx": manifest.mlx_version,
            "kind": manifest.kind,
            "device": self.device_name,
            "instructions": machine::instruction_sets(),
            "seed": manifest.seed,
            "epochs": manifest.epochs,
            "steps": manifest.steps,
            "best_epoch": manifest.best_epoch,
            "parts": parts,
            "data": manifest.sources,
            "settings": self.tables,
        })
    }
}

/// By how much a part counts in the model.
fn weight(manifest: &RunManifest, part: &PartRecord) -> f64 {
    let Some(choice) = &manifest.choice else { return 1.0 };
    let member = choice.members.iter().find(|member| member.part == part.member);
    let used = course::used(&manifest.parts);
    if !used.contains(&part) {
        return 0.0;
    }
    let folds = used.iter().filter(|other| other.member == part.member).count();
    member.map_or(0.0, |member| member.weight / folds as f64)
}

fn trained(manifest: &RunManifest) -> impl Iterator<Item = &PartRecord> {
    manifest.parts.iter().filter(|part| part.left_out.is_none())
}

/// The part that counts most; of equals the first.
fn heaviest(manifest: &RunManifest) -> Option<PartRecord> {
    let of = |part: &PartRecord| weight(manifest, part);
    let mut best: Option<&PartRecord> = None;
    for part in trained(manifest) {
        if best.is_none_or(|known| of(part) > of(known)) {
            best = Some(part);
        }
    }
    best.cloned()
}

fn locked_parts(manifest: &RunManifest) -> Vec<LockedPart> {
    trained(manifest)
        .map(|part| LockedPart {
            name: part.name.clone(),
            kind: part.kind.clone(),
            seed: part.seed,
            epochs: part.epochs,
            steps: part.steps,
            best_epoch: part.best_epoch,
            reason: part.reason.unwrap_or(StopReason::Completed),
            weight: weight(manifest, part),
        })
        .collect()
}

/// Why the run has no further epoch: the budget where it cut anything short, all epochs where all ran them.
fn reason(manifest: &RunManifest) -> StopReason {
    let RunManifest { parts, cuts, .. } = manifest;
    let out_of_time =
        |part: &PartRecord| part.left_out.is_some() || part.reason == Some(StopReason::Budget);
    if parts.iter().any(out_of_time) || !cuts.is_empty() {
        return StopReason::Budget;
    }
    let all = parts.iter().all(|part| part.reason == Some(StopReason::Completed));
    if all { StopReason::Completed } else { StopReason::Patience }
}
