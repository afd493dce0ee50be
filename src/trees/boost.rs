//! Boosting: round after round a tree on the slopes of what the trees before it left (Friedman, Greedy Function
//! Approximation: A Gradient Boosting Machine, 2001, with second derivatives as in Chen & Guestrin, XGBoost, 2016).
//!
//! The caller takes one [`Booster::step`] at a time, so it may report, save the model or stop between any two. A
//! model saved after a round is all of the state: [`Booster::resume`] adds its trees up again, in the same order, to
//! the same scores.

use std::sync::{Mutex, PoisonError};

use rand::RngCore;
use rayon::prelude::*;

use super::bins::{Bins, Column};
use super::grow::{Ground, Grown, Workspace, grow};
use super::histogram::Slope;
use super::model::{Cells, Model, equally_long};
use super::objective::Objective;
use super::sample;
use super::settings::Settings;
use super::table::Table;
use super::tree::Tree;
use crate::error::{Error, Result};

/// Bins are fitted on no more rows than this.
const ROWS_FOR_BINS: usize = 200_000;

/// Rows that a thread walks down a tree at a time.
const CHUNK: usize = 1 << 12;

pub(crate) struct Booster<'a> {
    settings: Settings,
    objective: Box<dyn Objective + 'a>,
    table: Table,
    model: Model,
    /// Of the training rows, output by output.
    scores: Vec<f64>,
    slopes: Vec<Slope>,
    watched: Option<Watched<'a>>,
    /// Left by trees for those that come after; which tree gets which makes no difference.
    workspaces: Mutex<Vec<Workspace>>,
}

/// Rows that are not trained on, whose loss tells when to stop.
struct Watched<'a> {
    objective: Box<dyn Objective + 'a>,
    cells: Cells,
    scores: Vec<f64>,
}

/// A round as it was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Round {
    /// How many there have been, this one included.
    pub rounds: usize,
    /// Of the watched rows, if there are any.
    pub watched_loss: Option<f64>,
    /// Whether a tree found anything to split; if not, no later one is likely to.
    pub has_grown: bool,
}

impl<'a> Booster<'a> {
    /// Ready for the first round.
    pub(crate) fn new(
        settings: Settings,
        columns: &[Column<'_>],
        objective: Box<dyn Objective + 'a>,
        random: &mut dyn RngCore,
    ) -> Result<Self> {
        settings.check()?;
        let rows = equally_long(columns)?;
        if rows == 0 {
            return Err(Error::user("there are no rows to grow trees on"));
        }
        let sample = (rows > ROWS_FOR_BINS).then(|| sample::choose(random, rows, ROWS_FOR_BINS));
        let bins = columns
            .par_iter()
            .map(|&column| {
                Bins::fit(column, sample.as_deref(), settings.bins, settings.min_rows_per_bin)
            })
            .collect();
        let model =
            Model { link: objective.link(), bins, start: objective.start(), trees: Vec::new() };
        Self::resume(settings, columns, objective, model)
    }

    /// Ready for the round after the model's last; columns and objective are those it was trained with.
    pub(crate) fn resume(
        settings: Settings,
        columns: &[Column<'_>],
        objective: Box<dyn Objective + 'a>,
        model: Model,
    ) -> Result<Self> {
        settings.check()?;
        let rows = equally_long(columns)?;
        let fits = objective.link() == model.link && objective.outputs() == model.outputs();
        if !fits || columns.len() != model.bins.len() {
            return Err(Error::user(
                "the model to go on with was trained on other columns or targets",
            ));
        }
        if objective.rows() != rows {
            let targets = objective.rows();
            return Err(Error::user(format!("there are {rows} rows and targets for {targets}")));
        }
        if u32::try_from(rows).is_err() {
            return Err(Error::user(format!("{rows} rows are more than trees can count")));
        }
        let table = Table::new(columns, &model.bins)?;
        let mut scores = Vec::with_capacity(rows * model.outputs());
        for (output, &start) in model.start.iter().enumerate() {
            scores.resize((output + 1) * rows, start);
        }
        scores.par_chunks_mut(rows.max(1)).enumerate().for_each(|(output, scores)| {
            for tree in model.trees.iter().skip(output).step_by(model.outputs()) {
                add_by_walking(tree, &table, scores);
            }
        });
        let slopes = vec![[0.0; 2]; scores.len()];
        let workspaces = Mutex::default();
        Ok(Self { settings, objective, table, model, scores, slopes, watched: None, workspaces })
    }

    /// Watch the loss of rows that are not trained on, from the first round on.
    pub(crate) fn watch(
        &mut self,
        columns: &[Column<'_>],
        objective: Box<dyn Objective + 'a>,
    ) -> Result<()> {
        let rows = equally_long(columns)?;
        if columns.len() != self.model.bins.len() || objective.rows() != rows || rows == 0 {
            return Err(Error::user("the watched rows are none, or not like the training rows"));
        }
        let cells = Cells::new(&self.model.bins, columns)?;
        let scores: Vec<f64> =
            self.model.start.iter().flat_map(|&start| vec![start; rows]).collect();
        let mut watched = Watched { objective, cells, scores };
        for trees in self.model.trees.chunks(self.model.outputs()) {
            watched.add(trees);
        }
        self.watched = Some(watched);
        Ok(())
    }

    /// One round: a tree for each output. The stream of random numbers is this round's own.
    pub(crate) fn step(&mut self, random: &mut dyn RngCore) -> Round {
        let outputs = self.model.outputs();
        let rows = self.table.rows;
        self.objective.slopes(&self.scores, &mut self.slopes);
        // All of the round's lots are drawn before threads part ways.
        let bag = self.draw_rows(random);
        let features: Vec<Vec<bool>> = (0..outputs).map(|_| self.draw_features(random)).collect();

        // Trees of several outputs are grown side by side; one tree is, if need be, grown by all threads.
        let in_parallel = rayon::current_num_threads() > outputs;
        let mut scores = std::mem::take(&mut self.scores);
        let this = &*self;
        let grow_one = |(output, scores): (usize, &mut [f64])| {
            let mut workspace = this.take_workspace();
            workspace.rows.clear();
            match &bag {
                Some(bag) => workspace.rows.extend_from_slice(bag),
                None => workspace.rows.extend(0..rows as u32),
            }
            let ground = Ground {
                settings: &this.settings,
                table: &this.table,
                slopes: &this.slopes[output * rows..][..rows],
                allowed: &features[output],
                in_parallel,
            };
            let mut grown = grow(ground, &mut workspace);
            this.answer_anew(&mut grown, &workspace.rows, scores);
            if bag.is_some() {
                add_by_walking(&grown.tree, &this.table, scores);
            } else {
                add_by_leaf(&grown, &workspace.rows, scores);
            }
            this.give_back(workspace);
            grown.tree
        };
        let this_round = scores.par_chunks_mut(rows).enumerate().with_max_len(1);
        let trees: Vec<Tree> = this_round.map(grow_one).collect();
        self.scores = scores;

        let has_grown = trees.iter().any(|tree| !tree.nodes.is_empty());
        let rounds = self.model.rounds() + 1;
        let watched_loss = self.watched.as_mut().map(|watched| {
            watched.add(&trees);
            watched.objective.loss(&watched.scores)
        });
        self.model.trees.extend(trees);
        Round { rounds, watched_loss, has_grown }
    }

    /// The mean loss of the training rows.
    pub(crate) fn loss(&self) -> f64 {
        self.objective.loss(&self.scores)
    }

    /// The answers for the watched rows, row by row, as [`Model::predict`] gives them.
    pub(crate) fn watched_answers(&self) -> Option<Vec<f64>> {
        let watched = self.watched.as_ref()?;
        let (rows, outputs) = (watched.objective.rows(), self.model.outputs());
        let by_row =
            (0..rows * outputs).map(|at| watched.scores[at % outputs * rows + at / outputs]);
        let mut answers: Vec<f64> = by_row.collect();
        self.model.link.answer(&mut answers, outputs);
        Some(answers)
    }

    /// The model so far.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    fn draw_rows(&self, random: &mut dyn RngCore) -> Option<Vec<u32>> {
        let rows = self.table.rows;
        let chosen = sample::share(rows, self.settings.row_fraction);
        (chosen < rows).then(|| sample::choose(random, rows, chosen))
    }

    fn draw_features(&self, random: &mut dyn RngCore) -> Vec<bool> {
        let all = self.model.bins.len();
        let varied: Vec<usize> = self.table.features().collect();
        let chosen = sample::share(varied.len(), self.settings.feature_fraction);
        if chosen == varied.len() {
            return vec![true; all];
        }
        let mut allowed = vec![false; all];
        for at in sample::choose(random, varied.len(), chosen) {
            allowed[varied[at as usize]] = true;
        }
        allowed
    }

    /// Where the objective knows better than its slopes what leaves should answer.
    fn answer_anew(&self, grown: &mut Grown, rows: &[u32], scores: &[f64]) {
        for (answer, range) in grown.tree.leaves.iter_mut().zip(&grown.leaves) {
            if let Some(better) = self.objective.answer(&rows[range.clone()], scores) {
                *answer = better * self.settings.learning_rate;
            }
        }
    }

    fn take_workspace(&self) -> Workspace {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        workspaces.pop().unwrap_or_default()
    }

    fn give_back(&self, workspace: Workspace) {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }
}

impl Watched<'_> {
    /// Add a round's trees to the scores.
    fn add(&mut self, trees: &[Tree]) {
        let rows = self.objective.rows();
        let cells = &self.cells;
        self.scores.par_chunks_mut(rows).zip(trees).for_each(|(scores, tree)| {
            scores.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, scores)| {
                cells.add(tree, chunk * CHUNK, scores.iter_mut());
            });
        });
    }
}

/// Add a tree's answers to the scores of the rows it was grown on.
fn add_by_leaf(grown: &Grown, rows: &[u32], scores: &mut [f64]) {
    for (answer, range) in grown.tree.leaves.iter().zip(&grown.leaves) {
        for &row in &rows[range.clone()] {
            scores[row as usize] += answer;
        }
    }
}

/// Add a tree's answers to the scores of all training rows.
fn add_by_walking(tree: &Tree, table: &Table, scores: &mut [f64]) {
    scores.par_iter_mut().with_min_len(CHUNK).enumerate().for_each(|(row, score)| {
        *score += tree.leaves[tree.leaf(|feature| table.bin(row, feature))];
    });
}
