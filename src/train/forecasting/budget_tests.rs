//! Forecasters under a budget, by a clock that counts looks: what is cut, what is left, and that it is replayed.

use std::path::Path;

use candle_core::Device;

use super::tests::{dataset, finished_within, rows};
use crate::data::series::tests::settings;
use crate::data::{DataSettings, Dataset, Task};
use crate::model::contents::PackageContext;
use crate::model::{ModelSettings, Package};
use crate::sys::signals::Interrupt;
use crate::train::course::walk::{WalkEnd, Walked};
use crate::train::course::{
    self, Allowance, Cuts, Finished, Limits, Ready, Replay, Situation, Walk,
};
use crate::train::deadline::Clock;
use crate::train::event::Event;

/// Some months of three shops, of which validation is too short to compare anything by.
fn shops() -> (Dataset, DataSettings) {
    (dataset(&rows(), 150), DataSettings { horizon: Some(10), ..settings() })
}

fn limits(seconds: f64) -> Limits {
    Limits {
        max_epochs: 3,
        patience: 3,
        budget: Some(std::time::Duration::from_secs_f64(seconds)),
        counts_looks: true,
        ..Limits::default()
    }
}

/// A run in this folder, which goes on with what is there; and what its parts were said to be.
fn walked(model: &str, limits: &Limits, folder: &Path) -> (Walked, Vec<String>) {
    let (dataset, data) = shops();
    let model: ModelSettings = toml::from_str(model).unwrap();
    let situation = Situation { dataset: &dataset, data: &data };
    let course = course::plan(Task::Forecasting, &model, 7, &situation).unwrap();
    let mut said = Vec::new();
    let walk = Walk {
        course: &course,
        dataset: &dataset,
        data: &data,
        device: &Device::Cpu,
        limits,
        folder,
        interrupt: &Interrupt::default(),
        report: &mut |event| match event {
            Event::PartLeftOut { part, why } => said.push(format!("{part}: {why}")),
            Event::PartEnded { part, .. } => said.push(part),
            _ => {}
        },
    };
    let first = Ready::new(&course, &dataset, &data, &Device::Cpu, limits, Some(folder)).unwrap();
    (walk.run(first).unwrap(), said)
}

fn finished(walked: &Walked) -> &Finished {
    match &walked.end {
        WalkEnd::Finished(finished) => finished,
        WalkEnd::Interrupted { .. } => panic!("nobody interrupts"),
    }
}

fn trained(walked: &Walked) -> Vec<&str> {
    let parts = walked.records.iter().filter(|part| part.left_out.is_none());
    parts.map(|part| part.name.as_str()).collect()
}

/// The digest of its package.
fn digest(walked: &Walked) -> String {
    let Finished { model, valid, choice, .. } = finished(walked);
    let context = PackageContext {
        name: "shops".into(),
        owner: None,
        lineage: serde_json::Value::Null,
        valid: valid.clone(),
        choice: choice.clone(),
        example: None,
    };
    let folder = tempfile::tempdir().unwrap();
    Package::write(&folder.path().join("package"), model, &context).unwrap().digest
}

/// What a lock of this run has `--locked` do.
fn locked(walked: &Walked) -> Limits {
    let parts = walked.records.iter().filter(|part| part.left_out.is_none());
    let replay: Replay = parts.map(|part| (part.name.clone(), part.steps)).collect();
    // A clock that would leave nothing: a replay doesn't look at it.
    Limits { replay: Some(replay), cuts: walked.cuts.clone(), ..limits(1.0) }
}

#[test]
fn whatever_the_budget_a_replay_and_a_resumed_run_come_to_the_same_package() {
    let mut counts = Vec::new();
    for budget in [1.0, 1e3, 3e3, 9e3, 1e6] {
        let folder = tempfile::tempdir().unwrap();
        let (once, _) = walked("kind = \"auto\"", &limits(budget), folder.path());
        let whole = digest(&once);
        let another = tempfile::tempdir().unwrap();
        let (again, _) = walked("kind = \"auto\"", &locked(&once), another.path());
        assert_eq!(digest(&again), whole, "{budget}: {:?}", once.cuts);
        assert_eq!(trained(&again), trained(&once));
        // As a run that was killed when its model was made, and has another clock.
        let (resumed, _) = walked("kind = \"auto\"", &limits(budget * 7.0), folder.path());
        assert_eq!(trained(&resumed), trained(&once));
        assert_eq!((digest(&resumed), &resumed.cuts), (whole, &once.cuts), "{budget}");
        assert!(budget < 1e5 || once.cuts.is_empty(), "{:?}", once.cuts);
        counts.push(trained(&once).len());
    }
    assert_eq!((counts[0], counts[4]), (1, 6), "{counts:?}");
    assert!(counts.iter().any(|count| (2..6).contains(count)), "{counts:?}");
}

#[test]
fn origins_and_last_fits_that_have_no_time_are_left_out() {
    let (dataset, data) = shops();
    let kinds = ["seasonal-naive", "seasonal-regression", "ridge"];
    let record = |_: &Cuts| Ok(());
    let within = |seconds: f64, cuts: &[(&str, u64)]| {
        let cuts = cuts.iter().map(|(name, steps)| ((*name).to_owned(), *steps)).collect();
        let allowance = Allowance::until(&Clock::of_looks(), seconds, cuts, &record);
        let finished = finished_within(&dataset, &data, &kinds, &allowance);
        (allowance.cuts(), finished)
    };
    let (cuts, late) = within(6.0, &[("origins", 0)]);
    let cut: Vec<&str> = cuts.keys().map(String::as_str).collect();
    assert!(cuts.values().all(|steps| *steps == 0) && cut.len() > 1, "{cuts:?}");
    assert!(cut[1..].iter().all(|name| name.ends_with(" with validation")), "{cuts:?}");
    let notices = late.notices.join("; ");
    assert!(notices.contains("compared at 1 of "), "{notices}");
    assert!(notices.contains("not fitted once more"), "{notices}");

    let (cuts, early) = within(1e9, &[("origins", 2)]);
    assert_eq!(cuts, Cuts::from([("origins".into(), 2)]));
    let notices = early.notices.join("; ");
    assert!(notices.contains("compared at 3 of ") && !notices.contains("once more"), "{notices}");
    let weights = |finished: &Finished| format!("{:?}", finished.model.weights());
    assert_ne!(weights(&late), weights(&early));
}

#[test]
fn what_is_cut_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (walked, said) = walked("kind = \"ridge\"", &limits(50.0), folder.path());
    assert_eq!(said, ["ridge: the budget ran out while it was fitted", "seasonal-naive"]);
    assert_eq!(trained(&walked), ["seasonal-naive"]);
    let choice = finished(&walked).choice.as_ref().expect("one of one");
    assert_eq!(choice.members[0].kind, "seasonal-naive");
    let notices = finished(&walked).notices.join("; ");
    assert!(notices.contains("seasonal-naive stands in"), "{notices}");
}

#[test]
fn a_lock_without_any_part_of_the_run_is_refused() {
    let (dataset, data) = shops();
    let model: ModelSettings = toml::from_str("kind = \"ridge\"").unwrap();
    let situation = Situation { dataset: &dataset, data: &data };
    let course = course::plan(Task::Forecasting, &model, 7, &situation).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { replay: Some(Replay::new()), ..limits(1.0) };
    let walk = Walk {
        course: &course,
        dataset: &dataset,
        data: &data,
        device: &Device::Cpu,
        limits: &limits,
        folder: folder.path(),
        interrupt: &Interrupt::default(),
        report: &mut |_| {},
    };
    let first = Ready::new(&course, &dataset, &data, &Device::Cpu, &limits, None).unwrap();
    let error = walk.run(first).unwrap_err();
    assert!(error.message().contains("none of the parts"), "{error}");
}
