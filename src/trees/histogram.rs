//! Sums of slopes by bin: what a leaf has to know of its rows to find its best split.
//!
//! Each feature's sums are added up in the order of the rows by one thread, so they are the same bytes however many
//! threads there are. Of two children only the smaller is added up, the other is their parent less it (Ke et al.
//! 2017, section 2.1 with algorithm 1).

use super::table::Group;

/// A row's first and second derivative of the loss.
pub(super) type Slope = [f32; 2];

/// Slopes summed.
pub(super) type Sum = [f64; 2];

/// Bins of a feature, with room between features: 256 alone would put the same bin of all of a group's features
/// into one set of the first cache.
const STRIDE: usize = 256 + 4;

/// One feature's sums by bin. Indexed by a byte it needs no check of bounds.
pub(super) type Histogram = [Sum; STRIDE];

pub(super) const EMPTY: Histogram = [[0.0; 2]; STRIDE];

/// Add up the slopes of `rows` into the histograms of a group's features; `slopes` are those rows', in their order.
pub(super) fn add_up(group: &Group, rows: &[u32], slopes: &[Slope], into: &mut [Histogram]) {
    for (feature, histogram) in group.features.iter().zip(into.iter_mut()) {
        histogram[..feature.bins].fill([0.0; 2]);
    }
    match group.features.len() {
        1 => add::<1>(group.cells(), rows, slopes, into),
        2 => add::<2>(group.cells(), rows, slopes, into),
        3 => add::<3>(group.cells(), rows, slopes, into),
        4 => add::<4>(group.cells(), rows, slopes, into),
        5 => add::<5>(group.cells(), rows, slopes, into),
        6 => add::<6>(group.cells(), rows, slopes, into),
        7 => add::<7>(group.cells(), rows, slopes, into),
        8 => add::<8>(group.cells(), rows, slopes, into),
        width => unreachable!("a group has 1 to 8 features, not {width}"),
    }
}

fn add<const W: usize>(cells: &[[u8; W]], rows: &[u32], slopes: &[Slope], into: &mut [Histogram]) {
    let into: &mut [Histogram; W] = into.try_into().expect("one histogram a feature");
    // All rows are the root's, in order: no need to look them up.
    if rows.len() == cells.len() {
        for (bins, slope) in cells.iter().zip(slopes) {
            add_row(bins, *slope, into);
        }
        return;
    }
    for (&row, slope) in rows.iter().zip(slopes) {
        add_row(&cells[row as usize], *slope, into);
    }
}

#[inline]
fn add_row<const W: usize>(bins: &[u8; W], slope: Slope, into: &mut [Histogram; W]) {
    let slope = slope.map(f64::from);
    for (histogram, &bin) in into.iter_mut().zip(bins) {
        let sum = &mut histogram[bin as usize];
        *sum = [sum[0] + slope[0], sum[1] + slope[1]];
    }
}

/// Leave in `parent` what is not in `child`.
pub(super) fn subtract(group: &Group, parent: &mut [Histogram], child: &[Histogram]) {
    for ((feature, parent), child) in group.features.iter().zip(parent).zip(child) {
        for (sum, less) in parent[..feature.bins].iter_mut().zip(child) {
            *sum = [sum[0] - less[0], sum[1] - less[1]];
        }
    }
}
