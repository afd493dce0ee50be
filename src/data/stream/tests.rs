//! Rows that are streamed: each is of one part, whoever reads it, and the sample is what it should be.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::survey::survey_with_room;
use super::*;
use crate::data::{ColumnKind, DataSettings, Means, Values, write};

struct Project {
    folder: tempfile::TempDir,
    settings: DataSettings,
    means: Means,
}

const ROWS: usize = 30_000;

/// Several blocks of rows; the class `rare` is that of two.
fn text(rows: usize) -> String {
    let mut text = "key,x,city,y\n".to_owned();
    for row in 0..rows {
        let y = if row == 11 || row == rows - 5 { "rare" } else { ["no", "yes"][row % 3 / 2] };
        let x = if row % 10 == 0 { "NA".to_owned() } else { format!("{}.5", row % 731) };
        let _ = writeln!(text, "k{row},{x},{},{y}", ["Oslo", "Rio", "Bonn"][row / 7 % 3]);
    }
    text
}

impl Project {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.csv"), text).expect("written");
        let settings = DataSettings {
            train: "a.csv".into(),
            target: "y".into(),
            id: vec!["key".into()],
            stream: true,
            ..DataSettings::default()
        };
        let cache = Cache { folder: folder.path().join("cache"), most_bytes: u64::MAX };
        let means = Means { cache: Some(cache), memory_bytes: Some(1) };
        Self { folder, settings, means }
    }

    fn with<T>(&self, ask: impl FnOnce(&LoadRequest<'_>) -> T) -> T {
        let columns = BTreeMap::from([("x".to_owned(), ColumnKind::Numeric)]);
        let (settings, means, root) = (&self.settings, &self.means, self.folder.path());
        let task = Task::Classification;
        ask(&LoadRequest { task, settings, columns: &columns, root, means })
    }

    fn load(&self) -> Result<Dataset> {
        self.with(crate::data::load)
    }
}

/// The keys of these rows, which tell them apart.
fn keys(table: &Table) -> Vec<String> {
    let Values::Texts(texts) = &table.column("key").expect("a column").values else {
        panic!("keys are texts")
    };
    (0..table.rows).map(|row| texts.get(row).unwrap_or("-").to_owned()).collect()
}

fn streamed(stream: &Stream, test: bool) -> Vec<String> {
    let mut all = Vec::new();
    let mut take = |keys: Vec<String>| {
        all.extend(keys);
        Ok(())
    };
    let work = |table: &Table| Ok(keys(table));
    match test {
        true => stream.test_rows(&|_| true, &work, &mut take),
        false => stream.train_rows(&|_| true, &work, &mut take),
    }
    .expect("rows");
    all
}

#[test]
fn lots_are_a_row_s_own() {
    let lots = Lots::new(7, 0.2, 0.1);
    let all = lots.of(0, 10_000);
    for (first, count) in [(0, 1), (1, 7), (999, 1000), (9_999, 1)] {
        assert_eq!(lots.of(first, count), all[first..first + count]);
    }
    let share = |role| all.iter().filter(|&&lot| lots.role(lot) == role).count();
    assert!((1900..2100).contains(&share(Role::Test)), "{}", share(Role::Test));
    assert!((900..1100).contains(&share(Role::Valid)), "{}", share(Role::Valid));
    assert_ne!(Lots::new(8, 0.2, 0.1).of(0, 5), all[..5]);
}

#[test]
fn every_row_is_of_one_part_whatever_the_format() {
    let mut project = Project::new(&text(ROWS));
    let dataset = project.load().expect("data");
    let stream = dataset.stream.as_ref().expect("a stream");
    let (train, test) = (streamed(stream, false), streamed(stream, true));
    assert_eq!(dataset.rows(), [train.len(), dataset.valid.rows, test.len()]);
    // There is room for all.
    assert_eq!(keys(&dataset.train), train);
    let mut all = [train.clone(), keys(&dataset.valid), test.clone()].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), ROWS);
    assert_eq!(dataset.train.describe_row(0), "a.csv row 1");

    // The same rows as Parquet are the same parts.
    let whole = crate::data::read(&project.folder.path().join("a.csv"), &{
        let mut options = ReadOptions::default();
        options.kinds.insert("x".into(), ColumnKind::Numeric);
        options
    });
    write(&project.folder.path().join("a.parquet"), None, &whole.expect("a table"))
        .expect("written");
    project.settings.train = "a.parquet".into();
    let other = project.load().expect("data");
    let stream = other.stream.as_ref().expect("a stream");
    assert!(streamed(stream, false) == train && streamed(stream, true) == test);
    assert_eq!(keys(&other.valid), keys(&dataset.valid));
    assert_eq!(other.train.kinds(), dataset.train.kinds());
}

#[test]
fn a_sample_is_no_larger_than_its_room_and_lacks_no_class() {
    let project = Project::new(&text(ROWS));
    let storage = Local { root: project.folder.path().to_owned() };
    let survey = |room| {
        project.with(|request| {
            let mut options = ReadOptions::new(request.settings, request.columns);
            options.strict = true;
            survey_with_room(request, &storage, &options, room).expect("a survey")
        })
    };
    let of = |kept: &Kept| -> (Lots, StreamRows) {
        serde_json::from_value(kept.about.more.clone()).expect("lots and rows")
    };
    let all = survey([(ROWS, 1 << 30), (ROWS, 1 << 30)]);
    let some = survey([(2000, 1 << 30), (1500, 1 << 30)]);
    let (sample, valid) = (keys(&some.tables[0]), keys(&some.tables[1]));
    assert!((800..=2002).contains(&sample.len()), "{}", sample.len());
    assert!((600..=1500).contains(&valid.len()), "{}", valid.len());
    // They are spread over the file, and what doesn't validate any more trains.
    assert!(sample.iter().all(|key| keys(&all.tables[0]).contains(key)));
    let late = |key: &&String| key[1..].parse::<usize>().is_ok_and(|row| row > ROWS / 2);
    assert!((300..1200).contains(&sample.iter().filter(late).count()));
    let ((whole_lots, whole), (lots, rows)) = (of(&all), of(&some));
    assert_eq!((rows.test, rows.valid), (whole.test, valid.len()));
    assert_eq!(rows.train + rows.valid, whole.train + whole.valid);
    assert!(lots.valid < whole_lots.valid && lots.test == whole_lots.test);
    let Values::Texts(labels) = &some.tables[0].column("y").expect("labels").values else {
        panic!("classes are texts")
    };
    assert!(labels.levels.contains("rare"));
    // As many threads as there may be, the same rows.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let one = alone.install(|| survey([(2000, 1 << 30), (1500, 1 << 30)]));
    assert_eq!(keys(&one.tables[0]), sample);
}

#[test]
fn what_cannot_be_streamed_says_what_to_do() {
    let mut project = Project::new(&text(300));
    project.settings.split.kind = SplitKind::Group;
    let error = project.load().expect_err("a split by group");
    assert!(error.message().contains("a split by group"), "{error}");
    project.settings.split.kind = SplitKind::Random;
    let columns = BTreeMap::new();
    let (settings, means, root) = (&project.settings, &project.means, project.folder.path());
    let task = Task::Ranking;
    let request = LoadRequest { task, settings, columns: &columns, root, means };
    let error = crate::data::load(&request).expect_err("another task");
    assert!(error.message().contains("is for classification"), "{error}");

    let project = Project::new(&text(300).replace("k7,7.5,Rio,no", "k7,7.5,Rio,"));
    let error = project.load().expect_err("a row without its class");
    assert_eq!(error.message(), "a.csv row 8 column `y`: the target is missing");
    // One row of a class, and its lot is not to train.
    let error = (0..20).find_map(|seed| {
        let mut project = Project::new(&text(300).replace("k11,11.5,Rio,rare", "k11,11.5,Rio,no"));
        project.settings.split.seed = seed;
        project.load().err()
    });
    let error = error.expect("of twenty lots one");
    assert!(error.message().contains("`y` is `rare`, the lot leaves none"), "{error}");
}

#[test]
fn a_file_that_is_written_to_meanwhile_is_told_of() {
    let project = Project::new(&text(300));
    let dataset = project.load().expect("data");
    let stream = dataset.stream.as_ref().expect("a stream");
    std::fs::write(project.folder.path().join("a.csv"), text(301)).expect("written");
    let read = stream.train_rows(&|_| true, &|table| Ok(table.rows), &mut |_| Ok(()));
    let error = read.expect_err("it has changed");
    assert!(error.message().contains("changed while it was read"), "{error}");
}
