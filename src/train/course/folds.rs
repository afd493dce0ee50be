//! Folds: each part learns from all rows but one fold's, and is validated on those.
//!
//! With few rows a single validation set is too small to choose by. Over all folds every row is validated once, by a
//! model that has not seen it (cross-validation; Stone 1974), and the models of all folds together, averaged, have
//! seen every row (Breiman, Bagging Predictors, 1996; Parmanto et al. 1996 for cross-validated committees).

use rand::seq::SliceRandom;

use crate::data::{DataSettings, Dataset, SplitKind, Table, Values};
use crate::error::{Error, Result};
use crate::sys::random::{Purpose, stream};

/// One of several folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// From 0.
    pub number: usize,
    pub of: usize,
}

/// Whether rows may be dealt out to so many folds: they were split by lot, and no class is too rare.
pub(crate) fn possible(dataset: &Dataset, data: &DataSettings, folds: usize) -> bool {
    let Ok(classes) = counts(dataset, data) else { return false };
    data.split.kind == SplitKind::Random && classes.iter().all(|count| *count >= 2 * folds)
}

/// How many rows each class has that training sees.
fn counts(dataset: &Dataset, data: &DataSettings) -> Result<Vec<usize>> {
    let mut counts = Vec::new();
    for table in [&dataset.train, &dataset.valid] {
        let Values::Texts(texts) = &table.require(&data.target)?.values else {
            return Err(Error::bug("classes that were not read as names"));
        };
        for &code in &texts.codes {
            let code = code as usize;
            if texts.levels.get(code).is_some() {
                counts.resize(counts.len().max(code + 1), 0);
                counts[code] += 1;
            }
        }
    }
    Ok(counts.into_iter().filter(|count| *count > 0).collect())
}

impl Fold {
    /// The data as this fold sees it: its own rows validate, all others train. Classes are dealt out evenly.
    pub(crate) fn of(self, dataset: &Dataset, data: &DataSettings) -> Result<Dataset> {
        let all = dataset.train.stack(&dataset.valid)?;
        let Values::Texts(texts) = &all.require(&data.target)?.values else {
            return Err(Error::bug("classes that were not read as names"));
        };
        let (train, valid) = self.divide(&texts.codes, data.split.seed);
        Ok(Dataset {
            train: all.take(&train),
            valid: all.take(&valid),
            test: Table::default(),
            sources: Vec::new(),
            notices: Vec::new(),
        })
    }

    /// The rows to train and those to validate on, ascending.
    fn divide(self, classes: &[u32], seed: u64) -> (Vec<usize>, Vec<usize>) {
        let mut order: Vec<usize> = (0..classes.len()).collect();
        order.shuffle(&mut stream(seed, Purpose::Folds, 0));
        // Sorted by class and dealt out like cards, each class is as even as can be.
        order.sort_by_key(|row| classes[*row]);
        let mut held = vec![false; classes.len()];
        for row in order.iter().skip(self.number).step_by(self.of) {
            held[*row] = true;
        }
        (0..classes.len()).partition(|row| !held[*row])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_validates_once_and_classes_are_dealt_out_evenly() {
        let classes: Vec<u32> = (0..53).map(|row| u32::from(row % 5 == 0)).collect();
        let mut seen = vec![0; classes.len()];
        for number in 0..4 {
            let fold = Fold { number, of: 4 };
            let (train, valid) = fold.divide(&classes, 7);
            assert_eq!(train.len() + valid.len(), classes.len());
            for row in &valid {
                seen[*row] += 1;
            }
            let rare = valid.iter().filter(|row| classes[**row] == 1).count();
            assert!((2..=3).contains(&rare), "{rare}");
            assert_eq!(fold.divide(&classes, 7), (train, valid));
        }
        assert!(seen.iter().all(|count| *count == 1));
        let (one, other) = (Fold { number: 0, of: 4 }, Fold { number: 0, of: 4 });
        assert_ne!(one.divide(&classes, 7), other.divide(&classes, 8));
    }
}
