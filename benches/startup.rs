//! Whole processes, from `exec` to exit: what a prompt or a CI step waits for.
//!
//! `cargo bench --bench startup` prints each command beside `python3 -c pass`, run in turn so that
//! a drifting machine drifts for all.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its answer")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 41;

fn main() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mlx = env!("CARGO_BIN_EXE_mlx");
    let commands: [(&str, &[&str]); 5] = [
        ("mlx --version", &[mlx, "--version"]),
        ("mlx --help", &[mlx, "--help"]),
        ("mlx models list (embedded)", &[mlx, "models", "list"]),
        ("mlx config show", &[mlx, "config", "show"]),
        ("python3 -c pass", &["python3", "-c", "pass"]),
    ];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); commands.len()];
    for round in 0..=ROUNDS {
        for (times, (_, words)) in times.iter_mut().zip(&commands) {
            // The first round warms the page cache and makes the registry.
            if let Some(time) = run(words, home.path())
                && round > 0
            {
                times.push(time);
            }
        }
    }
    println!("{ROUNDS} rounds in turn, milliseconds a process\n");
    println!("{:<28} {:>8} {:>8} {:>8}", "", "min", "median", "max");
    for (mut times, (name, _)) in times.into_iter().zip(commands) {
        times.sort();
        let Some((first, last)) = times.first().zip(times.last()) else {
            println!("{name:<28} not here");
            continue;
        };
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        println!(
            "{name:<28} {:>8.2} {:>8.2} {:>8.2}",
            ms(first),
            ms(&times[times.len() / 2]),
            ms(last)
        );
    }
}

/// None where the program isn't there.
fn run(words: &[&str], home: &Path) -> Option<Duration> {
    let started = Instant::now();
    let status = Command::new(words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .current_dir(home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    let time = started.elapsed();
    assert!(status.success(), "{words:?} failed");
    Some(time)
}
