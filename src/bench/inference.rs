//! What `benches/inference.rs` measures: a model of the size of adult's, from the rows of a table to
//! class probabilities.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::{self, Column, ColumnKind, DataSettings, Table, Values};
use crate::engine::threads::with_threads;
use crate::error::Result;
use crate::model::classification::{ClassificationModel, Spec};
use crate::model::contents::PackageContext;
use crate::model::features::{Features, NumberStyle};
use crate::model::member::{Body, Member};
use crate::model::nets::{self, NetSettings, NetShape, Numbers, TabularNet};
use crate::model::{Model, Package};

/// Six numbers of 64 bins, and eight columns of so many names.
const NUMBERS: usize = 6;
const BINS: usize = 64;
const NAMES: [u32; 8] = [9, 16, 7, 15, 6, 5, 2, 42];
/// The rows that preprocessing is fitted on.
const FITTED: usize = 20_000;

/// A model of four nets side by side, two hidden layers of 96 each, with its preprocessing.
pub struct Inference {
    model: ClassificationModel,
    one: Table,
    many: Table,
}

impl Inference {
    /// The model, and so many rows to score.
    ///
    /// # Errors
    /// Where the model can't be made; in words, since the crate's errors are its own.
    pub fn new(rows: usize) -> Result<Self, String> {
        Self::make(rows).map_err(|error| error.to_string())
    }

    fn make(rows: usize) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let fitted = table(FITTED, &mut random);
        let names: Vec<String> = fitted.columns.iter().map(|column| column.name.clone()).collect();
        let features = Features::fit(&fitted, &names, NumberStyle::Bins(BINS), None)?;
        let settings = NetSettings {
            members: 4,
            embedding: 24,
            numbers: Numbers::Piecewise,
            bins: BINS,
            ..NetSettings::of(nets::Body::Mlp { hidden: vec![96, 96] })
        };
        let shape = NetShape::new(&features, &settings, 2);
        let net = TabularNet::init(&shape, &settings, &Device::Cpu, &mut random)?;
        let member = Member::only("mlp", Body::Net(shape));
        let weights = member.named(net.parameters().snapshot()?);
        let spec = Spec {
            kind: "mlp".into(),
            data: DataSettings { target: "class".into(), ..DataSettings::default() },
            kinds: fitted.columns.iter().map(|own| (own.name.clone(), own.kind)).collect(),
            classes: vec!["no".into(), "yes".into()],
            positive: Some(1),
            features: vec![features],
            members: vec![member],
            prior: vec![0.5, 0.5],
            logistic: None,
            temperature: None,
            threshold: None,
        };
        let model = ClassificationModel::new(spec, weights, &Device::Cpu)?;
        Ok(Self { model, one: table(1, &mut random), many: table(rows, &mut random) })
    }

    /// Microseconds a row when rows come one at a time, on the calling thread, for about so long.
    ///
    /// # Errors
    /// Where the row can't be scored.
    pub fn one_row(&self, time: Duration) -> Result<f64, String> {
        let (mut rows, started) = (0, Instant::now());
        while started.elapsed() < time {
            for _ in 0..100 {
                self.model.predict(&self.one).map_err(|error| error.to_string())?;
                rows += 1;
            }
        }
        Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(rows))
    }

    /// Rows a second when all are scored together on so many threads.
    ///
    /// # Errors
    /// Where the rows can't be scored.
    pub fn all_rows(&self, threads: usize) -> Result<f64, String> {
        let work = || {
            let started = Instant::now();
            let answer = self.model.predict(&self.many)?;
            assert_eq!(answer.values.len(), 2 * self.many.rows);
            Ok(self.many.rows as f64 / started.elapsed().as_secs_f64())
        };
        let answer: Result<Result<f64>> = with_threads(threads, work);
        answer.flatten().map_err(|error| error.to_string())
    }

    /// Writes the model as a package into a folder that isn't there, and the rows as a CSV file.
    ///
    /// # Errors
    /// Where there is no room for them.
    pub fn write(&self, package: &Path, rows: &Path) -> Result<(), String> {
        let context = PackageContext {
            name: "bench".into(),
            owner: None,
            lineage: serde_json::Value::Null,
            valid: Vec::new(),
            choice: None,
            example: None,
        };
        let model = Model::Classification(self.model.clone());
        let written = Package::write(package, &model, &context).map(drop);
        let written = written.and_then(|()| data::write(rows, None, &self.many));
        written.map_err(|error| error.to_string())
    }
}

fn table(rows: usize, random: &mut ChaCha8Rng) -> Table {
    let number = |at: usize, random: &mut ChaCha8Rng| Column {
        name: format!("number{at}"),
        kind: ColumnKind::Numeric,
        values: Values::Numbers((0..rows).map(|_| random.random::<f64>() * 100.0).collect()),
    };
    let name = |at: usize, names: u32, random: &mut ChaCha8Rng| {
        let texts = (0..rows).map(|_| Some(format!("name {}", random.random_range(0..names))));
        Column {
            name: format!("name{at}"),
            kind: ColumnKind::Categorical,
            values: Values::Texts(texts.collect()),
        }
    };
    let mut columns: Vec<Column> = (0..NUMBERS).map(|at| number(at, random)).collect();
    columns.extend(NAMES.iter().enumerate().map(|(at, &names)| name(at, names, random)));
    Table { columns, rows, ..Table::default() }
}
