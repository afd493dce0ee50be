//! The binned features: a few at a time side by side, so that one pass over a leaf's rows serves several.
//!
//! A group's cells lie row by row. Rows of a leaf are scattered; where a column would fetch a cache line for one
//! cell, a group uses several cells of it, and as the histograms of several features are added to in turn, an
//! addition seldom waits for the one before it.

use rayon::prelude::*;

use super::bins::{Bins, Column, MISSING_BIN};
use crate::error::Result;

/// The most features of a group: their histograms fill a core's first cache.
pub(super) const MOST_PER_GROUP: usize = 8;

/// Training rows as trees see them.
#[derive(Debug)]
pub(super) struct Table {
    pub rows: usize,
    pub groups: Vec<Group>,
    /// Of each feature its group and its place there; none for those that are the same in all rows.
    places: Vec<Option<(usize, usize)>>,
}

/// Up to [`MOST_PER_GROUP`] features.
#[derive(Debug)]
pub(super) struct Group {
    pub features: Vec<Feature>,
    /// Bins, `features.len()` a row.
    cells: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Feature {
    /// Its place among the model's features.
    pub index: usize,
    /// Its bins, that of the missing included.
    pub bins: usize,
    pub is_category: bool,
    /// Whether a training row is in the bin of the missing.
    pub has_missing: bool,
}

impl Table {
    /// Columns as bins; the caller has checked that they are equally long.
    pub(super) fn new(columns: &[Column<'_>], bins: &[Bins]) -> Result<Self> {
        let rows = columns.first().map_or(0, Column::len);
        let encoded: Vec<Vec<u8>> = columns
            .par_iter()
            .zip(bins)
            .map(|(&column, bins)| {
                let mut cells = vec![MISSING_BIN; rows];
                bins.encode(column, |row, bin| cells[row] = bin)?;
                Ok(cells)
            })
            .collect::<Result<_>>()?;

        let varied: Vec<usize> = (0..columns.len())
            .filter(|&at| encoded[at].iter().any(|bin| *bin != encoded[at][0]))
            .collect();
        let mut places = vec![None; columns.len()];
        let grouped = into_groups(&varied, rayon::current_num_threads());
        for (group, features) in grouped.iter().enumerate() {
            for (place, &feature) in features.iter().enumerate() {
                places[feature] = Some((group, place));
            }
        }
        let groups = grouped
            .par_iter()
            .map(|&features| {
                let mut cells = vec![MISSING_BIN; rows * features.len()];
                for (place, &feature) in features.iter().enumerate() {
                    let column = cells.iter_mut().skip(place).step_by(features.len());
                    column.zip(&encoded[feature]).for_each(|(cell, bin)| *cell = *bin);
                }
                let features = features
                    .iter()
                    .map(|&index| Feature {
                        index,
                        bins: bins[index].count(),
                        is_category: bins[index].are_categories(),
                        has_missing: encoded[index].contains(&MISSING_BIN),
                    })
                    .collect();
                Group { features, cells }
            })
            .collect();
        Ok(Self { rows, groups, places })
    }

    /// The bins of a feature of the model, by row; the caller asks for features that vary.
    pub(super) fn column(&self, feature: usize) -> (&[u8], usize) {
        let (group, place) = self.places[feature].expect("trees split by features that vary");
        let group = &self.groups[group];
        (&group.cells[place..], group.features.len())
    }

    /// The features that vary, by their place in the model.
    pub(super) fn features(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().flat_map(|group| &group.features).map(|feature| feature.index)
    }

    /// The bin of one cell.
    pub(super) fn bin(&self, row: usize, feature: usize) -> u8 {
        let (cells, stride) = self.column(feature);
        cells[row * stride]
    }
}

impl Group {
    /// Cells row by row, `W` being the number of features.
    pub(super) fn cells<const W: usize>(&self) -> &[[u8; W]] {
        let (cells, rest) = self.cells.as_chunks();
        debug_assert!(W == self.features.len() && rest.is_empty());
        cells
    }
}

/// Groups as equal as can be, and as many for each thread. What a tree becomes does not depend on them.
fn into_groups(features: &[usize], threads: usize) -> Vec<&[usize]> {
    let all = features.len();
    let groups = all.div_ceil(MOST_PER_GROUP).next_multiple_of(threads).min(all);
    (0..groups).map(|group| &features[all * group / groups..all * (group + 1) / groups]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_again_and_constant_features_are_left_out() {
        let columns: Vec<Vec<f64>> = (0..20)
            .map(|column| (0..30).map(|row| f64::from((row * column) % 7)).collect())
            .collect();
        let columns: Vec<Column<'_>> = columns.iter().map(|c| Column::Numbers(c)).collect();
        let bins: Vec<Bins> = columns.iter().map(|&c| Bins::fit(c, None, 255, 1)).collect();
        let table = Table::new(&columns, &bins).unwrap();
        // Columns 0, 7 and 14 are all zero.
        assert_eq!(table.groups.iter().map(|group| group.features.len()).sum::<usize>(), 17);
        for feature in (0..20).filter(|feature| feature % 7 != 0) {
            bins[feature]
                .encode(columns[feature], |row, bin| assert_eq!(table.bin(row, feature), bin))
                .unwrap();
        }
    }

    #[test]
    fn every_thread_has_as_many_groups() {
        let widths = |features: usize, threads| {
            let features: Vec<usize> = (0..features).collect();
            let groups = into_groups(&features, threads);
            assert_eq!(groups.concat(), features);
            groups.iter().map(|group| group.len()).collect::<Vec<_>>()
        };
        assert_eq!(widths(0, 2), [0; 0]);
        assert_eq!(widths(1, 2), [1]);
        assert_eq!(widths(14, 2), [7, 7]);
        assert_eq!(widths(50, 2), [6, 6, 6, 7, 6, 6, 6, 7]);
        assert_eq!(widths(50, 1), [7, 7, 7, 7, 7, 7, 8]);
        assert_eq!(widths(3, 16), [1, 1, 1]);
    }
}
