//! The registry beside `mlflow server`: rates and latencies of the calls that clients make, files up and down,
//! time to readiness and memory.
//!
//! `cargo bench --bench registry` starts `mlx registry serve` on an empty folder, and, where the Python of
//! `MLX_MLFLOW3_PYTHON` has mlflow, `mlflow server` as it comes, on SQLite and a local folder too; both answer
//! the same requests on loopback over connections that stay open, in turn, from one client that parses no JSON.
//! Files move beside a plain server of static files that hands them to the kernel.
//! `MLX_BENCH_SECONDS` is the time of a call and a server (2), `MLX_BENCH_ROUNDS` how often (1).
//! `MLX_BENCH_VERSIONS=100000` asks again, of ours alone, once there are that many versions and a million points.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its answer")]

mod bytes;
mod calls;
mod http;
mod servers;

use std::env::var;
use std::time::Duration;

use calls::{Bench, Figures};
use servers::Server;

fn main() {
    let setting = |name: &str, default: u64| -> u64 {
        var(name)
            .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let time = Duration::from_secs(setting("MLX_BENCH_SECONDS", 2));
    let rounds = setting("MLX_BENCH_ROUNDS", 1);
    let folder = tempfile::tempdir().expect("a temporary folder");

    let mut servers = vec![Server::mlx(&folder.path().join("mlx"))];
    match var("MLX_MLFLOW3_PYTHON") {
        Ok(python) => servers.push(Server::mlflow(&python, &folder.path().join("mlflow"))),
        Err(_) => println!("no peer: MLX_MLFLOW3_PYTHON names no Python with mlflow"),
    }
    println!("{:<44} {:>10} {:>10}", "", "mlx", "mlflow");
    row("from start to ready, ms", &servers, |server| server.ready.as_secs_f64() * 1e3, 0);
    row("memory of all its processes, idle, MiB", &servers, Server::memory_mib, 0);
    row("processes", &servers, |server| server.processes().len() as f64, 0);
    println!();

    let mut benches: Vec<Bench> = servers.iter().map(|server| Bench::new(server.port)).collect();
    calls(&mut benches, time, rounds);
    println!();
    bytes::measure(&servers, folder.path());
    drop(benches);

    let versions = setting("MLX_BENCH_VERSIONS", 0);
    if versions > 0 {
        println!();
        grown(servers[0].port, versions, time);
    }
}

/// A line of the table: a figure of each server.
fn row(label: &str, servers: &[Server], figure: impl Fn(&Server) -> f64, places: usize) {
    let figures: Vec<String> =
        servers.iter().map(|server| format!("{:>10.places$}", figure(server))).collect();
    println!("{label:<44} {}", figures.join(" "));
}

/// Every call, on one connection and on four, in turn on each server.
fn calls(benches: &mut [Bench], time: Duration, rounds: u64) {
    println!(
        "{:<32} {:>5} | {:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} | {:>7} {:>7}",
        "mlx | mlflow",
        "conns",
        "calls/s",
        "p50 ms",
        "p99 ms",
        "calls/s",
        "p50 ms",
        "p99 ms",
        "rate x",
        "p99 /"
    );
    for call in calls::CALLS {
        for connections in [1, 4] {
            let mut figures: Vec<Figures> = benches.iter().map(|_| Figures::default()).collect();
            for _ in 0..rounds {
                for (bench, figures) in benches.iter_mut().zip(&mut figures) {
                    figures.add(bench.run(call, connections, time));
                }
            }
            let shown: Vec<String> = figures.iter().map(Figures::shown).collect();
            let ratio = match figures.as_slice() {
                [ours, theirs] => format!(
                    "{:>7.1} {:>7.1}",
                    ours.rate() / theirs.rate(),
                    theirs.quantile_ms(0.99) / ours.quantile_ms(0.99)
                ),
                _ => String::new(),
            };
            println!("{:<32} {connections:>5} | {} | {ratio}", call.name, shown.join(" | "));
        }
    }
}

/// Ours alone, with a thousand versions and with many: what is looked up by an index takes no longer.
fn grown(port: u16, versions: u64, time: Duration) {
    let wanted = [
        "registered-models/alias GET",
        "model-versions/search, 100 of them",
        "runs/search, 100 of them",
    ];
    let mut before = Bench::new(port);
    let mut after = Bench::new(port);
    let first: Vec<Figures> = lookups(&mut before, &wanted, time);
    after.fill(versions, 1_000_000);
    let then: Vec<Figures> = lookups(&mut after, &wanted, time);
    println!("{:<44} {:>10} {:>10} {:>7}", "p50, microseconds, versions:", 1000, versions, "ratio");
    for ((name, first), then) in wanted.iter().zip(&first).zip(&then) {
        let [first, then] = [first, then].map(|figures| figures.quantile_ms(0.5) * 1e3);
        println!("{name:<44} {first:>10.0} {then:>10.0} {:>7.2}", then / first);
    }
}

fn lookups(bench: &mut Bench, wanted: &[&str], time: Duration) -> Vec<Figures> {
    let calls = calls::CALLS.iter().filter(|call| wanted.contains(&call.name));
    calls.map(|call| bench.run(call, 1, time)).collect()
}
