//! A net over rows of a table, with its weights: those that training changes, or a package's.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::Rng;
use rayon::prelude::*;

use super::{NetSettings, NetShape};
use crate::engine::dropout::{Dropout, draw};
use crate::engine::{Batch, Mode, Parameters, Scorer, StepKey};
use crate::error::Result;
use crate::model::features::{EncodedRows, UNSEEN_CODE};

/// Rows that one core scores at once.
const ROWS: usize = 512;

/// Where codes that are forgotten are drawn from, which is no step of a net.
const FORGET: usize = usize::MAX;

#[derive(Clone, Debug)]
pub(crate) struct TabularNet {
    shape: NetShape,
    parameters: Parameters,
    /// Which codes training takes for unseen ones.
    forget: Option<Dropout>,
    /// Where the weights stay as they are: ready to score.
    scorer: Option<Arc<Scorer>>,
}

impl TabularNet {
    /// A net to train, which leaves out what the settings say.
    pub(crate) fn init(
        shape: &NetShape,
        settings: &NetSettings,
        device: &Device,
        random: &mut impl Rng,
    ) -> Result<Self> {
        let parameters = Parameters::init(&shape.net(settings.dropout), device, random)?;
        let forget = Dropout::new(settings.embedding_dropout);
        Ok(Self { shape: shape.clone(), parameters, forget, scorer: None })
    }

    /// From a package's weights; one that is missing or of another shape is an error.
    pub(crate) fn from_weights(
        shape: &NetShape,
        weights: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let parameters = Parameters::from_weights(&shape.net(0.0), weights, device)?;
        let scorer = Some(Arc::new(Scorer::new(&parameters)?));
        Ok(Self { shape: shape.clone(), parameters, forget: None, scorer })
    }

    pub(crate) fn shape(&self) -> &NetShape {
        &self.shape
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// How many numbers the net says of a row: `members × outputs`.
    fn width(&self) -> usize {
        self.shape.members * self.shape.outputs
    }

    /// `[rows, members × outputs]`, differentiable in the weights.
    pub(crate) fn train(&self, mut batch: Batch, key: StepKey) -> Result<Tensor> {
        if let Some(forget) = self.forget {
            let width = self.shape.embeddings.len();
            let mut drawn = vec![0; width];
            for (row, codes) in batch.codes.chunks_exact_mut(width.max(1)).enumerate() {
                draw(key, FORGET, row, &mut drawn);
                for (code, &drawn) in codes.iter_mut().zip(&drawn) {
                    if !forget.keeps(drawn) {
                        *code = UNSEEN_CODE;
                    }
                }
            }
        }
        self.parameters.forward(Arc::new(batch), Mode::Train(key))
    }

    /// What `each` makes of what the net says of every row, `width` numbers a row; on all cores. `each`
    /// is given the answers of some rows, `members × outputs` each, and where its own go.
    pub(crate) fn score(
        &self,
        rows: &EncodedRows,
        width: usize,
        each: impl Fn(&mut [f32], &mut [f64]) + Sync,
    ) -> Result<Vec<f64>> {
        let mut answer = vec![0.0; rows.len() * width];
        let scorer = match &self.scorer {
            Some(scorer) => scorer.clone(),
            None => Arc::new(Scorer::new(&self.parameters)?),
        };
        let score = |(at, answer): (usize, &mut [f64])| -> Result<()> {
            let start = at * ROWS;
            let batch = rows.range(start..(start + ROWS).min(rows.len()));
            let mut said = vec![0.0; batch.rows * self.width()];
            scorer.score(&batch, &mut said)?;
            each(&mut said, answer);
            Ok(())
        };
        // To wake other threads takes longer than a few rows do.
        if rows.len() <= ROWS {
            score((0, &mut answer))?;
        } else {
            answer.par_chunks_mut(ROWS * width).enumerate().try_for_each(score)?;
        }
        Ok(answer)
    }
}
