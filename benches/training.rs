//! Training, in rows a second, beside PyTorch.
//!
//! `cargo bench --bench training` trains each workload in turn with the peer program, for several
//! rounds, so that a drifting machine drifts for all. The peer is `run_torch.py`, whose path is
//! `MLX_TORCH_PEER`, run by the Python of `MLX_TORCH_PYTHON`, which has torch; without them the table
//! has mlx's half. `MLX_BENCH_ROUNDS` and `MLX_BENCH_SECONDS` say how often and how long,
//! `MLX_THREADS` on how many cores, `MLX_BENCH_WORKLOADS` which (a part of their names; all if
//! absent). With `MLX_BENCH_COMPILE=1` the peer trains through `torch.compile` too, which needs a C++
//! compiler and, the first time, minutes; a dash is where it doesn't run.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its answer")]

use std::env::var;
use std::process::Command;
use std::time::Duration;

use mlx::bench::{Training, Workload, product_peak, products_of};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A workload, what the peer calls it, its batch, and whether it has dropout.
const WORKLOADS: [(&str, Workload, &str, usize, bool); 7] = [
    ("MLP 100-256-256-2, batch 256", Workload::Mlp, "mlp", 256, true),
    ("the same, batch 1024", Workload::Mlp, "mlp", 1024, true),
    ("20 embeddings + MLP, batch 1024", Workload::Embeddings, "emb", 1024, true),
    ("DLinear 336-96, 7 channels, batch 64", Workload::DLinear, "dlinear", 64, false),
    ("N-HiTS-like stack, batch 64", Workload::NHits, "nhits", 64, false),
    ("listwise ranker, 32 lists", Workload::ListNet, "listnet", 32, true),
    ("LambdaRank, 32 lists", Workload::LambdaRank, "lambdarank", 32, true),
];

/// Units a second, one figure a round.
#[derive(Default)]
struct Figures {
    ours: Vec<f64>,
    plain: Vec<f64>,
    fused: Vec<f64>,
    /// None where the peer's compiler gives up.
    compiled: Vec<Option<f64>>,
}

fn main() {
    let rounds = setting("MLX_BENCH_ROUNDS", 5.0) as usize;
    let seconds = setting("MLX_BENCH_SECONDS", 2.0);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = setting("MLX_THREADS", cores as f64) as usize;
    let time = Duration::from_secs_f64(seconds);
    let peer = Peer::here(seconds, threads);
    let compile = peer.is_some() && setting("MLX_BENCH_COMPILE", 0.0) > 0.0;
    let wanted = var("MLX_BENCH_WORKLOADS").unwrap_or_default();

    // Those without dropout are trained once and stand in both tables.
    let rows: Vec<(usize, f64)> = (0..WORKLOADS.len())
        .filter(|at| WORKLOADS[*at].0.contains(&wanted) || WORKLOADS[*at].2.contains(&wanted))
        .flat_map(|at| if WORKLOADS[at].4 { vec![(at, 0.1), (at, 0.0)] } else { vec![(at, 0.0)] })
        .collect();
    let mut figures: Vec<Figures> = rows.iter().map(|_| Figures::default()).collect();
    let mut peaks = vec![];
    for _ in 0..rounds {
        peaks.push(product_peak(threads, time));
        for (figures, &(at, dropout)) in figures.iter_mut().zip(&rows) {
            let (_, workload, name, batch, _) = WORKLOADS[at];
            let ours = Training::new(workload, batch, dropout);
            let ours = ours.and_then(|mut training| training.run(time, threads));
            figures.ours.push(ours.expect("a workload trains"));
            if let Some(peer) = &peer {
                let eager = |optimiser| {
                    let figure = peer.run(name, batch, dropout, optimiser, "eager");
                    figure.unwrap_or_else(|output| panic!("the peer has no figure: {output}"))
                };
                figures.plain.push(eager("adamw"));
                figures.fused.push(eager("fused"));
                if compile {
                    figures.compiled.push(peer.run(name, batch, dropout, "fused", "compile").ok());
                }
            }
        }
    }

    let peak = median(&peaks);
    println!(
        "{rounds} rounds in turn, {seconds} s each, {threads} threads; medians, and the spread"
    );
    println!("from the least to the most round in % of the median");
    println!("matrix products alone: {:.0} GFLOP/s, spread {:.0} %", peak / 1e9, spread(&peaks));
    for dropout in [0.1, 0.0] {
        println!("\ndropout {dropout}, units a second");
        let columns =
            ["mlx", "spread", "torch", "fused", "spread", "ratio", "compiled", "ratio", "of peak"];
        println!("{:<37} {}", "", columns.map(|column| format!("{column:>8}")).join(" "));
        let mut logarithms = vec![];
        for (figures, &(at, row)) in figures.iter().zip(&rows) {
            let (label, workload, _, _, drops) = WORKLOADS[at];
            if drops && row != dropout {
                continue;
            }
            let ours = median(&figures.ours);
            let mut line = format!("{label:<37} {ours:>8.0} {:>7.0}%", spread(&figures.ours));
            if peer.is_some() {
                let (plain, fused) = (median(&figures.plain), median(&figures.fused));
                let (better, most) =
                    if plain > fused { (&figures.plain, plain) } else { (&figures.fused, fused) };
                let ratio = ours / most;
                logarithms.push(ratio.ln());
                let spread = spread(better);
                line += &format!(" {plain:>8.0} {fused:>8.0} {spread:>7.0}% {ratio:>8.2}");
            } else {
                line += &" ".repeat(36);
            }
            let compiled: Option<Vec<f64>> = figures.compiled.iter().copied().collect();
            match compiled.filter(|compiled| !compiled.is_empty()) {
                Some(compiled) => {
                    let compiled = median(&compiled);
                    line += &format!(" {compiled:>8.0} {:>8.2}", ours / compiled);
                }
                None => line += &format!(" {:>8} {:>8}", "-", "-"),
            }
            if let Some(operations) = products_of(workload) {
                line += &format!(" {:>7.0}%", 100.0 * operations * ours / peak);
            }
            println!("{line}");
        }
        if !logarithms.is_empty() {
            let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
            println!("{:<37} {:>53.2}", "geometric mean", mean.exp());
        }
    }
}

/// The peer program.
struct Peer {
    python: String,
    script: String,
    seconds: f64,
    threads: usize,
}

impl Peer {
    fn here(seconds: f64, threads: usize) -> Option<Self> {
        let (python, script) = (var("MLX_TORCH_PYTHON").ok()?, var("MLX_TORCH_PEER").ok()?);
        Some(Self { python, script, seconds, threads })
    }

    /// Units a second; or what it printed instead of a figure.
    fn run(
        &self,
        workload: &str,
        batch: usize,
        dropout: f64,
        optimiser: &str,
        mode: &str,
    ) -> Result<f64, String> {
        let output = Command::new(&self.python)
            .arg(&self.script)
            .args(["--workload", workload, "--batch", &batch.to_string(), "--optim", optimiser])
            .args(["--dropout", &dropout.to_string(), "--seconds", &self.seconds.to_string()])
            .args(["--threads", &self.threads.to_string(), "--mode", mode])
            .output()
            .expect("the peer's Python starts");
        let line = String::from_utf8_lossy(&output.stdout);
        let found = line.split_once("\"rows_per_s\": ").and_then(|(_, rest)| {
            rest.split([',', '}']).next().and_then(|number| number.trim().parse().ok())
        });
        found.ok_or_else(|| format!("{line}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn setting(name: &str, default: f64) -> f64 {
    var(name)
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// From the least to the most, in percent of the median.
fn spread(figures: &[f64]) -> f64 {
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    100.0 * (most - least) / median(figures)
}
