//! A table from the cache is the table that the files would have given, or it is not from the cache.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

use super::{ABANDONED, Cache};
use crate::data::load::{Files, LoadRequest};
use crate::data::{ColumnKind, DataSettings, Means, Task};
use crate::error::Result;
use crate::sys::files;

/// A project in a folder of its own.
struct Project {
    folder: tempfile::TempDir,
    settings: DataSettings,
    columns: BTreeMap<String, ColumnKind>,
    most_bytes: u64,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = DataSettings {
            train: "train.csv".into(),
            test: Some("test.csv".into()),
            target: "y".into(),
            ..DataSettings::default()
        };
        let project = Self { folder, settings, columns: BTreeMap::new(), most_bytes: u64::MAX };
        project.write("train.csv", &text(0, 60_000));
        project.write("test.csv", &text(60_000, 50_000));
        project
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn cache(&self) -> Cache {
        Cache { folder: self.folder.path().join("cache"), most_bytes: self.most_bytes }
    }

    fn read(&self, cache: Option<Cache>) -> Result<Files> {
        Files::read(&LoadRequest {
            task: Task::Classification,
            settings: &self.settings,
            columns: &self.columns,
            root: self.folder.path(),
            means: &Means { cache, memory_bytes: None },
        })
    }

    /// Everything that is known of the data; read through the cache, it is what it is without one.
    fn files(&self) -> String {
        let told = |files: &Files| {
            format!("{:?} {:?} {:?} {:?}", files.train, files.test, files.sources, files.notices)
        };
        let through = told(&self.read(Some(self.cache())).expect("data"));
        // Told in full, a difference would be megabytes.
        assert!(through == told(&self.read(None).expect("data")), "it is not what was read");
        through
    }

    fn entries(&self) -> Vec<PathBuf> {
        let Ok(found) = self.cache().folder.read_dir() else { return Vec::new() };
        let mut entries: Vec<PathBuf> =
            found.map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        entries
    }
}

/// A few megabytes, with a gap, a time, an id, a text that is long, and a notice to make of them.
fn text(first: usize, rows: usize) -> String {
    let mut text = "key,x,when,city,note,y\n".to_owned();
    for row in first..first + rows {
        let x = if row % 7 == 0 { "NA".to_owned() } else { format!("{}.25", row % 977) };
        let note = "a note of some length ".repeat(3);
        let (hour, city, y) = (row % 24, ["Oslo", "Rio"][row % 2], ["no", "yes"][row % 3 / 2]);
        let _ = writeln!(text, "k{row},{x},2024-05-31 {hour:02}:30,{city},{note}{row},{y}");
    }
    text
}

fn bytes(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| std::fs::read(path).expect("an entry")).collect()
}

#[test]
fn a_second_reading_is_the_first_to_the_last_bit() {
    let project = Project::new();
    let first = project.files();
    assert_eq!(project.entries().len(), 2);
    assert!(project.files() == first);
    assert_eq!(project.entries().len(), 2);
}

#[test]
fn what_decides_the_table_is_part_of_the_question() {
    let mut project = Project::new();
    let first = project.files();
    project.columns.insert("x".into(), ColumnKind::Categorical);
    let other = project.files();
    assert!(other != first);
    project.settings.missing = vec!["Rio".into()];
    assert!(project.files() != other);
    // How rows are held out is not.
    let before = project.entries().len();
    project.settings.split.seed = 8;
    project.settings.positive = Some("yes".into());
    project.files();
    assert_eq!(project.entries().len(), before);
    // What settings ask for is looked at whether or not there is an entry.
    project.settings.id = vec!["keys".into()];
    let error = project.read(Some(project.cache())).expect_err("no such column");
    assert_eq!(error.hint_text(), Some("did you mean `key`?"));
    project.settings.id = Vec::new();
    project.settings.positive = Some("perhaps".into());
    assert!(project.read(Some(project.cache())).is_err());
}

#[test]
fn other_content_of_the_same_name_and_size_is_read_and_takes_the_place_of_the_old() {
    let project = Project::new();
    let first = project.files();
    project.write("train.csv", &text(0, 60_000).replace("Oslo", "Bonn"));
    assert!(project.files() != first);
    assert_eq!(project.entries().len(), 2);
}

#[test]
fn a_damaged_entry_is_told_of_and_made_anew() {
    let project = Project::new();
    project.files();
    let entries = project.entries();
    let whole = bytes(&entries);
    for (entry, whole) in entries.iter().zip(&whole) {
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        std::fs::write(entry, damaged).expect("written");
    }
    let files = project.read(Some(project.cache())).expect("data");
    let notices = files.notices.iter().filter(|notice| notice.contains("is damaged"));
    assert_eq!(notices.count(), 2, "{:?}", files.notices);
    assert!(bytes(&project.entries()) == whole);
    project.files();
}

#[test]
fn the_folder_stays_as_small_as_it_should() {
    let mut project = Project::new();
    project.files();
    let sizes: Vec<u64> =
        bytes(&project.entries()).iter().map(|entry| entry.len() as u64).collect();
    std::fs::remove_dir_all(project.cache().folder).expect("removed");
    // Room for either, and not for both: the one that is made last stays.
    project.most_bytes = sizes.iter().sum::<u64>() - 1;
    project.files();
    assert_eq!(project.entries().len(), 1);
    for most_bytes in [0, 1000] {
        let _ = std::fs::remove_dir_all(project.cache().folder);
        project.most_bytes = most_bytes;
        project.files();
        assert_eq!(project.entries(), Vec::<PathBuf>::new(), "{most_bytes}");
    }
}

#[test]
fn what_a_killed_process_left_unfinished_goes_when_it_is_old() {
    let project = Project::new();
    let folder = project.cache().folder;
    std::fs::create_dir_all(&folder).expect("a folder");
    let [old, new] = ["old", "new"].map(|name| folder.join(format!("{}{name}", files::PENDING)));
    for path in [&old, &new] {
        std::fs::write(path, "unfinished").expect("written");
    }
    let file = std::fs::File::options().append(true).open(&old).expect("there");
    file.set_modified(SystemTime::now() - 2 * ABANDONED).expect("older");
    project.files();
    assert!(!old.exists() && new.exists());
}

#[test]
fn where_nothing_can_be_kept_a_notice_says_so_and_nothing_is_lost() {
    let project = Project::new();
    // No folder can be made where a file is.
    project.write("cache", "a file");
    let files = project.read(Some(project.cache())).expect("data");
    let told = files.notices.iter().filter(|notice| notice.contains("MLX_DATA_CACHE=0")).count();
    assert_eq!(told, 1, "{:?}", files.notices);
    assert_eq!(files.train.rows, 60_000);
    assert!(project.cache().folder.is_file());
}
