//! Which run to go on with, and whether what it was made from is still there.

use std::path::Path;

use crate::data::Source;
use crate::error::{Error, Result};
use crate::sys::machine;
use crate::train::lock::{Lock, source_differences};
use crate::train::run::{self, Run, RunLock, Status};
use crate::ui::Ui;

/// The run to go on with, held from here on.
pub(super) fn resumable(runs: &Path, id: Option<&str>, ui: &Ui) -> Result<(Run, RunLock)> {
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
pub(super) fn check_sources(run: &Run, now: &[Source]) -> Result<()> {
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

pub(super) fn warn_of_other_machine(lock: &Lock, ui: &Ui) {
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
