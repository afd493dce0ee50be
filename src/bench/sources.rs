//! The workloads' data, drawn as the peer draws its own, and their losses.

use std::sync::Arc;

use candle_core::Tensor;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

use super::Workload;
use super::nets::{DOCUMENT, HORIZON, LOOK_BACK, NUMBERS, WIDE_NUMBERS, codes};
use crate::engine::Batch;
use crate::engine::loss::{CrossEntropy, LambdaRank, ListNet, MeanSquares, OverQueries, Query};
use crate::error::Result;

const ROWS: usize = 200_000;
const CHANNELS: usize = 7;
const STEPS: usize = 17_420;
const LISTS: usize = 8_192;
const LONGEST: usize = 64;

/// What a workload learns from.
pub(super) trait Source: Send {
    fn units(&self) -> usize;

    /// Gathers these units' rows into an empty batch.
    fn fill(&self, units: &[usize], batch: &mut Batch);

    fn loss(&self, units: &[usize], output: &Tensor) -> Result<Tensor>;
}

pub(super) fn of(workload: Workload, random: &mut ChaCha8Rng) -> Box<dyn Source> {
    match workload {
        Workload::Mlp => Box::new(Rows::wide(random)),
        Workload::Embeddings => Box::new(Rows::coded(random)),
        Workload::DLinear | Workload::NHits => Box::new(Windows::new(random)),
        Workload::ListNet => Box::new(Lists::new(random, false)),
        Workload::LambdaRank => Box::new(Lists::new(random, true)),
    }
}

fn normals(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| random.sample(StandardNormal)).collect()
}

/// Rows of two classes.
struct Rows {
    width: usize,
    numbers: Vec<f32>,
    columns: usize,
    codes: Vec<u32>,
    labels: Vec<u32>,
}

impl Rows {
    fn wide(random: &mut ChaCha8Rng) -> Self {
        let numbers = normals(ROWS * WIDE_NUMBERS, random);
        let label = |row: &[f32]| {
            let noise: f32 = random.sample(StandardNormal);
            u32::from(row[..10].iter().sum::<f32>() + 0.5 * noise > 0.0)
        };
        let labels = numbers.chunks_exact(WIDE_NUMBERS).map(label).collect();
        Self { width: WIDE_NUMBERS, numbers, columns: 0, codes: vec![], labels }
    }

    fn coded(random: &mut ChaCha8Rng) -> Self {
        let tables = codes();
        let codes: Vec<u32> = (0..ROWS)
            .flat_map(|_| {
                tables.iter().map(|codes| random.random_range(0..*codes as u32)).collect::<Vec<_>>()
            })
            .collect();
        let numbers = normals(ROWS * NUMBERS, random);
        let rows = codes.chunks_exact(tables.len()).zip(numbers.chunks_exact(NUMBERS));
        let labels =
            rows.map(|(codes, numbers)| (codes[0] % 2) ^ u32::from(numbers[0] > 0.0)).collect();
        Self { width: NUMBERS, numbers, columns: tables.len(), codes, labels }
    }
}

impl Source for Rows {
    fn units(&self) -> usize {
        ROWS
    }

    fn fill(&self, units: &[usize], batch: &mut Batch) {
        batch.rows = units.len();
        batch.dense.resize(units.len() * self.width, 0.0);
        batch.dense.par_chunks_mut(self.width).with_min_len(128).zip(units).for_each(
            |(row, &unit)| row.copy_from_slice(&self.numbers[unit * self.width..][..self.width]),
        );
        for &unit in units {
            batch.codes.extend_from_slice(&self.codes[unit * self.columns..][..self.columns]);
        }
    }

    fn loss(&self, units: &[usize], output: &Tensor) -> Result<Tensor> {
        let labels = units.iter().map(|&unit| self.labels[unit]).collect();
        CrossEntropy { labels, classes: 2, ..CrossEntropy::default() }.of(output)
    }
}

/// Windows of noisy sines; a unit is an origin, with a row for each channel.
struct Windows {
    series: Vec<Vec<f32>>,
}

impl Windows {
    fn new(random: &mut ChaCha8Rng) -> Self {
        let series = |channel: usize| {
            let value = |step: usize| {
                let noise: f32 = random.sample(StandardNormal);
                (step as f32 / (5 + 3 * channel) as f32).sin() + 0.3 * noise
            };
            (0..STEPS).map(value).collect()
        };
        Self { series: (0..CHANNELS).map(series).collect() }
    }
}

impl Source for Windows {
    fn units(&self) -> usize {
        STEPS - LOOK_BACK - HORIZON + 1
    }

    fn fill(&self, units: &[usize], batch: &mut Batch) {
        batch.rows = units.len() * CHANNELS;
        for &unit in units {
            for series in &self.series {
                batch.dense.extend_from_slice(&series[unit..unit + LOOK_BACK]);
            }
        }
    }

    fn loss(&self, units: &[usize], output: &Tensor) -> Result<Tensor> {
        let mut targets = Vec::with_capacity(units.len() * CHANNELS * HORIZON);
        for &unit in units {
            for series in &self.series {
                targets.extend_from_slice(&series[unit + LOOK_BACK..][..HORIZON]);
            }
        }
        MeanSquares { targets }.of(output)
    }
}

/// Lists of 20 to 64 documents. The peer pads all to 64; here a list has the rows that it has.
struct Lists {
    numbers: Vec<f32>,
    /// Where the documents of each list start, and where the last ends.
    starts: Vec<usize>,
    queries: Vec<Arc<Query>>,
    targets: Vec<Arc<[f32]>>,
    pairwise: bool,
}

impl Lists {
    fn new(random: &mut ChaCha8Rng, pairwise: bool) -> Self {
        let mut starts = vec![0];
        for list in 0..LISTS {
            starts.push(starts[list] + random.random_range(20..=LONGEST));
        }
        let documents = starts[LISTS];
        let numbers = normals(documents * DOCUMENT, random);
        let grade = |document: usize| {
            let noise: f32 = random.sample(StandardNormal);
            (numbers[document * DOCUMENT] + noise).clamp(0.0, 4.0).round()
        };
        let grades: Vec<f32> = (0..documents).map(grade).collect();
        let grades = || starts.windows(2).map(|ends| &grades[ends[0]..ends[1]]);
        let query = |grades: &[f32]| {
            let grades: Vec<f64> = grades.iter().copied().map(f64::from).collect();
            Arc::new(Query::new(&grades, LONGEST))
        };
        Self {
            queries: grades().map(query).collect(),
            targets: grades().map(ListNet::target).collect(),
            numbers,
            starts,
            pairwise,
        }
    }
}

impl Source for Lists {
    fn units(&self) -> usize {
        LISTS
    }

    fn fill(&self, units: &[usize], batch: &mut Batch) {
        for &unit in units {
            let (start, end) = (self.starts[unit], self.starts[unit + 1]);
            batch.rows += end - start;
            batch.dense.extend_from_slice(&self.numbers[start * DOCUMENT..end * DOCUMENT]);
        }
    }

    fn loss(&self, units: &[usize], output: &Tensor) -> Result<Tensor> {
        if self.pairwise {
            let queries = units.iter().map(|&unit| self.queries[unit].clone()).collect();
            let loss = LambdaRank { even: false };
            return OverQueries { queries, loss }.of(output);
        }
        let targets = units.iter().map(|&unit| self.targets[unit].clone()).collect();
        ListNet { targets }.of(output)
    }
}
