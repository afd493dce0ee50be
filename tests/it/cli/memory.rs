//! How much memory `mlx train` takes: the data's size and a little more.

use std::fmt::Write as _;

use crate::support::Home;

/// Train one epoch on so many rows; the bytes of the file, and those of memory at the peak. Absent
/// where the system doesn't tell.
fn peak(model: &str, rows: u32) -> Option<(u64, u64)> {
    let home = Home::new();
    let mut text = "a,b,c,d,e,f,name,y\n".to_owned();
    for row in 0..rows {
        let _ = (0..6_u32).try_for_each(|column| {
            let noise = (row * 6 + column).wrapping_mul(2_654_435_761) >> 8;
            write!(text, "{}.{:04},", noise % 97, noise % 9973)
        });
        let noise = row.wrapping_mul(2_654_435_761) >> 20;
        let _ = writeln!(text, "n{},{}", noise % 40, if noise % 3 == 0 { "yes" } else { "no" });
    }
    home.write("data.csv", &text);
    home.write(
        "mlx.toml",
        format!(
            "[project]\nname = \"memory\"\ntask = \"classification\"\n\n\
             [data]\ntrain = \"data.csv\"\ntarget = \"y\"\n\n\
             [train]\ndevice = \"cpu\"\nmax_epochs = 1\nthreads = 2\n\n[model]\n{model}"
        ),
    );
    home.mlx("train -q").ok();
    let run = home.mlx("runs show --json").ok().json()["run"].clone();
    Some((text.len() as u64, run["peak_memory_bytes"].as_u64()?))
}

/// What a batch and a net take however many rows there are: scoring goes in chunks of some thousands.
const FIXED: u64 = 32 << 20;

/// What grows with the data are the table, what was read of the file on the way to it, and what models
/// make of it: each some numbers a row. A net's rows, encoded all at once, would be many times as large.
#[test]
fn memory_grows_with_the_data_and_not_with_what_is_made_of_it() {
    for model in
        ["kind = \"trees\"\n", "kind = \"mlp\"\nhidden = [8]\nmembers = 1\nembedding = 4\n"]
    {
        let (Some(small), Some(large)) = (peak(model, 8_000), peak(model, 88_000)) else {
            eprintln!("skipped: this system doesn't tell a process's peak memory");
            return;
        };
        let (bytes, memory) = (large.0 - small.0, large.1.saturating_sub(small.1));
        println!("{model}{bytes} bytes of data more took {memory} of memory");
        assert!(memory < 10 * bytes + FIXED, "{model}{bytes} bytes more took {memory} of memory");
    }
}
