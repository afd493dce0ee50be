//! Quantiles around a location: how far each level lies away, in spreads.

use candle_core::Tensor;

use crate::engine::net::{Init, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::{exp, vectorised};
use crate::error::Result;

/// From `[location | s]`, both `horizon` wide, to `[levels × horizon]`: `location + softplus(s) · offset[level]`,
/// and the location itself at the median.
#[derive(Debug)]
struct Quantiles {
    input: Value,
    output: Value,
    offsets: ParameterId,
    horizon: usize,
    levels: usize,
    median: usize,
}

impl NetBuilder {
    /// The location is the median and learns from its own loss alone: what the other levels pull at is
    /// the spread and their offsets, `[levels − 1, horizon]`, which start at zero.
    pub(crate) fn quantiles(
        &mut self,
        name: &str,
        input: Value,
        levels: usize,
        median: usize,
    ) -> Value {
        let horizon = input.width / 2;
        let zeros = Init::Values(vec![0.0; (levels - 1) * horizon]);
        let offsets = self.parameter(name.to_owned(), vec![levels - 1, horizon], zeros);
        let output = self.value(levels * horizon);
        self.step(Quantiles { input, output, offsets, horizon, levels, median });
        output
    }
}

impl Quantiles {
    /// The row of the offsets that a level has.
    fn offset(&self, level: usize) -> Option<usize> {
        match level.cmp(&self.median) {
            std::cmp::Ordering::Less => Some(level),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(level - 1),
        }
    }
}

impl Step for Quantiles {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let horizon = self.horizon;
        let mut output = arena.take(self.output);
        let offsets = shard.weights(self.offsets);
        let input = arena.value(self.input, shard).chunks_exact(2 * horizon);
        let mut spread = vec![0.0; horizon];
        vectorised(
            #[inline(always)]
            || {
                for (output, input) in output.chunks_exact_mut(self.output.width).zip(input) {
                    let (location, raw) = input.split_at(horizon);
                    for (spread, &raw) in spread.iter_mut().zip(raw) {
                        *spread = softplus(raw);
                    }
                    for (level, output) in output.chunks_exact_mut(horizon).enumerate() {
                        output.copy_from_slice(location);
                        if let Some(row) = self.offset(level) {
                            let offsets = &offsets[row * horizon..(row + 1) * horizon];
                            for ((output, offset), spread) in
                                output.iter_mut().zip(offsets).zip(&spread)
                            {
                                *output += offset * spread;
                            }
                        }
                    }
                }
            },
        );
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let horizon = self.horizon;
        let slopes = arena.gradient(self.output);
        let add = lane.add;
        let gradient = lane.of(shard, self.offsets);
        if !add {
            gradient.fill(0.0);
        }
        if let Some((mut target, add)) = arena.wanted(self.input) {
            if !add {
                target.fill(0.0);
            }
            let offsets = shard.weights(self.offsets);
            let input = arena.value(self.input, shard).chunks_exact(2 * horizon);
            let rows = slopes.chunks_exact(self.output.width).zip(input);
            let (mut spread, mut pull) = (vec![0.0; horizon], vec![0.0; horizon]);
            vectorised(
                #[inline(always)]
                || {
                    for ((slopes, input), target) in rows.zip(target.chunks_exact_mut(2 * horizon))
                    {
                        let raw = &input[horizon..];
                        for (spread, &raw) in spread.iter_mut().zip(raw) {
                            *spread = softplus(raw);
                        }
                        pull.fill(0.0);
                        let (to_location, to_raw) = target.split_at_mut(horizon);
                        for (level, slopes) in slopes.chunks_exact(horizon).enumerate() {
                            let Some(row) = self.offset(level) else {
                                for (target, slope) in to_location.iter_mut().zip(slopes) {
                                    *target += slope;
                                }
                                continue;
                            };
                            let offsets = &offsets[row * horizon..(row + 1) * horizon];
                            let gradient = &mut gradient[row * horizon..(row + 1) * horizon];
                            for (at, &slope) in slopes.iter().enumerate() {
                                pull[at] += slope * offsets[at];
                                gradient[at] += slope * spread[at];
                            }
                        }
                        for ((target, pull), &raw) in to_raw.iter_mut().zip(&pull).zip(raw) {
                            *target += pull / (1.0 + exp(-raw));
                        }
                    }
                },
            );
            arena.put_gradient(self.input, target);
        }
        arena.put_gradient(self.output, slopes);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let input = plain.value(self.input)?;
        let location = input.narrow(1, 0, self.horizon)?;
        let raw = input.narrow(1, self.horizon, self.horizon)?;
        let tail = (raw.abs()?.neg()?.exp()? + 1.0)?.log()?;
        let spread = (raw.relu()? + tail)?;
        let offsets = plain.weight(self.offsets)?;
        let levels = (0..self.levels).map(|level| {
            let Some(row) = self.offset(level) else { return Ok(location.clone()) };
            let away = spread.broadcast_mul(&offsets.narrow(0, row, 1)?)?;
            Ok((location.detach() + away)?)
        });
        let levels: Vec<Tensor> = levels.collect::<Result<_>>()?;
        plain.put(self.output, Tensor::cat(&levels, 1)?);
        Ok(())
    }
}

/// ln(1 + eˣ) without overflow.
#[inline(always)]
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (1.0 + exp(-x.abs())).ln()
}
