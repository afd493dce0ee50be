//! What boosting leaves behind: bins, trees, and how scores become answers.

use rayon::prelude::*;

use super::bins::{Bins, Column, MISSING_BIN};
use super::objective::softmax;
use super::tree::Tree;
use crate::error::{Error, Result};

/// Rows that are binned and scored at a time; their bins stay in the first cache.
const BLOCK: usize = 256;

/// Rows that go down a tree together.
const SIDE_BY_SIDE: usize = 8;

/// From scores to answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Identity,
    Sigmoid,
    Softmax,
}

/// A boosted model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(super) link: Link,
    /// One a feature.
    pub(super) bins: Vec<Bins>,
    /// The score of each output before any tree.
    pub(super) start: Vec<f64>,
    /// Round by round, in each one tree an output.
    pub(super) trees: Vec<Tree>,
}

impl Link {
    /// Scores row by row become answers.
    pub(super) fn answer(self, scores: &mut [f64], outputs: usize) {
        match self {
            Self::Identity => {}
            Self::Sigmoid => {
                for score in scores {
                    *score = 1.0 / (1.0 + (-*score).exp());
                }
            }
            Self::Softmax => scores.chunks_exact_mut(outputs).for_each(softmax),
        }
    }
}

impl Model {
    /// The model of these parts, if they are of one; in words, why not. Trees split by features that there are.
    pub(super) fn of(
        link: Link,
        bins: Vec<Bins>,
        start: Vec<f64>,
        trees: Vec<Tree>,
    ) -> Result<Self, String> {
        let outputs = start.len();
        let fits = match link {
            Link::Identity | Link::Sigmoid => outputs == 1,
            Link::Softmax => outputs >= 2,
        };
        let whole = trees.len().is_multiple_of(outputs);
        if !fits || !whole || start.iter().any(|score| !score.is_finite()) {
            return Err(format!("{} trees don't make {outputs} outputs", trees.len()));
        }
        Ok(Self { link, bins, start, trees })
    }

    pub(crate) fn outputs(&self) -> usize {
        self.start.len()
    }

    pub(crate) fn rounds(&self) -> usize {
        self.trees.len() / self.outputs()
    }

    /// The model as it was after so many rounds.
    pub(crate) fn truncate(&mut self, rounds: usize) {
        self.trees.truncate(rounds * self.outputs());
    }

    /// Answers row by row, [`Model::outputs`] each: values, the chance of the second class, or of each class.
    pub(crate) fn predict(&self, columns: &[Column<'_>]) -> Result<Vec<f64>> {
        let mut scores = self.scores(columns)?;
        self.link.answer(&mut scores, self.outputs());
        Ok(scores)
    }

    /// Scores row by row, [`Model::outputs`] each.
    pub(crate) fn scores(&self, columns: &[Column<'_>]) -> Result<Vec<f64>> {
        let rows = self.check(columns)?;
        let outputs = self.outputs();
        let mut scores = vec![0.0; rows * outputs];
        scores.par_chunks_mut(BLOCK * outputs).enumerate().try_for_each(
            |(block, scores)| -> Result<()> {
                let from = block * BLOCK;
                let to = rows.min(from + BLOCK);
                let columns: Vec<_> = columns.iter().map(|column| column.slice(from, to)).collect();
                let cells = Cells::new(&self.bins, &columns)?;
                scores.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(&self.start));
                for round in self.trees.chunks_exact(outputs) {
                    for (output, tree) in round.iter().enumerate() {
                        cells.add(tree, 0, scores.iter_mut().skip(output).step_by(outputs));
                    }
                }
                Ok(())
            },
        )?;
        Ok(scores)
    }

    /// Columns are as many as features and equally long; how long.
    fn check(&self, columns: &[Column<'_>]) -> Result<usize> {
        if columns.len() != self.bins.len() {
            return Err(Error::user(format!(
                "the model has {} features and was given {} columns",
                self.bins.len(),
                columns.len()
            )));
        }
        equally_long(columns)
    }
}

/// How many rows the columns have.
pub(super) fn equally_long(columns: &[Column<'_>]) -> Result<usize> {
    let rows = columns.first().map_or(0, Column::len);
    match columns.iter().find(|column| column.len() != rows) {
        Some(column) => {
            Err(Error::user(format!("columns have {rows} rows and {} rows", column.len())))
        }
        None => Ok(rows),
    }
}

/// The bins of some rows, row by row.
pub(super) struct Cells {
    width: usize,
    bins: Vec<u8>,
}

impl Cells {
    pub(super) fn new(bins: &[Bins], columns: &[Column<'_>]) -> Result<Self> {
        let rows = columns.first().map_or(0, Column::len);
        let width = columns.len();
        let mut cells = vec![MISSING_BIN; rows * width];
        for (feature, (bins, &column)) in bins.iter().zip(columns).enumerate() {
            bins.encode(column, |row, bin| cells[row * width + feature] = bin)?;
        }
        Ok(Self { width, bins: cells })
    }

    /// Add a tree's answers to the scores of the rows from `first` on.
    pub(super) fn add<'a>(
        &self,
        tree: &Tree,
        first: usize,
        mut scores: impl ExactSizeIterator<Item = &'a mut f64>,
    ) {
        let bins = |row: usize| &self.bins[row * self.width..][..self.width];
        let mut row = first;
        while scores.len() > 0 {
            // Rows beyond the last are the last once more, and nobody asks for their leaves.
            let last = row + scores.len() - 1;
            let rows: [_; SIDE_BY_SIDE] = std::array::from_fn(|at| bins(last.min(row + at)));
            let leaves = tree.leaves_of(rows, |bins, feature| bins[feature]);
            for (leaf, score) in leaves.into_iter().zip(&mut scores) {
                *score += tree.leaves[leaf];
            }
            row += SIDE_BY_SIDE;
        }
    }
}
