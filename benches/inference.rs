//! Scoring in process: one row at a time, and a million rows in memory, beside ONNX Runtime.
//!
//! `cargo bench --bench inference` scores with a model of the size of adult's, preprocessing included,
//! in turn with `benches/score_onnx.py`, which has the same net as an ONNX graph: numbers and codes in,
//! probabilities out, so without what finds a name's code. The Python of `MLX_ONNX_PYTHON` runs it and
//! has numpy, onnx and onnxruntime; without it the table has mlx's half. `MLX_BENCH_ROUNDS`
//! says how often and `MLX_THREADS` on how many cores the million rows go.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its answer")]

use std::env::var;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

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
    let (mut ours, mut theirs) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..rounds {
        ours[0].push(inference.one_row(Duration::from_secs(1)).expect("a row is scored"));
        ours[1].push(inference.all_rows(threads).expect("rows are scored"));
        if let Ok(python) = var("MLX_ONNX_PYTHON") {
            let [one, all] = peer(&python, threads);
            theirs[0].push(one);
            theirs[1].push(all);
        }
    }
    println!("{rounds} rounds in turn; medians");
    println!("{:<40} {:>12} {:>12}", "", "mlx", "onnxruntime");
    let labels = [
        "one row, one thread, microseconds".to_owned(),
        format!("{ROWS} rows, {threads} threads, rows a second"),
    ];
    for ((label, ours), theirs) in labels.iter().zip(&ours).zip(&theirs) {
        let places = usize::from(median(ours) < 1e3);
        let theirs =
            if theirs.is_empty() { "-".into() } else { format!("{:.places$}", median(theirs)) };
        println!("{label:<40} {:>12.places$} {theirs:>12}", median(ours));
    }
}

/// Microseconds a row, and rows a second.
fn peer(python: &str, threads: usize) -> [f64; 2] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/score_onnx.py");
    let output = Command::new(python)
        .arg(script)
        .args([ROWS.to_string(), threads.to_string()])
        .output()
        .expect("the peer's Python runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> =
        text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    figures.try_into().unwrap_or_else(|_| {
        panic!("the peer has no figures: {text}{}", String::from_utf8_lossy(&output.stderr))
    })
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
