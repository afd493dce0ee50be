//! Scoring: one row at a time and a million rows in memory, in process; and a million rows from one CSV file
//! to another with `mlx predict`. Beside ONNX Runtime.
//!
//! `cargo bench --bench inference` scores with a model of the size of adult's, preprocessing included,
//! in turn with `benches/score_onnx.py`, which has the same net as an ONNX graph: numbers and codes in,
//! probabilities out, so in memory without what finds a name's code. Files it reads and writes with polars, else
//! with pandas. The Python of `MLX_ONNX_PYTHON` runs it and has numpy, onnx and onnxruntime, and one of those two;
//! without it the table has mlx's half. `MLX_BENCH_ROUNDS` says how often and `MLX_THREADS` on how many cores the
//! million rows go.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its answer")]

use std::env::var;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mlx::bench::Inference;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 1_000_000;

fn main() {
    let setting = |name: &str, default: usize| -> usize {
        var(name)
            .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (rounds, threads) = (setting("MLX_BENCH_ROUNDS", 5), setting("MLX_THREADS", cores));
    let inference = Inference::new(ROWS).expect("a model");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = Files {
        package: folder.path().join("package"),
        rows: folder.path().join("rows.csv"),
        answers: folder.path().join("answers.csv"),
    };
    inference.write(&files.package, &files.rows).expect("room for the files");
    let peer = var("MLX_ONNX_PYTHON").ok().map(|python| Peer { python, threads });
    let mut reader = None;
    let (mut ours, mut theirs) = ([const { vec![] }; 4], [const { vec![] }; 4]);
    for _ in 0..rounds {
        ours[0].push(inference.one_row(Duration::from_secs(1)).expect("a row is scored"));
        ours[1].push(inference.all_rows(threads).expect("rows are scored"));
        let predicted = predict(&files, threads);
        ours[2].push(predicted);
        ours[3].push(predicted);
        let Some(peer) = &peer else { continue };
        let [one, all] = peer.in_memory();
        theirs[0].push(one);
        theirs[1].push(all);
        if let Some((name, alone, whole)) = peer.csv_to_csv(&files) {
            theirs[2].push(alone);
            theirs[3].push(whole);
            reader = Some(name);
        }
    }
    println!("{rounds} rounds in turn; medians");
    println!("{:<52} {:>12} {:>12}", "", "mlx", "onnxruntime");
    let labels = [
        "one row, one thread, microseconds".to_owned(),
        format!("{ROWS} rows in memory, {threads} threads, rows a second"),
        "the same from CSV to CSV, its imports left out".to_owned(),
        "the same, processes from start to end".to_owned(),
    ];
    for ((label, ours), theirs) in labels.iter().zip(&ours).zip(&theirs) {
        let places = usize::from(median(ours) < 1e3);
        let theirs =
            if theirs.is_empty() { "-".into() } else { format!("{:.places$}", median(theirs)) };
        println!("{label:<52} {:>12.places$} {theirs:>12}", median(ours));
    }
    match (peer, reader) {
        (None, _) => println!("no peer: MLX_ONNX_PYTHON names no Python"),
        (_, Some(reader)) => println!("the peer reads and writes CSV with {reader}"),
        (_, None) => println!("no peer from CSV to CSV: its Python has neither polars nor pandas"),
    }
}

/// A model, rows to score, and where its answers go.
struct Files {
    package: PathBuf,
    rows: PathBuf,
    answers: PathBuf,
}

/// Rows a second of `mlx predict`, from its start to its end.
fn predict(files: &Files, threads: usize) -> f64 {
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_mlx"))
        .arg("predict")
        .arg(&files.package)
        .arg("-i")
        .arg(&files.rows)
        .arg("-o")
        .arg(&files.answers)
        .env("RAYON_NUM_THREADS", threads.to_string())
        .output()
        .expect("mlx runs");
    let seconds = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    answered(&files.answers);
    ROWS as f64 / seconds
}

/// Every row has its answer, under a head; the next who writes there finds nothing.
fn answered(answers: &Path) {
    let text = std::fs::read_to_string(answers).expect("answers");
    assert_eq!(text.lines().count(), ROWS + 1, "all rows");
    std::fs::remove_file(answers).expect("removed");
}

/// ONNX Runtime, in a Python.
struct Peer {
    python: String,
    threads: usize,
}

impl Peer {
    /// Microseconds a row, and rows a second.
    fn in_memory(&self) -> [f64; 2] {
        let text = self.run(&[&ROWS.to_string(), &self.threads.to_string()]);
        let figures: Vec<f64> =
            text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
        figures.try_into().unwrap_or_else(|_| panic!("the peer has no figures: {text}"))
    }

    /// What it reads with, and rows a second: without its imports, and from its start to its end.
    fn csv_to_csv(&self, files: &Files) -> Option<(String, f64, f64)> {
        let [rows, answers] = [&files.rows, &files.answers].map(|file| file.to_string_lossy());
        let started = Instant::now();
        let text = self.run(&[&self.threads.to_string(), &rows, &answers]);
        let whole = started.elapsed().as_secs_f64();
        let (reader, seconds) = text.trim().split_once(' ')?;
        let alone: f64 = seconds.parse().unwrap_or_else(|_| panic!("no seconds: {text}"));
        answered(&files.answers);
        Some((reader.to_owned(), ROWS as f64 / alone, ROWS as f64 / whole))
    }

    fn run(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/score_onnx.py");
        let output = Command::new(&self.python)
            .arg(script)
            .args(arguments)
            .env("POLARS_MAX_THREADS", self.threads.to_string())
            .output()
            .expect("the peer's Python runs");
        let failed = || String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "the peer failed: {}", failed());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
