//! `mlx train`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Train the project's model: one run, kept under `.mlx/runs/`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Set a key of `mlx.toml` for this run, such as `train.seed=8`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Go on with a run that was interrupted; without RUN, the latest such run.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["set", "seed", "budget", "max_epochs", "device", "locked"])]
    pub resume: Option<String>,
    /// Refuse data or settings that differ from `mlx.lock`.
    #[arg(long)]
    pub locked: bool,
    /// auto, cpu, cuda, cuda:N or metal.
    #[arg(long)]
    pub device: Option<String>,
    /// The seed of every random stream but the split, which `data.split.seed` draws.
    #[arg(long)]
    pub seed: Option<u64>,
    /// By when the command ends, such as `90s` or `10m`.
    #[arg(long)]
    pub budget: Option<String>,
    /// How many threads train; the model is the same with any number. Default: one a core.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Stop after this many epochs at the latest.
    #[arg(long, value_name = "N")]
    pub max_epochs: Option<usize>,
    /// Write scalars below this folder for TensorBoard to show; a resumed run goes on where it wrote.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub tensorboard: Option<PathBuf>,
    /// Read data and settings, say what would be trained, and stop.
    #[arg(long)]
    pub dry_run: bool,
}
