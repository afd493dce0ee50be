//! What `benches/ops.rs` measures: the hot operations of training, one at a time.

use std::fmt;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::nets::codes;
use crate::engine::dropout::draw;
use crate::engine::loss::{
    ApproxNdcg, CrossEntropy, LambdaRank, ListNet, MeanSquares, NdcgLoss, OverQueries, Query,
};
use crate::engine::simd::vectorised;
use crate::engine::{Activation, Batch, Linear, Mode, Net, NetBuilder, Parameters, StepKey};
use crate::error::Result;
use crate::train::adamw::{AdamW, Moments};
use crate::trees::{Binary, Booster, Column, Settings};

/// Rows of a batch, and how wide a layer is.
const ROWS: usize = 1024;
const WIDTH: usize = 256;
/// Queries of a batch, and the documents of each.
const QUERIES: usize = 32;
const DOCUMENTS: usize = 40;
/// Parameters that an optimiser steps.
const PARAMETERS: usize = 1_000_000;
/// What trees grow on.
const TREE_ROWS: usize = 50_000;
const TREE_COLUMNS: usize = 20;

/// An operation, ready to be done again and again.
pub type Work = Box<dyn FnMut()>;

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// 256 → 256 with bias and ReLU, forward alone.
    LinearForward,
    /// The same forward and backward, with a mean of squares behind it.
    LinearBoth,
    /// Twenty embedding tables, forward and backward.
    GatherBoth,
    /// The numbers of a dropout mask.
    DropoutMask,
    /// A step of the optimiser over a million parameters.
    AdamW,
    /// Losses with their slopes, of two classes.
    CrossEntropy,
    /// Listwise softmax.
    Softmax,
    /// LambdaRank.
    LambdaRank,
    /// NDCG-Loss2++.
    NdcgLoss,
    /// ApproxNDCG.
    ApproxNdcg,
    /// A round of boosting: slopes, histograms, splits and scores of a tree of 31 leaves.
    TreeRound,
}

impl Op {
    /// All of them, in the order of a training step.
    pub const ALL: [Self; 11] = [
        Self::LinearForward,
        Self::LinearBoth,
        Self::GatherBoth,
        Self::DropoutMask,
        Self::AdamW,
        Self::CrossEntropy,
        Self::Softmax,
        Self::LambdaRank,
        Self::NdcgLoss,
        Self::ApproxNdcg,
        Self::TreeRound,
    ];

    /// How many rows, or parameters, it goes over.
    #[must_use]
    pub fn items(self) -> usize {
        match self {
            Self::AdamW => PARAMETERS,
            Self::Softmax | Self::LambdaRank | Self::NdcgLoss | Self::ApproxNdcg => {
                QUERIES * DOCUMENTS
            }
            Self::TreeRound => TREE_ROWS,
            _ => ROWS,
        }
    }

    /// Sets it up.
    ///
    /// # Errors
    /// Where a net cannot be made; in words, since the crate's errors are its own.
    pub fn prepare(self) -> Result<Work, String> {
        self.work(&mut ChaCha8Rng::seed_from_u64(1)).map_err(|error| error.to_string())
    }

    fn work(self, random: &mut ChaCha8Rng) -> Result<Work> {
        match self {
            Self::LinearForward => pass(&linear(), false, random),
            Self::LinearBoth => pass(&linear(), true, random),
            Self::GatherBoth => {
                let tables: Vec<(usize, usize)> =
                    codes().into_iter().map(|codes| (codes, 16)).collect();
                let mut net = NetBuilder::new(0, tables.len());
                let output = net.gather("tables", &tables, 0);
                pass(&net.finish(output), true, random)
            }
            Self::DropoutMask => {
                let mut drawn = vec![0; WIDTH];
                let mut step = 0;
                Ok(Box::new(move || {
                    step += 1;
                    vectorised(
                        #[inline(always)]
                        || (0..ROWS).for_each(|row| draw(StepKey(step), 0, row, &mut drawn)),
                    );
                }))
            }
            Self::AdamW => {
                let mut net = NetBuilder::new(1000, 0);
                let output = net.linear("all", net.dense(), layer(PARAMETERS / 1000));
                let parameters = Parameters::init(&net.finish(output), &Device::Cpu, random)?;
                let gradient = numbers(parameters.count(), random);
                let mut optimiser = AdamW::new(&parameters, &Moments::default())?;
                Ok(Box::new(move || {
                    let stepped = optimiser.step(&parameters, &gradient, 1.0, 1e-3, 0.01);
                    stepped.expect("a step of these sizes");
                }))
            }
            Self::CrossEntropy => {
                let labels: Vec<u32> = (0..ROWS).map(|row| row as u32 % 2).collect();
                let loss = move |logits: &Tensor| {
                    CrossEntropy { labels: labels.clone(), classes: 2, ..CrossEntropy::default() }
                        .of(logits)
                };
                slopes((ROWS, 2), loss, random)
            }
            Self::Softmax => {
                let targets: Vec<Arc<[f32]>> =
                    grades(random).iter().map(|grades| ListNet::gains(grades)).collect();
                let loss = move |scores: &Tensor| ListNet { targets: targets.clone() }.of(scores);
                slopes((QUERIES * DOCUMENTS, 1), loss, random)
            }
            Self::LambdaRank | Self::NdcgLoss | Self::ApproxNdcg => {
                let queries: Vec<Arc<Query>> = grades(random)
                    .iter()
                    .map(|grades| Arc::new(Query::new(grades, usize::MAX)))
                    .collect();
                let loss = move |scores: &Tensor| {
                    let queries = queries.clone();
                    match self {
                        Self::LambdaRank => {
                            OverQueries { queries, loss: LambdaRank { even: true } }.of(scores)
                        }
                        Self::NdcgLoss => OverQueries { queries, loss: NdcgLoss }.of(scores),
                        _ => OverQueries { queries, loss: ApproxNdcg }.of(scores),
                    }
                };
                slopes((QUERIES * DOCUMENTS, 1), loss, random)
            }
            Self::TreeRound => boosting(random),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LinearForward => "linear, forward",
            Self::LinearBoth => "linear, both ways",
            Self::GatherBoth => "gather, both ways",
            Self::DropoutMask => "dropout's masks",
            Self::AdamW => "AdamW",
            Self::CrossEntropy => "cross-entropy",
            Self::Softmax => "softmax of lists",
            Self::LambdaRank => "LambdaRank",
            Self::NdcgLoss => "NDCG-Loss2++",
            Self::ApproxNdcg => "ApproxNDCG",
            Self::TreeRound => "a round of trees",
        })
    }
}

fn linear() -> Arc<Net> {
    // Two layers, so that the second has an input whose gradient is wanted.
    let mut net = NetBuilder::new(WIDTH, 0);
    let hidden = net.linear("first", net.dense(), layer(WIDTH));
    let output = net.linear("second", hidden, layer(WIDTH));
    net.finish(output)
}

fn layer(width: usize) -> Linear {
    let activation = Activation::Relu;
    Linear { width, members: 1, shared_input: true, activation, dropout: 0.0 }
}

/// A batch through a net, and back.
fn pass(net: &Arc<Net>, both: bool, random: &mut ChaCha8Rng) -> Result<Work> {
    let parameters = Parameters::init(net, &Device::Cpu, random)?;
    let codes = if net.codes > 0 { codes() } else { vec![] };
    let mut batch = Batch { rows: ROWS, ..Batch::default() };
    batch.dense = numbers(ROWS * net.dense, random);
    for _ in 0..ROWS {
        batch.codes.extend(codes.iter().map(|&codes| random.random_range(0..codes as u32)));
    }
    let batch = Arc::new(batch);
    Ok(Box::new(move || {
        let mode = if both { Mode::Train(StepKey(1)) } else { Mode::Score };
        let output = parameters.forward(batch.clone(), mode).expect("a batch of these sizes");
        if both {
            let targets = vec![0.0; output.elem_count()];
            let loss = MeanSquares { targets }.of(&output).expect("as many targets as outputs");
            drop(parameters.gradient(&loss).expect("the loss depends on the net"));
        }
    }))
}

/// A loss and its slopes.
fn slopes(
    shape: (usize, usize),
    loss: impl Fn(&Tensor) -> Result<Tensor> + 'static,
    random: &mut ChaCha8Rng,
) -> Result<Work> {
    let outputs = Var::from_vec(numbers(shape.0 * shape.1, random), shape, &Device::Cpu)?;
    Ok(Box::new(move || {
        let loss = loss(&outputs).expect("outputs of these sizes");
        drop(loss.backward().expect("a scalar has slopes"));
    }))
}

fn boosting(random: &mut ChaCha8Rng) -> Result<Work> {
    let columns: Vec<Vec<f64>> = (0..TREE_COLUMNS)
        .map(|_| (0..TREE_ROWS).map(|_| random.random::<f64>()).collect())
        .collect();
    let label = |row: usize| f64::from(u8::from(columns[0][row] + columns[1][row] > 1.0));
    let labels: Vec<f64> = (0..TREE_ROWS).map(label).collect();
    let columns: Vec<Column<'_>> = columns.iter().map(|values| Column::Numbers(values)).collect();
    let objective = Box::new(Binary::new(labels)?);
    let mut booster = Booster::new(Settings::default(), &columns, objective, random)?;
    let mut random = ChaCha8Rng::seed_from_u64(random.next_u64());
    Ok(Box::new(move || {
        booster.step(&mut random);
    }))
}

fn numbers(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| random.random::<f32>() - 0.5).collect()
}

fn grades(random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    (0..QUERIES)
        .map(|_| (0..DOCUMENTS).map(|_| f64::from(random.random_range(0..5_u8))).collect())
        .collect()
}
