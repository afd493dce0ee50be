//! A disk that is full, or can only be read: a small one of our own, where we may mount it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Rows;
use super::fixture::{SETTINGS, customers, registered, trained};
use crate::road::Road;
use crate::support::{Answer, Home};

#[test]
fn full_disk() {
    let mut rows = Rows::of("Full disk");

    let home = Home::new();
    let Some(disk) = Disk::mount(&home) else { return };
    let mut spoilt = |disk: &Disk, home: &Home, wrong: &str, line: &str, free_kib: usize| {
        let before = disk.fill(free_kib);
        let answer = run(home, line);
        let shown = rows.saw(wrong, line, &answer);
        answer.fails_with(1);
        assert_eq!(disk.listed(), before, "half-written by `mlx {line}`");
        disk.make_room();
        run(home, line).ok();
        shown
    };
    let line = "new disk/shop --template classification --no-git";
    insta::assert_snapshot!(spoilt(&disk, &home, "`new` on a full disk", line, 64), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/disk/data/customers.csv: No space left on device (os error 28)
      try: make room on the disk of [HOME]/disk/data, and run the command again
    ");
    drop(disk);

    let home = Home::new();
    let disk = Disk::mount(&home).expect("a disk, as before");
    home.write("disk/mlx.toml", SETTINGS);
    home.write("disk/train.csv", customers());
    insta::assert_snapshot!(spoilt(&disk, &home, "`train` on a full disk", "-C disk train", 0), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/disk/.mlx/runs/[ID]/manifest.json: No space left on device (os error 28)
      try: make room on the disk of [HOME]/disk/.mlx/runs/[ID], and run the command again
    ");
    insta::assert_snapshot!(spoilt(&disk, &home, "`predict` onto a full disk", "-C disk predict -q -i train.csv -o out.csv", 0), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/disk/out.csv: No space left on device (os error 28)
      try: make room on the disk of [HOME]/disk, and run the command again
    ");
    drop(disk);

    let home = trained();
    let disk = Disk::mount(&home).expect("a disk, as before");
    let line = "-C churn register -q --registry ../disk/registry";
    insta::assert_snapshot!(spoilt(&disk, &home, "a new registry on a full disk", line, 16), @"
    exit 1
    --- stderr
    error: cannot make [HOME]/churn/../disk/registry/registry.db: the registry's database can't be read or written: error returned from database: (code: 4874) disk I/O error
      try: its disk may be full or failing: make room there, and try again
    ");
    drop(disk);

    let home = registered();
    let disk = Disk::mount(&home).expect("a disk, as before");
    insta::assert_snapshot!(spoilt(&disk, &home, "`registry backup` to a full disk", "registry backup disk/copy", 64), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/disk/copy: the disk of the registry's database is full
      try: make room there
    ");
    let shown = spoilt(
        &disk,
        &home,
        "`models pull` to a full disk",
        "models pull churn/1 -o disk/pulled",
        4,
    );
    insta::assert_snapshot!(shown, @"
    exit 1
    --- stderr
    error: cannot pull churn/1: cannot write [HOME]/disk/.mlx-pull-…/[FILE]: No space left on device (os error 28)
      try: make room on the disk of [HOME]/disk/.mlx-pull-…, and run the command again
    ");
    drop(disk);
    rows.end();
}

/// What was begun on a registry whose disk is full is done once there is room, and it was sound all along.
#[test]
fn a_full_registry_stays_sound() {
    let home = trained();
    let Some(disk) = Disk::mount(&home) else { return };
    let line = "-C churn register -q --registry ../disk/registry";
    let mut first = home.command_in("");
    first.env("MLX_REGISTRY_DATA", home.join("disk/registry")).args(["models", "list"]);
    home.answer(&mut first).ok();
    disk.fill(8);
    run(&home, line).fails_with(1);
    disk.make_room();
    let sound = run(&home, "registry verify --data disk/registry").ok();
    assert!(!sound.stdout().contains("churn/1"), "{}", sound.show());
    run(&home, line).ok();
    run(&home, "registry verify --data disk/registry").ok();
}

/// A server whose disk fills up while a file comes says so, keeps nothing of it, and goes on.
#[test]
fn a_served_registry_whose_disk_is_full_says_so() {
    let mut road = Road::embedded();
    let Some(disk) = Disk::mount_at(&road.home, "served", 8) else { return };
    road.start_server();
    road.registered(1);
    disk.fill(600);
    let files = "/api/2.0/mlflow-artifacts/artifacts/0/big/w";
    let content = json!("x".repeat(3 << 20));
    let (status, said) = road.call("PUT", files, &content);
    assert_eq!((status, &said["error_code"]), (507, &json!("RESOURCE_EXHAUSTED")), "{said}");
    assert_eq!(said["message"], "the registry's disk is full, and nothing of this was stored");
    assert_eq!(road.call("GET", files, &Value::Null).0, 404);
    // In pieces too, and by our own client.
    road.run(2, &"model 2 ".repeat(400));
    let register = format!("register {}", crate::road::run_id(2));
    let refused = road.mlx(&register).fails_with(7);
    assert!(refused.stderr().contains("has no room"), "{}", refused.show());
    assert!(refused.stderr().contains("mlx registry gc"), "{}", refused.show());
    disk.make_room();
    road.mlx("registry verify").ok();
    let shown = road.mlx("models show churn --json").ok().json();
    assert_eq!(shown["versions"].as_array().map(Vec::len), Some(1));
    road.mlx(&register).ok();
    assert_eq!(road.call("PUT", files, &content).0, 200);
    road.mlx("registry verify").ok();
    road.kill_server();
}

#[test]
fn read_only() {
    let mut rows = Rows::of("Read-only disk");
    let home = registered();
    let Some(disk) = Disk::mount(&home) else { return };
    home.write("disk/mlx.toml", SETTINGS);
    home.write("disk/train.csv", customers());
    run(&home, "registry backup disk/copy -q").ok();
    disk.remount("ro");
    let mut tried = |wrong: &str, line: &str| {
        let answer = run(&home, line);
        rows.saw(wrong, line, &answer)
    };
    insta::assert_snapshot!(tried("a new project where nothing can be written", "new disk/shop --template ranking"), @"
    exit 1
    --- stderr
    error: cannot write in [HOME]/disk: Read-only file system (os error 30)
      try: the disk of [HOME]/disk can only be read: use a folder that can be written
    ");
    insta::assert_snapshot!(tried("training where nothing can be written", "-C disk train"), @"
    exit 1
    --- stderr
    error: cannot make [HOME]/disk/.mlx/runs/[ID]: Read-only file system (os error 30)
      try: the disk of [HOME]/disk/.mlx/runs can only be read: use a folder that can be written
    ");
    insta::assert_snapshot!(tried("a registry that can't be written", "-C churn promote -q churn/1 --to production --registry ../disk/copy"), @"
    exit 1
    --- stderr
    error: cannot open [HOME]/churn/../disk/copy/registry.lock: Read-only file system (os error 30)
      try: the disk of [HOME]/churn/../disk/copy can only be read: use a folder that can be written
    ");
    insta::assert_snapshot!(tried("a registry that can't be made", "-C churn register -q --registry ../disk/other"), @"
    exit 1
    --- stderr
    error: cannot open [HOME]/churn/../disk/other: Read-only file system (os error 30)
      try: the disk of [HOME]/churn/../disk can only be read: use a folder that can be written
    ");
    insta::assert_snapshot!(tried("predictions that can't be written", "-C churn predict -q -i train.csv -o ../disk/out.csv"), @"
    exit 1
    --- stderr
    error: cannot write [HOME]/churn/../disk/out.csv: Read-only file system (os error 30)
      try: the disk of [HOME]/churn/../disk can only be read: use a folder that can be written
    ");
    insta::assert_snapshot!(tried("a backup that can't be written", "registry backup disk/backup"), @"
    exit 1
    --- stderr
    error: cannot write to [HOME]/disk: Read-only file system (os error 30)
      try: the disk of [HOME]/disk can only be read: use a folder that can be written
    ");
    drop(disk);
    rows.end();
}

fn run(home: &Home, line: &str) -> Answer {
    home.mlx(line)
}

/// A few megabytes in a folder of a home, unmounted when dropped.
struct Disk {
    folder: PathBuf,
    size_kib: usize,
}

impl Disk {
    /// Two megabytes at `disk`. None, said aloud, where we may not mount.
    fn mount(home: &Home) -> Option<Self> {
        Self::mount_at(home, "disk", 2)
    }

    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn mount_at(home: &Home, name: &str, megabytes: usize) -> Option<Self> {
        let folder = home.join(name);
        std::fs::create_dir(&folder).expect("a folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&folder)
            .output();
        match mount {
            Ok(output) if output.status.success() => {
                Some(Self { folder, size_kib: megabytes * 1024 })
            }
            failed => {
                eprintln!("skipped: no disk can be mounted here ({failed:?})");
                None
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// Leave this much room, and list what is there.
    fn fill(&self, free_kib: usize) -> Vec<String> {
        let mut kib = self.size_kib;
        while std::fs::write(self.filler(), vec![1; kib * 1024]).is_err() {
            kib -= 4;
        }
        std::fs::write(self.filler(), vec![1; (kib - free_kib) * 1024])
            .expect("less than there was room for");
        self.listed()
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("removed");
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.folder).status();
        assert!(status.expect("mount starts").success());
    }

    /// Every file on the disk, by name. Runs that failed, the lock of a registry's set-up and empty folders may stay.
    fn listed(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(&self.folder).expect("on the disk");
                if path.is_dir() {
                    folders.push(path);
                } else if !may_stay(name) {
                    found.push(name.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

fn may_stay(path: &Path) -> bool {
    path.starts_with(".mlx/runs") && !path.to_string_lossy().contains(".mlx-")
        || path.extension().is_some_and(|extension| extension == "lock")
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
    }
}
