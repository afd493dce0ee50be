//! A run as TensorBoard reads it: one event file, `DIR/NAME-ID/events.out.tfevents.…`; where a run has
//! several parts, one in a folder of each.
//!
//! Scalars an epoch have the epoch as their step; `loss/step` has the number of steps that were taken.
//! The messages are those of TensorFlow's `event.proto` and `summary.proto`, of which these fields are all
//! that scalars need.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use prost::Message;

use super::checkpoint::Progress;
use super::event::Event;
use super::run::Run;
use crate::error::{Error, Result};
use crate::sys::{clock, files, tfrecord};

/// Points of `loss/step` an epoch, at most.
const STEPS_SHOWN: usize = 50;

/// The tag of the loss step by step.
const STEP_LOSS: &str = "loss/step";

/// What the first record of a file says.
const VERSION: &str = "brain.Event:2";

#[derive(Clone, PartialEq, Message)]
struct Record {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The event files of a run, which are written as it tells of itself.
#[derive(Debug)]
pub(crate) struct TensorBoard {
    run: Run,
    folder: PathBuf,
    /// How far each part is: what was written of later than this, a resumed run writes again.
    reached: BTreeMap<String, Progress>,
    /// The file of the part that trains.
    file: Option<(PathBuf, File)>,
}

/// Whether event files can be written below this folder, which is made where it is not there.
pub(crate) fn check(dir: &Path) -> Result<()> {
    let asked = |error: Error| {
        error
            .context("--tensorboard")
            .hint("name a folder that can be written to: `--tensorboard DIR`")
    };
    fs::create_dir_all(dir).map_err(|error| asked(Error::io("make", dir, &error)))?;
    tempfile::Builder::new()
        .prefix(".mlx-")
        .tempfile_in(dir)
        .map(drop)
        .map_err(|error| asked(Error::io("write to", dir, &error)))
}

impl TensorBoard {
    /// Files below `dir`; none is written before a part starts.
    pub(crate) fn new(dir: &Path, run: &Run, reached: &BTreeMap<String, Progress>) -> Self {
        let folder = dir.join(format!("{}-{}", run.manifest.name, run.short_id()));
        Self { run: run.clone(), folder, reached: reached.clone(), file: None }
    }

    pub(crate) fn write(&mut self, event: &Event) -> Result<()> {
        if let Event::PartStarted { part, parts, .. } = event {
            let folder = if *parts > 1 { self.folder.join(part) } else { self.folder.clone() };
            self.file = Some(self.open(&folder, part)?);
        }
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let Some(record) = record(event, clock::now_ms() as f64 / 1000.0) else { return Ok(()) };
        file.write_all(&framed(&record)).map_err(|error| Error::io("write", path, &error))
    }

    /// A part's file, with what was written of it up to where it is; of a part that was not written
    /// there before, with its epochs so far.
    fn open(&self, folder: &Path, part: &str) -> Result<(PathBuf, File)> {
        let manifest = &self.run.manifest;
        let seconds = manifest.started_ms / 1000;
        let name = format!("events.out.tfevents.{seconds:010}.{}", self.run.short_id());
        let path = folder.join(name);
        fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
        let fresh = Progress::default();
        let reached = self.reached.get(part).unwrap_or(&fresh);
        let kept = if path.is_file() {
            kept(&files::read(&path)?, reached)
        } else {
            let of_part =
                |event: &Event| matches!(event, Event::EpochEnded { part: of, .. } if of == part);
            let events = self.run.events()?.into_iter().filter(of_part);
            told(&events.collect::<Vec<_>>(), manifest.started_ms as f64 / 1000.0, reached)
        };
        files::write_atomic(&path, &kept)?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|error| Error::io("write", &path, &error))?;
        Ok((path, file))
    }
}

/// The scalars of an event, where it has any to show.
fn record(event: &Event, wall_time: f64) -> Option<Record> {
    let value =
        |tag: &str, value: f64| Value { tag: tag.to_owned(), simple_value: Some(value as f32) };
    let (step, values) = match event {
        Event::StepEnded { step, steps, total_steps, loss, .. } => {
            let shown = step % steps.div_ceil(STEPS_SHOWN).max(1) == 0;
            (*total_steps as i64, if shown { vec![value(STEP_LOSS, *loss)] } else { Vec::new() })
        }
        Event::EpochEnded {
            epoch,
            train_loss,
            valid,
            learning_rate,
            seconds,
            rows_per_second,
            peak_memory_bytes,
            ..
        } => {
            let mut values = vec![value("loss/train", *train_loss)];
            values
                .extend(valid.iter().map(|(name, score)| value(&format!("valid/{name}"), *score)));
            values.extend(learning_rate.map(|rate| value("learning_rate", rate)));
            values.push(value("speed/rows_per_second", *rows_per_second));
            values.push(value("speed/epoch_seconds", *seconds));
            values.extend(peak_memory_bytes.map(|bytes| value("memory/peak_bytes", bytes as f64)));
            (*epoch as i64, values)
        }
        _ => return None,
    };
    let summary = (!values.is_empty()).then_some(Summary { value: values })?;
    Some(Record { wall_time, step, file_version: None, summary: Some(summary) })
}

/// A file's records up to where the run is.
fn kept(bytes: &[u8], reached: &Progress) -> Vec<u8> {
    let is_of_steps =
        |record: &Record| record.summary.iter().flat_map(|s| &s.value).any(|v| v.tag == STEP_LOSS);
    let known = |record: &Record| {
        let last = if is_of_steps(record) { reached.total_steps } else { reached.epoch as u64 };
        record.file_version.is_some() || record.step as u64 <= last
    };
    let records = tfrecord::records(bytes).into_iter();
    let records: Vec<Record> =
        records.filter_map(|data| Record::decode(data).ok()).filter(known).collect();
    match records.first() {
        Some(first) if first.file_version.is_some() => records.iter().flat_map(framed).collect(),
        // Killed before it was a file of events.
        _ => begun(clock::now_ms() as f64 / 1000.0),
    }
}

/// A file as it would be, had it been written from the beginning, but for the loss step by step.
fn told(events: &[Event], began: f64, reached: &Progress) -> Vec<u8> {
    let mut bytes = begun(began);
    let mut time = began;
    for event in events {
        let Event::EpochEnded { epoch, seconds, .. } = event else { continue };
        time += seconds;
        if *epoch <= reached.epoch {
            bytes.extend(record(event, time).iter().flat_map(framed));
        }
    }
    bytes
}

fn begun(wall_time: f64) -> Vec<u8> {
    let file_version = Some(VERSION.to_owned());
    framed(&Record { wall_time, step: 0, file_version, summary: None })
}

fn framed(record: &Record) -> Vec<u8> {
    tfrecord::frame(&record.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize) -> Event {
        Event::EpochEnded {
            part: "mlp".into(),
            epoch,
            total_steps: epoch as u64 * 200,
            train_loss: 0.5,
            valid: vec![("auc".into(), 0.75)],
            best_epoch: epoch,
            improved: true,
            learning_rate: None,
            seconds: 2.0,
            rows_per_second: 1000.0,
            peak_memory_bytes: Some(1 << 20),
        }
    }

    fn step(total_steps: u64) -> Event {
        let step = (total_steps as usize - 1) % 200 + 1;
        Event::StepEnded {
            epoch: 1,
            step,
            steps: 200,
            total_steps,
            loss: 0.25,
            rows_per_second: 0.0,
        }
    }

    /// `(tag, step)` of every point, the version of the file left out.
    fn points(bytes: &[u8]) -> Vec<(String, i64)> {
        let records = tfrecord::records(bytes);
        let first = Record::decode(records[0]).expect("a record");
        assert_eq!(first.file_version.as_deref(), Some(VERSION));
        let point = |data: &&[u8]| {
            let record = Record::decode(*data).expect("a record");
            let values = record.summary.expect("scalars").value;
            values.into_iter().map(move |value| (value.tag, record.step)).collect::<Vec<_>>()
        };
        records[1..].iter().flat_map(point).collect()
    }

    fn file(events: &[Event]) -> Vec<u8> {
        let records = events.iter().filter_map(|event| record(event, 1.5));
        begun(1.0).into_iter().chain(records.flat_map(|record| framed(&record))).collect()
    }

    #[test]
    fn an_epoch_is_its_scalars_and_steps_are_thinned_out() {
        let tags: Vec<String> =
            points(&file(&[epoch(3)])).into_iter().map(|(tag, _)| tag).collect();
        assert_eq!(
            tags,
            [
                "loss/train",
                "valid/auc",
                "speed/rows_per_second",
                "speed/epoch_seconds",
                "memory/peak_bytes"
            ]
        );
        let steps: Vec<Event> = (1..=200).map(step).collect();
        let shown = points(&file(&steps));
        assert_eq!(shown.len(), STEPS_SHOWN);
        assert_eq!(shown[1], (STEP_LOSS.to_owned(), 8));
    }

    #[test]
    fn the_wire_is_that_of_the_proto() {
        // event.proto: wall_time = 1 (double), step = 2 (int64), file_version = 3, summary = 5;
        // summary.proto: value = 1, and in it tag = 1, simple_value = 2 (float).
        let value = Value { tag: "a".into(), simple_value: Some(1.0) };
        let summary = Some(Summary { value: vec![value] });
        let record = Record { wall_time: 1.0, step: 7, file_version: None, summary };
        assert_eq!(
            record.encode_to_vec(),
            [
                0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, // 1: a double
                0x10, 7, // 2: a varint
                0x2A, 10, // 5: a message of ten bytes
                0x0A, 8, 0x0A, 1, b'a', 0x15, 0, 0, 0x80, 0x3F
            ]
        );
    }

    #[test]
    fn a_resumed_run_goes_on_where_its_checkpoint_is() {
        let mut events = vec![epoch(1)];
        events.extend((201..=400).map(step));
        events.push(epoch(2));
        let mut bytes = file(&events);
        // Cut off as a killed process would leave it.
        bytes.truncate(bytes.len() - 3);
        let steps_of = |bytes: &[u8]| points(bytes).iter().filter(|p| p.0 == STEP_LOSS).count();
        let at = |epoch, total_steps| Progress { epoch, total_steps, ..Progress::default() };
        assert_eq!(steps_of(&kept(&bytes, &at(1, 240))), 10);
        assert_eq!(points(&kept(&bytes, &at(1, 200))).len(), 5);
        assert_eq!(points(&kept(&bytes, &at(0, 0))).len(), 0);
        assert_eq!(points(&kept(b"", &at(1, 240))).len(), 0);
        assert_eq!(points(&told(&[epoch(1), epoch(2)], 0.0, &at(1, 240))).len(), 5);
    }
}
