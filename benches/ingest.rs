//! A mixed CSV file into typed columns, beside polars and pandas.
//!
//! `cargo bench --bench ingest` writes a file of `MLX_BENCH_MEGABYTES` (1,000 by default) into a
//! temporary folder and reads it in turn with mlx and with the Python of `MLX_BENCH_PYTHON`, which has
//! polars and pandas; without it the table has mlx's line. Every reading is a process of its own, which
//! says how long it read and its peak memory. `MLX_BENCH_ROUNDS` says how often, `MLX_THREADS` on how
//! many cores. mlx infers kinds over the whole file, codes every text and digests the bytes; polars
//! infers from the first rows and keeps texts as they are; pandas uses its own parser, as its Arrow reader refuses line breaks within cells.
#![expect(clippy::print_stdout, reason = "a benchmark's figures are its answer")]

use std::env::var;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a reading process is told by, with the file behind it, and a folder to keep what was read in.
const READ: &str = "--read";

/// Readings of mlx, of which the last two are a project's.
const OURS: [&str; 3] = ["mlx", "mlx first", "mlx again"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == READ) {
        read(Path::new(&arguments[at + 1]), arguments.get(at + 2).map(Path::new));
        return;
    }
    let rounds = setting("MLX_BENCH_ROUNDS", 5);
    let megabytes = setting("MLX_BENCH_MEGABYTES", 1000);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = setting("MLX_THREADS", cores);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mixed.csv");
    let rows = write_mixed(&file, megabytes * 1_000_000).expect("room for the file");

    let python = var("MLX_BENCH_PYTHON").ok();
    let mut readers = OURS.to_vec();
    readers.extend(python.iter().flat_map(|_| ["polars", "pandas"]));
    let mut figures: Vec<Vec<Figure>> = vec![Vec::new(); readers.len()];
    for _ in 0..rounds {
        for (reader, figures) in readers.iter().zip(&mut figures) {
            let kept = folder.path().join("kept");
            if *reader == "mlx first" {
                let _ = std::fs::remove_dir_all(&kept);
            }
            figures.push(run(reader, python.as_deref(), [&file, &kept], threads, rows));
        }
    }

    println!("{megabytes} MB of CSV, {rows} rows of {} columns, {threads} threads,", COLUMNS.len());
    println!(
        "{rounds} rounds in turn, a process each; medians, and the spread from the least to the"
    );
    println!("most round in % of the median; times of mlx as a ratio to the reader's\n");
    println!(
        "{:<10} {:>8} {:>8} {:>8} {:>10} {:>8}",
        "", "seconds", "spread", "MB/s", "peak MB", "ratio"
    );
    let ours = median(figures[0].iter().map(|figure| figure.seconds));
    for (reader, figures) in readers.iter().zip(&figures) {
        let seconds = median(figures.iter().map(|figure| figure.seconds));
        let least = figures.iter().map(|figure| figure.seconds).fold(f64::INFINITY, f64::min);
        let most = figures.iter().map(|figure| figure.seconds).fold(0.0, f64::max);
        let peak = median(figures.iter().map(|figure| figure.peak_megabytes));
        println!(
            "{reader:<10} {seconds:>8.2} {:>7.0}% {:>8.0} {peak:>10.0} {:>8.2}",
            100.0 * (most - least) / seconds,
            megabytes as f64 / seconds,
            ours / seconds,
        );
    }
}

#[derive(Clone, Copy)]
struct Figure {
    seconds: f64,
    peak_megabytes: f64,
}

/// The reading process of mlx.
fn read(file: &Path, kept: Option<&Path>) {
    let start = Instant::now();
    let read = match kept {
        Some(kept) => mlx::bench::ingest_kept(file, "target", kept),
        None => mlx::bench::ingest(file),
    };
    let (rows, columns) = read.expect("a file that was written for this");
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(f64::NAN);
    println!("{rows} {columns} {seconds} {}", peak / 1000.0);
}

fn run(
    reader: &str,
    python: Option<&str>,
    [file, kept]: [&Path; 2],
    threads: usize,
    rows: usize,
) -> Figure {
    let mut command = match python.filter(|_| !OURS.contains(&reader)) {
        Some(python) => {
            let mut command = Command::new(python);
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/read_csv.py");
            command.arg(script).arg(reader).arg(file);
            command
        }
        None => {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.arg(READ).arg(file);
            if reader != OURS[0] {
                command.arg(kept);
            }
            command
        }
    };
    for name in ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"] {
        command.env(name, threads.to_string());
    }
    let output = command.output().expect("a reader starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
    let [read, columns, seconds, peak_megabytes] = numbers[..] else {
        panic!("{reader} has no figure: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    assert_eq!((read, columns), (rows as f64, COLUMNS.len() as f64), "{reader} read all of it");
    Figure { seconds, peak_megabytes }
}

const COLUMNS: [&str; 12] = [
    "id", "age", "amount", "rate", "created", "seen", "city", "plan", "user", "note", "flag",
    "target",
];

/// Counts, integers and floats with gaps, dates, times, names few and many, quotes of every sort.
fn write_mixed(file: &Path, bytes: usize) -> std::io::Result<usize> {
    const NOTES: [&str; 6] =
        ["alpha", "beta", "gamma", "\"with, comma\"", "\"say \"\"yes\"\"\"", "\"two\nlines\""];
    const PLANS: [&str; 4] = ["free", "basic", "pro", "team"];
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    let mut state = 7_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // The high bits are the random ones.
        state ^ (state >> 32)
    };
    writeln!(out, "{}", COLUMNS.join(","))?;
    let (mut rows, mut line, mut written) = (0, Vec::new(), 0);
    while written < bytes {
        line.clear();
        write!(line, "{rows},")?;
        match random() % 20 {
            0 => write!(line, ",")?,
            _ => write!(line, "{},", 18 + random() % 70)?,
        }
        let amount = random() % 1_000_000;
        write!(line, "{}.{:02},", amount / 100, amount % 100)?;
        match random() % 10 {
            0 => write!(line, "NA,")?,
            _ => write!(line, "{:.6},", (random() % 4_000_000) as f64 / 1e6 - 2.0)?,
        }
        let day = |number: u64| (2015 + number % 10, 1 + number / 10 % 12, 1 + number / 120 % 28);
        let (year, month, of_month) = day(random());
        write!(line, "{year}-{month:02}-{of_month:02},")?;
        let ((year, month, of_month), second) = (day(random()), random() % 86_400);
        write!(line, "{year}-{month:02}-{of_month:02} ")?;
        write!(line, "{:02}:{:02}:{:02},", second / 3600, second / 60 % 60, second % 60)?;
        let (plan, note) = (PLANS[random() as usize % 4], NOTES[random() as usize % 6]);
        write!(line, "City {},{plan},u{:08x},{note},", random() % 200, random() as u32)?;
        writeln!(line, "{},{}", random() % 2 == 0, random() % 2)?;
        out.write_all(&line)?;
        written += line.len();
        rows += 1;
    }
    out.flush()?;
    Ok(rows)
}

fn setting(name: &str, default: usize) -> usize {
    var(name)
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
