//! The ranking model: members with their fitted preprocessing, from a table to a score a row.
//!
//! A score is a function of its row alone, so that rows of a query may come in any order, together or one by one; but
//! for listwise members, to which the rows of a query belong together, in any order.

mod member;

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::{ColumnKind, DataSettings, Table};
use crate::error::{Error, Result};
use crate::model::classification::{CHUNK, chunks};
use crate::model::features::{Features, Inputs};
use crate::model::labels::{query_groups, relevance_of, rows_by_query, side_by_side};
use crate::model::member::{self as members, Blend, Body, Member, Scorer};

pub(crate) use member::scores;

/// What `mlx/model.json` holds of a ranking model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// As in `model.kind`.
    pub kind: String,
    /// How the training data was read, so that new files are read the same way.
    pub data: DataSettings,
    pub kinds: BTreeMap<String, ColumnKind>,
    /// Fitted preprocessing. Members that were fitted alike share one; the baseline reads the first.
    pub features: Vec<Features>,
    pub members: Vec<Member>,
    /// The baseline. Absent where no feature is a number.
    pub best_feature: Option<BestFeature>,
}

/// The one number that ranks the training queries best, as it is or negated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BestFeature {
    /// Among the features' numbers.
    pub number: usize,
    pub rising: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RankingModel {
    pub spec: Spec,
    pub weights: BTreeMap<String, Tensor>,
    scorers: Vec<Scorer>,
}

impl RankingModel {
    pub(crate) fn new(
        spec: Spec,
        weights: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let numbers = spec.features.first().map_or(0, |features| features.numbers.len());
        if spec.best_feature.as_ref().is_some_and(|best| best.number >= numbers) {
            return Err(members::contradiction());
        }
        let scorers = members::scorers(&spec.features, &spec.members, None, &weights, device)?;
        Ok(Self { spec, weights, scorers })
    }

    /// A model of one member, with its features the only ones of the spec, and its own weights.
    pub(crate) fn of_one(
        spec: &Spec,
        body: Body,
        weights: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let member = Member::only(&spec.kind, body);
        let weights = member.named(weights);
        Self::new(Spec { members: vec![member], ..spec.clone() }, weights, device)
    }

    /// Models of one member each, by name and weight, as one; those that count for nothing are left out.
    pub(crate) fn blend(
        kind: &str,
        parts: Vec<(String, f64, Self)>,
        device: &Device,
    ) -> Result<Self> {
        let (mut blend, mut base) = (Blend::default(), None);
        for (name, weight, part) in parts.into_iter().filter(|(_, weight, _)| *weight > 0.0) {
            blend.add(name, weight, &part.spec.features, &part.spec.members, &part.weights)?;
            base.get_or_insert(part.spec);
        }
        let base = base.ok_or_else(|| Error::bug("a blend of nothing"))?;
        let Blend { features, members, weights } = blend;
        Self::new(Spec { kind: kind.into(), features, members, ..base }, weights, device)
    }

    /// Whether a row's score depends on the other rows of its query.
    pub(crate) fn is_listwise(&self) -> bool {
        self.spec.members.iter().any(Member::is_listwise)
    }

    /// A score a row; the higher of a query's comes first.
    ///
    /// Where a member is listwise, queries have to be whole, wherever their rows stand in the table: a row that is asked
    /// without the others of its query gets another score.
    pub(crate) fn score(&self, table: &Table) -> Result<Vec<f64>> {
        let mut answer = Vec::with_capacity(table.rows);
        if !self.is_listwise() {
            for rows in chunks(table.rows) {
                answer.extend(self.score_part(table, rows, &[])?);
            }
            return Ok(answer);
        }
        let queries = rows_by_query(&self.queries(table)?);
        check_lengths(table, &queries)?;
        answer.resize(table.rows, 0.0);
        for part in whole_queries(&queries) {
            let (rows, ends) = side_by_side(part);
            let own = self.score_part(&table.take(&rows), 0..rows.len(), &ends)?;
            rows.into_iter().zip(own).for_each(|(row, score)| answer[row] = score);
        }
        Ok(answer)
    }

    /// Of some rows, with where queries end among them if a member has to know.
    fn score_part(&self, table: &Table, rows: Range<usize>, ends: &[usize]) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; rows.len()];
        for (at, features) in self.spec.features.iter().enumerate() {
            let inputs = Inputs::read(features, table, rows.clone())?;
            let readers = self.spec.members.iter().zip(&self.scorers);
            for (member, scorer) in readers.filter(|(member, _)| member.features == at) {
                let own = member::answers(scorer, features, &inputs, ends)?;
                sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += member.weight * own);
            }
        }
        Ok(sums)
    }

    /// The best single feature.
    pub(crate) fn baselines(&self, table: &Table) -> Result<Vec<(String, Vec<f64>)>> {
        let Some(best) = &self.spec.best_feature else { return Ok(vec![]) };
        let mut answer = Vec::with_capacity(table.rows);
        for rows in chunks(table.rows) {
            let inputs = Inputs::read(&self.spec.features[0], table, rows)?;
            answer.extend((0..inputs.rows).map(|row| best.score(&inputs, row)));
        }
        Ok(vec![("best_feature".into(), answer)])
    }

    /// The number of each row's query.
    pub(crate) fn queries(&self, table: &Table) -> Result<Vec<u32>> {
        query_groups(table, &self.spec.data)
    }

    pub(crate) fn relevance(&self, table: &Table) -> Result<Vec<f64>> {
        relevance_of(table, &self.spec.data)
    }
}

impl BestFeature {
    /// A row where the number is missing comes last.
    pub(crate) fn score(&self, inputs: &Inputs, row: usize) -> f64 {
        let value = f64::from(inputs.numbers(row)[self.number]);
        match (value.is_nan(), self.rising) {
            (true, _) => f64::from(f32::MIN),
            (false, true) => value,
            (false, false) => -value,
        }
    }
}

/// The most rows of a query that a listwise net looks at together: what each takes of each other is a table of as many
/// rows and columns, 64 MiB of them.
pub(crate) const MOST_TOGETHER: usize = 4096;

/// A query that is too long to be looked at together is an error.
pub(crate) fn check_lengths(table: &Table, queries: &[Vec<usize>]) -> Result<()> {
    let Some(rows) = queries.iter().find(|rows| rows.len() > MOST_TOGETHER) else {
        return Ok(());
    };
    Err(Error::user(format!(
        "{}: the query that begins here has {} rows, and attention looks at {MOST_TOGETHER} at the most",
        table.describe_row(rows[0]),
        rows.len()
    ))
    .hint("give fewer candidates a query, or train `mlp` or `trees`, to which each row stands alone"))
}

/// Queries in turn, in parts of about as many rows as are scored at once.
fn whole_queries(queries: &[Vec<usize>]) -> impl Iterator<Item = &[Vec<usize>]> {
    let mut rest = queries;
    std::iter::from_fn(move || {
        let mut rows = 0;
        let more = rest.iter().take_while(|query| {
            let before = rows;
            rows += query.len();
            before == 0 || rows <= CHUNK
        });
        let (part, after) = rest.split_at(more.count());
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_whole_queries() {
        let queries: Vec<Vec<usize>> =
            [9_000, 9_000, 5_000, 2_000, 30_000, 1].map(|rows| vec![0; rows]).to_vec();
        let parts = whole_queries(&queries).map(|part| part.iter().map(Vec::len).collect());
        let parts: Vec<Vec<usize>> = parts.collect();
        assert_eq!(parts, [vec![9_000], vec![9_000, 5_000, 2_000], vec![30_000], vec![1]]);
        assert_eq!(whole_queries(&[]).count(), 0);
    }

    #[test]
    fn a_query_that_is_too_long_is_an_error() {
        let table = Table { rows: MOST_TOGETHER + 1, ..Table::default() };
        let query = |rows: usize| vec![(0..rows).collect()];
        assert!(check_lengths(&table, &query(MOST_TOGETHER)).is_ok());
        let error = check_lengths(&table, &query(MOST_TOGETHER + 1)).unwrap_err();
        assert!(error.message().contains("has 4097 rows, and attention looks at 4096"), "{error}");
    }
}
