//! What a member of a ranking model says of rows: a score each.

use crate::error::{Error, Result};
use crate::model::boosted::Columns;
use crate::model::features::{EncodedRows, Features, Inputs};
use crate::model::member::Scorer;
use crate::model::nets::TabularNet;

/// `ends` are where queries end.
pub(super) fn answers(
    scorer: &Scorer,
    features: &Features,
    inputs: &Inputs,
    ends: &[usize],
) -> Result<Vec<f64>> {
    match scorer {
        Scorer::Net(net) => scores(net, &features.encode(inputs), ends),
        Scorer::Trees(trees) => trees.predict(&Columns::new(inputs).as_columns()),
        Scorer::Linear(_) => Err(Error::bug("a ranker has no logistic regression")),
    }
}

/// The mean of the scores of a net's own members. `ends` are where queries end, which a net that looks at all rows of
/// one has to know.
pub(crate) fn scores(net: &TabularNet, rows: &EncodedRows, ends: &[usize]) -> Result<Vec<f64>> {
    let members = net.shape().members;
    net.score(rows, ends, 1, |scores, answer| {
        for (scores, answer) in scores.chunks_exact(members).zip(answer) {
            *answer = scores.iter().map(|score| f64::from(*score)).sum::<f64>() / members as f64;
        }
    })
}
