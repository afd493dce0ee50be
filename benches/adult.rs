//! The whole road on one table, in wall clock: from `mlx train` to a registered model.
//!
//! `cargo bench --bench adult` makes a project of adult's files for each kind of model and runs
//! `mlx train` and `mlx register` in it, in turn with the peer's script, which does the same job: it
//! reads the files, trains, evaluates and, with `MLX_BENCH_PEER_MLFLOW=1`, registers. The data is
//! `MLX_SHARED`'s `data/adult`; the peer is `MLX_BENCH_PEER`, run by the Python of
//! `MLX_BENCH_PYTHON`. Without them the table has mlx's half. `MLX_BENCH_ROUNDS` says how often.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its answer")]

use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The kinds of model, each with how many seconds it may take.
const KINDS: [(&str, f64); 3] = [("auto", 30.0), ("mlp", 5.0), ("trees", 5.0)];

fn main() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let data = var_os("MLX_SHARED").map_or(beside, PathBuf::from).join("data/adult");
    if !data.is_dir() {
        println!("{} is not here: set MLX_SHARED", data.display());
        return;
    }
    let rounds = var_os("MLX_BENCH_ROUNDS").and_then(|rounds| rounds.to_str()?.parse().ok());
    let rounds: usize = rounds.unwrap_or(3);
    let home = tempfile::tempdir().expect("a temporary folder");
    for (kind, _) in KINDS {
        let file = |name: &str| data.join(name).display().to_string();
        let (train, test) = (file("train.csv.gz"), file("test.csv.gz"));
        let new = ["new", kind, "--data", &train, "--test", &test, "--target", "income"];
        mlx(home.path(), home.path(), &new);
    }

    let mut ours = vec![vec![]; KINDS.len()];
    let mut losses = vec![None; KINDS.len()];
    let mut theirs = vec![];
    let mut said = None;
    for _ in 0..rounds {
        for (at, (kind, _)) in KINDS.iter().enumerate() {
            let project = home.path().join(kind);
            let started = Instant::now();
            let told = format!("model.kind=\"{kind}\"");
            mlx(home.path(), &project, &["train", "-q", "--set", &told]);
            mlx(home.path(), &project, &["register", "-q"]);
            ours[at].push(started.elapsed().as_secs_f64());
            losses[at] = log_loss(&mlx(home.path(), &project, &["eval", "--json"]));
        }
        if let Some((seconds, line)) = peer(&data, home.path()) {
            theirs.push(seconds);
            said = Some(line);
        }
    }

    println!(
        "adult, from files to a registered model; seconds, medians of {rounds} rounds in turn"
    );
    println!("{:<28} {:>8} {:>8} {:>8} {:>14}", "", "median", "least", "most", "test log loss");
    for ((kind, most), (seconds, loss)) in KINDS.iter().zip(ours.into_iter().zip(losses)) {
        let loss = loss.map_or("-".to_owned(), |loss| format!("{loss:.4}"));
        line(&format!("mlx, {kind} (under {most:.0})"), seconds, &loss);
    }
    if !theirs.is_empty() {
        let loss = said.as_deref().and_then(|said| number(said, "\"logloss\":"));
        line("the peer", theirs, &loss.map_or("-".to_owned(), |loss| format!("{loss:.4}")));
        println!("the peer says {}", said.unwrap_or_default().trim());
    }
}

fn line(name: &str, mut seconds: Vec<f64>, loss: &str) {
    seconds.sort_by(f64::total_cmp);
    let (least, most) = (seconds[0], seconds[seconds.len() - 1]);
    let median = seconds[seconds.len() / 2];
    println!("{name:<28} {median:>8.2} {least:>8.2} {most:>8.2} {loss:>14}");
}

/// Runs a verb in a clean home and answers with what it printed.
fn mlx(home: &Path, folder: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mlx"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .expect("mlx starts");
    assert!(
        output.status.success(),
        "mlx {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The peer's seconds, start of the interpreter included, and the line that it prints.
fn peer(data: &Path, home: &Path) -> Option<(f64, String)> {
    let (python, script) = (var_os("MLX_BENCH_PYTHON")?, var_os("MLX_BENCH_PEER")?);
    let mut command = Command::new(python);
    command.arg(script).arg(data);
    if var_os("MLX_BENCH_PEER_MLFLOW").is_some() {
        command.arg("--mlflow").arg(home.join("mlflow.db"));
    }
    let started = Instant::now();
    let output = command.current_dir(home).output().expect("the peer's Python starts");
    let seconds = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((seconds, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The log loss of an evaluation.
fn log_loss(json: &str) -> Option<f64> {
    let (_, rest) = json.split_once("\"name\":\"logloss\"")?;
    number(rest, "\"value\":")
}

fn number(text: &str, key: &str) -> Option<f64> {
    let (_, rest) = text.split_once(key)?;
    rest.split([',', '}']).next()?.trim().parse().ok()
}
