//! A net over rows of a table, with its weights: those that training changes, or a package's.

use std::collections::BTreeMap;
use std::ops::Range;
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
    ///
    /// `ends` are where queries end, for a net to which the rows of one belong together; others don't look at them.
    pub(crate) fn score(
        &self,
        rows: &EncodedRows,
        ends: &[usize],
        width: usize,
        each: impl Fn(&mut [f32], &mut [f64]) + Sync,
    ) -> Result<Vec<f64>> {
        let mut answer = vec![0.0; rows.len() * width];
        let scorer = match &self.scorer {
            Some(scorer) => scorer.clone(),
            None => Arc::new(Scorer::new(&self.parameters)?),
        };
        let listwise = self.shape.body.is_listwise();
        let score = |(part, answer): (Range<usize>, &mut [f64])| -> Result<()> {
            let mut batch = rows.range(part.clone());
            if listwise {
                let own = ends.iter().filter(|end| **end > part.start && **end <= part.end);
                batch.ends.extend(own.map(|end| end - part.start));
            }
            let mut said = vec![0.0; batch.rows * self.width()];
            scorer.score(&batch, &mut said)?;
            each(&mut said, answer);
            Ok(())
        };
        // To wake other threads takes longer than a few rows do.
        if rows.len() <= ROWS {
            score((0..rows.len(), &mut answer))?;
            return Ok(answer);
        }
        let parts = if listwise { whole(ends) } else { pieces(rows.len()) };
        let mut rest = &mut answer[..];
        let mut work = Vec::with_capacity(parts.len());
        for part in parts {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(part.len() * width);
            work.push((part, own));
            rest = after;
        }
        work.into_par_iter().try_for_each(score)?;
        Ok(answer)
    }
}

/// Rows in pieces of as many as one core scores at once.
fn pieces(rows: usize) -> Vec<Range<usize>> {
    (0..rows).step_by(ROWS).map(|start| start..(start + ROWS).min(rows)).collect()
}

/// The same in pieces that end where queries do; one that is longer is a piece of its own.
fn whole(ends: &[usize]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for &end in ends {
        match pieces.last_mut() {
            Some(piece) if end - piece.start <= ROWS => piece.end = end,
            _ => pieces.push(start..end),
        }
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_every_row_once_and_whole_queries() {
        assert_eq!(pieces(ROWS + 3), [0..ROWS, ROWS..ROWS + 3]);
        assert_eq!(whole(&[500, 512, 513, 2000, 2001]), [0..512, 512..513, 513..2000, 2000..2001]);
    }
}
