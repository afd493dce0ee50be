//! What a member of a classification model says of rows: the probability of each class.

use crate::engine::simd::{exp, vectorised};
use crate::error::Result;
use crate::model::boosted::{self, Columns};
use crate::model::features::{EncodedRows, Features, Inputs};
use crate::model::member::Scorer;
use crate::model::nets::TabularNet;

/// Row-major, `[rows, classes]`.
pub(super) fn answers(
    scorer: &Scorer,
    features: &Features,
    inputs: &Inputs,
    classes: usize,
) -> Result<Vec<f64>> {
    match scorer {
        Scorer::Net(net) => probabilities(net, &features.encode(inputs)),
        Scorer::Trees(trees) => {
            let answers = trees.predict(&Columns::new(inputs).as_columns())?;
            Ok(boosted::probabilities(answers, classes))
        }
        Scorer::Linear(linear) => Ok(linear.probabilities(features, inputs)),
    }
}

/// The mean of the probabilities of a net's own members, row-major.
pub(crate) fn probabilities(net: &TabularNet, rows: &EncodedRows) -> Result<Vec<f64>> {
    let classes = net.shape().outputs;
    let members = net.shape().members;
    net.score(rows, &[], classes, |logits, answer| {
        vectorised(
            #[inline(always)]
            || {
                let answers = answer.chunks_exact_mut(classes);
                for (logits, answer) in logits.chunks_exact_mut(members * classes).zip(answers) {
                    for logits in logits.chunks_exact_mut(classes) {
                        softmax(logits);
                    }
                    for (class, answer) in answer.iter_mut().enumerate() {
                        let shares = logits[class..].iter().step_by(classes);
                        *answer = shares.map(|&share| f64::from(share)).sum();
                    }
                    // Divided in f64, a row sums to one as closely as f64 can.
                    let sum: f64 = answer.iter().sum();
                    for answer in answer {
                        *answer /= sum;
                    }
                }
            },
        );
    })
}

#[inline(always)]
fn softmax(logits: &mut [f32]) {
    let most = logits.iter().fold(f32::NEG_INFINITY, |most, &logit| most.max(logit));
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = exp(*logit - most);
        sum += *logit;
    }
    for logit in logits {
        *logit /= sum;
    }
}
