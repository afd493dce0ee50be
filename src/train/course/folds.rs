//! Folds: each part learns from all rows but one fold's, and is validated on those.
//!
//! With few rows, or few queries, a single validation set is too small to choose by. Over all folds every row is
//! validated once, by a model that has not seen it (cross-validation; Stone 1974), and the models of all folds together,
//! averaged, have seen every row (Breiman, Bagging Predictors, 1996; Parmanto et al. 1996 for cross-validated committees).

use std::borrow::Cow;
use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use super::{FinishRequest, Trained};
use crate::data::{DataSettings, Dataset, SplitKind, Table, Task, Values};
use crate::error::{Error, Result};
use crate::model::labels::{query_groups, relevance_of};
use crate::sys::random::{Purpose, stream};

/// One of several folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// From 0.
    pub number: usize,
    pub of: usize,
    pub deal: Deal,
}

/// What is dealt out to folds, like cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deal {
    /// Rows; every fold gets its share of each class.
    Rows,
    /// Whole queries; every fold gets its share of those that have something to put in order.
    Queries,
}

/// Parts that were validated on the same rows, and these rows.
#[derive(Debug)]
pub(crate) struct Round<'a> {
    /// Training and validation rows of these parts.
    pub data: Cow<'a, Dataset>,
    pub parts: Vec<Trained>,
}

/// Some rows as cards.
struct Cards {
    /// Each row's.
    of_rows: Vec<u32>,
    /// What a fold gets its share of.
    kinds: Vec<u32>,
}

/// The kind of a card that no fold needs.
const NOTHING: u32 = u32::MAX;

impl Deal {
    /// What a task has folds of; forecasting has none.
    pub(crate) fn of(task: Task) -> Self {
        if task == Task::Ranking { Self::Queries } else { Self::Rows }
    }

    /// Whether rows may be dealt out to so many folds: they were split by lot, and what every fold needs is not too rare.
    pub(crate) fn possible(self, dataset: &Dataset, data: &DataSettings, folds: usize) -> bool {
        let by_lot = match (self, data.split.kind) {
            (_, SplitKind::Random) => true,
            (Self::Queries, SplitKind::Group) => {
                data.split.group.is_none() || data.split.group == data.query
            }
            _ => false,
        };
        by_lot && self.rarest(dataset, data).is_ok_and(|count| count >= 2 * folds)
    }

    /// What has to be for that, in words.
    pub(crate) fn needs(self, folds: usize) -> String {
        let least = 2 * folds;
        match self {
            Self::Rows => format!(
                "folds are for `data.split` of kind \"random\", and every class needs {least} rows"
            ),
            Self::Queries => format!(
                "folds are for `data.split` by lot, of rows or of queries, and {least} queries need rows of different relevance"
            ),
        }
    }

    /// How many cards there are of the rarest kind, among all that training sees.
    fn rarest(self, dataset: &Dataset, data: &DataSettings) -> Result<usize> {
        let mut counts = BTreeMap::new();
        for table in [&dataset.train, &dataset.valid] {
            for kind in self.cards(table, data)?.kinds {
                *counts.entry(kind).or_insert(0) += 1;
            }
        }
        counts.remove(&NOTHING);
        Ok(counts.into_values().min().unwrap_or(0))
    }

    fn cards(self, table: &Table, data: &DataSettings) -> Result<Cards> {
        match self {
            Self::Rows => {
                let Values::Texts(texts) = &table.require(&data.target)?.values else {
                    return Err(Error::bug("classes that were not read as names"));
                };
                let known =
                    |code: &u32| texts.levels.get(*code as usize).map_or(NOTHING, |_| *code);
                let kinds = texts.codes.iter().map(known).collect();
                Ok(Cards { of_rows: (0..table.rows as u32).collect(), kinds })
            }
            Self::Queries => {
                let of_rows = query_groups(table, data)?;
                let count = of_rows.iter().max().map_or(0, |last| *last as usize + 1);
                let (mut kinds, mut firsts) = (vec![NOTHING; count], vec![None; count]);
                for (&query, grade) in of_rows.iter().zip(relevance_of(table, data)?) {
                    if *firsts[query as usize].get_or_insert(grade) != grade {
                        kinds[query as usize] = 0;
                    }
                }
                Ok(Cards { of_rows, kinds })
            }
        }
    }
}

impl Fold {
    /// The data as this fold sees it: its own rows validate, all others train.
    pub(crate) fn of(self, dataset: &Dataset, data: &DataSettings) -> Result<Dataset> {
        let all = dataset.train.stack(&dataset.valid)?;
        let (train, valid) = self.divide(&self.deal.cards(&all, data)?, data.split.seed);
        Ok(Dataset {
            train: all.take(&train),
            valid: all.take(&valid),
            test: Table::default(),
            stream: None,
            sources: Vec::new(),
            notices: Vec::new(),
        })
    }

    /// The rows to train and those to validate on, ascending.
    fn divide(self, cards: &Cards, seed: u64) -> (Vec<usize>, Vec<usize>) {
        let mut order: Vec<usize> = (0..cards.kinds.len()).collect();
        order.shuffle(&mut stream(seed, Purpose::Folds, 0));
        // Sorted by kind and dealt out one by one, each kind is as even as can be.
        order.sort_by_key(|card| cards.kinds[*card]);
        let mut held = vec![false; cards.kinds.len()];
        for card in order.iter().skip(self.number).step_by(self.of) {
            held[*card] = true;
        }
        (0..cards.of_rows.len()).partition(|row| !held[cards.of_rows[*row] as usize])
    }
}

/// Parts by the rows that they were validated on. A round that the budget cut short is left out, but for the first.
pub(crate) fn rounds<'a>(
    parts: Vec<Trained>,
    request: &FinishRequest<'a>,
) -> Result<Vec<Round<'a>>> {
    let mut rounds: Vec<Round<'_>> = Vec::new();
    for part in parts {
        match rounds.last_mut() {
            Some(round) if round.parts[0].fold == part.fold => round.parts.push(part),
            _ => {
                let data = match part.fold {
                    Some(fold) => Cow::Owned(fold.of(request.dataset, request.data)?),
                    None => Cow::Borrowed(request.dataset),
                };
                rounds.push(Round { data, parts: vec![part] });
            }
        }
    }
    let whole = rounds.first().map_or(0, |first| first.parts.len());
    rounds.retain(|round| round.parts.len() == whole);
    if rounds.is_empty() { Err(Error::bug("a course without a trained part")) } else { Ok(rounds) }
}

/// The rows that the parts of some rounds learned from together: what is validated in turn is all learned from.
pub(crate) fn learned<'r>(
    rounds: &'r [Round<'_>],
    request: &FinishRequest<'_>,
) -> Result<Cow<'r, Table>> {
    match rounds {
        [only] => Ok(Cow::Borrowed(&only.data.train)),
        _ => request.dataset.train.stack(&request.dataset.valid).map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cards: &Cards, rare: u32, expected: std::ops::RangeInclusive<usize>) {
        let mut seen = vec![0; cards.of_rows.len()];
        for number in 0..4 {
            let fold = Fold { number, of: 4, deal: Deal::Rows };
            let (train, valid) = fold.divide(cards, 7);
            assert_eq!(train.len() + valid.len(), cards.of_rows.len());
            for row in &valid {
                seen[*row] += 1;
            }
            let card = |row: &usize| cards.of_rows[*row] as usize;
            assert!(train.iter().all(|row| valid.iter().all(|held| card(held) != card(row))));
            let mut rares: Vec<usize> = valid.iter().map(card).collect();
            rares.sort_unstable();
            rares.dedup();
            rares.retain(|card| cards.kinds[*card] == rare);
            assert!(expected.contains(&rares.len()), "{}", rares.len());
            assert_eq!(fold.divide(cards, 7), (train, valid));
        }
        assert!(seen.iter().all(|count| *count == 1));
        let fold = Fold { number: 0, of: 4, deal: Deal::Rows };
        assert_ne!(fold.divide(cards, 7), fold.divide(cards, 8));
    }

    #[test]
    fn every_row_validates_once_and_kinds_are_dealt_out_evenly() {
        let kinds = (0..53).map(|row| u32::from(row % 5 == 0)).collect();
        check(&Cards { of_rows: (0..53).collect(), kinds }, 1, 2..=3);
    }

    #[test]
    fn cards_of_many_rows_stay_whole() {
        // The rows of every other card lie apart.
        let of_rows = (0..138).map(|row| if row < 69 { row / 3 } else { row % 23 }).collect();
        let kinds = (0..23).map(|card| if card % 2 == 0 { 0 } else { NOTHING }).collect();
        check(&Cards { of_rows, kinds }, 0, 3..=3);
    }
}
