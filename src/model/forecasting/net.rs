//! The net: one linear map for where, one for how far around, shared by all series.
//!
//! For inputs `z`, step `h` and level `q`: `location = z·W + b`, `spread = softplus(|z|·A + a)` and
//! `quantile = location + spread · offset[q]`. The location is the median.

use crate::error::Result;

/// Both maps, that of the location first: `[2, look-back, horizon]` and `[2 × horizon]`.
pub(crate) const MAP_WEIGHT: &str = "map.weight";
pub(crate) const MAP_BIAS: &str = "map.bias";
/// `[levels − 1, horizon]`.
pub(crate) const OFFSETS: &str = "spread.offsets";

/// The quantile levels that are forecast.
pub(crate) const LEVELS: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Where the median stands among [`LEVELS`]; it has no offset.
pub(crate) const MEDIAN: usize = 4;

/// softplus of this is 1: the spread that a fresh net starts from.
pub(crate) const UNIT_SPREAD: f64 = 0.541_324_854_612_918_1;

/// The net as plain numbers. One forecast is some thousands of products: each is computed alone and
/// in a fixed order, so that it is the same in every batch.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    pub horizon: usize,
    location_weight: Vec<f64>,
    location_bias: Vec<f64>,
    spread_weight: Vec<f64>,
    spread_bias: Vec<f64>,
    /// One row a level but the median.
    offsets: Vec<f64>,
}

/// What the net says of one window, in the window's own scale.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub location: Vec<f64>,
    pub spread: Vec<f64>,
}

impl Net {
    /// The net of the weights that `read` finds by name and shape.
    pub(crate) fn new(
        read: &impl Fn(&str, &[usize]) -> Result<Vec<f64>>,
        look_back: usize,
        horizon: usize,
    ) -> Result<Self> {
        let mut location_weight = read(MAP_WEIGHT, &[2, look_back, horizon])?;
        let spread_weight = location_weight.split_off(look_back * horizon);
        let mut location_bias = read(MAP_BIAS, &[2 * horizon])?;
        let spread_bias = location_bias.split_off(horizon);
        Ok(Self {
            horizon,
            location_weight,
            location_bias,
            spread_weight,
            spread_bias,
            offsets: read(OFFSETS, &[LEVELS.len() - 1, horizon])?,
        })
    }

    pub(crate) fn answer(&self, inputs: &[f64]) -> Answer {
        let mut location = self.location_bias.clone();
        let mut spread = self.spread_bias.clone();
        let rows = self.location_weight.chunks_exact(self.horizon);
        for ((input, row), spread_row) in
            inputs.iter().zip(rows).zip(self.spread_weight.chunks_exact(self.horizon))
        {
            for (sum, weight) in location.iter_mut().zip(row) {
                *sum += input * weight;
            }
            let size = input.abs();
            for (sum, weight) in spread.iter_mut().zip(spread_row) {
                *sum += size * weight;
            }
        }
        for value in &mut spread {
            *value = value.max(0.0) + (-value.abs()).exp().ln_1p();
        }
        Answer { location, spread }
    }

    /// How many spreads above the location a level lies at a step.
    pub(crate) fn offset(&self, level: usize, step: usize) -> f64 {
        offset(&self.offsets, self.horizon, level, step)
    }
}

/// The offset of a level at a step, from a row a level but the median, which has none.
pub(super) fn offset(offsets: &[f64], horizon: usize, level: usize, step: usize) -> f64 {
    match level.cmp(&MEDIAN) {
        std::cmp::Ordering::Less => offsets[level * horizon + step],
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => offsets[(level - 1) * horizon + step],
    }
}
