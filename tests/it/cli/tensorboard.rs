//! `mlx train --tensorboard`: event files, of a run in one piece and in several, as TensorBoard reads them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::train::{project, reaches, start};
use crate::support::Home;

/// What `EventAccumulator` makes of every run below a folder: its tags, each with its steps.
const READ: &str = "
import json, sys
from pathlib import Path
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    events = EventAccumulator(str(folder), size_guidance={'scalars': 0}, purge_orphaned_data=False)
    events.Reload()
    for tag in events.Tags()['scalars']:
        found[tag] = [[event.step, event.value] for event in events.Scalars(tag)]
print(json.dumps(found))
";

/// The event files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(folder).expect("a folder of runs");
    let inside = |run: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_dir(run.expect("an entry").path()).expect("the folder of a run")
    };
    runs.flat_map(inside).map(|file| file.expect("an entry").path()).collect()
}

/// The lengths of a file's records; every byte of it belongs to one.
fn lengths(file: &[u8]) -> Vec<usize> {
    let mut rest = file;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes")) as usize;
        found.push(length);
        rest = &rest[8 + 4 + length + 4..];
    }
    found
}

#[test]
fn a_run_that_was_killed_has_every_point_once() {
    let home = Home::new();
    project(&home);
    let epochs = 40;
    // A long run, so that there is a middle.
    let text =
        home.read("churn/mlx.toml").replace("[model]\n", &format!("[model]\nepochs = {epochs}\n"));
    home.write("churn/mlx.toml", text);
    // The folder is relative to where one is.
    let mut child = start(&home, "train --tensorboard ../board");
    if reaches(&home, &mut child, 5) {
        child.kill().expect("killed");
    }
    child.wait().expect("an end");
    // The folder is remembered.
    home.mlx_in("churn", "train -q --resume").ok();
    let written = files(&home.join("board"));
    assert_eq!(written.len(), 1, "{written:?}");
    let name = written[0].file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("events.out.tfevents."), "{name}");
    // The version, five steps an epoch (320 rows in batches of 64), the epochs.
    let bytes = std::fs::read(&written[0]).expect("a file");
    assert_eq!(lengths(&bytes).len(), 1 + 5 * epochs + epochs);

    let python = std::env::var_os("MLX_PYTHON").unwrap_or_else(|| "python3".into());
    let asked = Command::new(&python).args(["-c", "import tensorboard"]).output();
    if !asked.is_ok_and(|answer| answer.status.success()) {
        eprintln!("skipped: {} has no tensorboard (set MLX_PYTHON)", python.display());
        return;
    }
    let read = Command::new(python).args(["-c", READ]).arg(home.join("board")).output();
    let read = read.expect("Python runs");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let tags: serde_json::Value = serde_json::from_slice(&read.stdout).expect("JSON");
    let steps = |tag: &str| -> Vec<u64> {
        let points = tags[tag].as_array().unwrap_or_else(|| panic!("{tag}: {tags}"));
        points.iter().map(|point| point[0].as_u64().expect("a step")).collect()
    };
    assert_eq!(steps("loss/train"), (1..=40).collect::<Vec<_>>());
    assert_eq!(steps("loss/step"), (1..=200).collect::<Vec<_>>());
    for tag in ["valid/logloss", "valid/auc", "learning_rate", "speed/rows_per_second"] {
        assert_eq!(steps(tag).len(), epochs, "{tag}");
    }
    let told = home.mlx_in("churn", "runs show --json").ok().json();
    let (loss, shown) = (&told["epochs"][9]["train_loss"], &tags["loss/train"][9][1]);
    let difference = loss.as_f64().expect("a loss") - shown.as_f64().expect("a value");
    assert!(difference.abs() < 1e-6, "{loss} {shown}");
}

#[test]
fn each_part_of_a_course_has_a_folder_of_its_own() {
    let home = Home::new();
    project(&home);
    let text = home.read("churn/mlx.toml").replace("batch = 64\n", "");
    let (before, _) = text.split_once("[model]\n").expect("a table");
    home.write("churn/mlx.toml", format!("{before}[model]\nkind = \"auto\"\n"));
    home.mlx_in("churn", "train -q --max-epochs 2 --tensorboard board").ok();
    let told = home.mlx_in("churn", "runs show --json").ok().json();
    let parts = told["run"]["parts"].as_array().expect("parts");
    assert!(parts.len() > 1, "{told}");
    let run = std::fs::read_dir(home.join("churn/board")).expect("runs").next().expect("one");
    let run = run.expect("an entry").path();
    for part in parts {
        let name = part["name"].as_str().expect("a name");
        let written = std::fs::read_dir(run.join(name)).expect("the folder of a part");
        assert_eq!(written.count(), 1, "{name}");
    }
}

#[test]
fn a_folder_that_cant_be_written_stops_before_training() {
    let home = Home::new();
    project(&home);
    home.write("churn/board", "a file");
    insta::assert_snapshot!(home.mlx_in("churn", "train --tensorboard board").show(), @"
    exit 1
    --- stderr
    error: --tensorboard: cannot make [HOME]/churn/board: File exists (os error 17)
      try: a file is where a folder should be: name another folder
    ");
    assert!(!home.join("churn/.mlx/runs").exists(), "no run was begun");
}
