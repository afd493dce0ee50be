//! `mlx predict`.

use clap::Args;

/// Score a file with a model.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The model: `churn`, `churn/7`, `churn@production`, `run:ID` or a path; default: the latest finished run.
    pub model: Option<String>,
    /// The file to score: csv, parquet or jsonl by extension, `-` for standard input.
    #[arg(short, long, value_name = "FILE")]
    pub input: String,
    /// Where to write the predictions; format by extension, `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: String,
    /// The format where a name does not say it, of both files: csv, jsonl, parquet or arrow.
    #[arg(long)]
    pub format: Option<String>,
    /// The format of the predictions, where their name does not say it and `--format` is not it.
    #[arg(long, value_name = "FORMAT")]
    pub output_format: Option<String>,
    /// Classification: also the set of classes that holds the true one for all but this share of rows, such
    /// as 0.1, were they like those of validation.
    #[arg(long, value_name = "SHARE")]
    pub sets: Option<f64>,
    /// Forecasting: one forecast every N steps of the file, instead of one from its end; only those
    /// whose whole horizon lies within the file.
    #[arg(long, value_name = "N")]
    pub rolling: Option<usize>,
    /// With `--rolling`: the time of the first forecast step, as the file writes it; default: N
    /// steps after the file's start.
    #[arg(long, value_name = "TIME", requires = "rolling")]
    pub from: Option<String>,
}
