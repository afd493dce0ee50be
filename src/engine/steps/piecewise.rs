//! Numbers as vectors: a vector for each bin that a number has passed, and a share of that of the bin it
//! is in (piecewise-linear embeddings, with a linear part beside them: Gorishniy et al., On Embeddings
//! for Numerical Features in Tabular Deep Learning, 2022, as TabM has them).
//!
//! Summed over the bins that is a line from knot to knot. So a pass adds the bins' vectors up to knots
//! once, and a row costs two vectors a number, however many bins there are; the gradient is that of
//! the knots until all shards are through, and of the bins when it has been summed from the last bin down.

use candle_core::Tensor;

use crate::engine::net::{Init, Net, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// What stands for the position of a number that is missing.
pub(crate) const MISSING: f32 = -1.0;

/// Reads two dense values a number: the scaled number, and how many bins it has passed, or [`MISSING`].
#[derive(Debug)]
struct Piecewise {
    output: Value,
    /// `[numbers, 2, size]`: what the scaled number is multiplied with, and the bias.
    linear: ParameterId,
    /// `[Σ (1 + bins), size]`: for each number the vector of a missing one, then those of its bins.
    bins: ParameterId,
    /// For each number the row of its missing vector, and how many bins follow.
    places: Vec<(usize, usize)>,
    size: usize,
    /// Which step of the net this is.
    place: usize,
}

impl NetBuilder {
    /// A vector of `size` for each number, side by side. The dense values are two a number, see
    /// [`MISSING`]; bins start at zero, the linear part from U(±1/√size).
    pub(crate) fn piecewise(&mut self, name: &str, bins: &[usize], size: usize) -> Value {
        assert_eq!(self.dense().width, 2 * bins.len(), "two dense values a number");
        let mut rows = 0;
        let places = bins.iter().map(|&bins| {
            rows += 1 + bins;
            (rows - 1 - bins, bins)
        });
        let places: Vec<_> = places.collect();
        let drawn = Init::Uniform(1.0 / (size as f32).sqrt());
        let linear = self.parameter(format!("{name}.linear"), vec![bins.len(), 2, size], drawn);
        let zeros = Init::Values(vec![0.0; rows * size]);
        let bins_id = self.parameter(format!("{name}.bins"), vec![rows, size], zeros);
        let output = self.value(bins.len() * size);
        let place = self.steps_taken();
        self.step(Piecewise { output, linear, bins: bins_id, places, size, place });
        output
    }
}

/// The bin that a position lies in and how much of it is below; the last bin holds its upper edge.
#[inline(always)]
fn bin(position: f32, bins: usize) -> (usize, f32) {
    let bin = (position as usize).min(bins.saturating_sub(1));
    (bin, position - bin as f32)
}

impl Step for Piecewise {
    /// The knots: for each number a row for the lower edge of its first bin, and for each upper edge.
    fn prepare(&self, net: &Net, weights: &[f32], _: bool, prepared: &mut Vec<f32>) {
        let bins = net.part(weights, self.bins);
        prepared.clear();
        let mut knot = vec![0.0; self.size];
        for &(start, count) in &self.places {
            knot.fill(0.0);
            prepared.extend_from_slice(&knot);
            for bin in bins[(start + 1) * self.size..].chunks_exact(self.size).take(count) {
                knot.iter_mut().zip(bin).for_each(|(knot, bin)| *knot += bin);
                prepared.extend_from_slice(&knot);
            }
        }
    }

    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let size = self.size;
        let mut output = arena.take(self.output);
        let (linear, bins) = (shard.weights(self.linear), shard.weights(self.bins));
        let knots = shard.prepared(self.place);
        let numbers = shard.dense().chunks_exact(2).zip(self.places.iter().cycle());
        let numbers = numbers.zip(linear.chunks_exact(2 * size).cycle());
        vectorised(
            #[inline(always)]
            || {
                for (output, ((number, &(start, count)), linear)) in
                    output.chunks_exact_mut(size).zip(numbers)
                {
                    let (scaled, position) = (number[0], number[1]);
                    let (slope, bias) = linear.split_at(size);
                    for ((output, slope), bias) in output.iter_mut().zip(slope).zip(bias) {
                        *output = scaled * slope + bias;
                    }
                    if position < 0.0 {
                        add(output, &bins[start * size..][..size], 1.0);
                    } else if count > 0 {
                        let (bin, share) = bin(position, count);
                        add(output, &knots[(start + bin) * size..][..size], 1.0);
                        add(output, &bins[(start + 1 + bin) * size..][..size], share);
                    }
                }
            },
        );
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let size = self.size;
        let adds = lane.add;
        let slopes = arena.gradient_ref(self.output).chunks_exact(size);
        let numbers = shard.dense().chunks_exact(2);
        let linear = lane.of(shard, self.linear);
        if !adds {
            linear.fill(0.0);
        }
        let each = slopes.clone().zip(numbers.clone()).enumerate();
        vectorised(
            #[inline(always)]
            || {
                for (at, (slope, number)) in each {
                    let at = at % self.places.len();
                    let (own, bias) = linear[2 * at * size..][..2 * size].split_at_mut(size);
                    add(own, slope, number[0]);
                    add(bias, slope, 1.0);
                }
            },
        );
        let bins = lane.of(shard, self.bins);
        if !adds {
            bins.fill(0.0);
        }
        let each = slopes.zip(numbers).zip(self.places.iter().cycle());
        vectorised(
            #[inline(always)]
            || {
                for ((slope, number), &(start, count)) in each {
                    let position = number[1];
                    if position < 0.0 {
                        add(&mut bins[start * size..][..size], slope, 1.0);
                    } else if count > 0 {
                        let (bin, share) = bin(position, count);
                        add(&mut bins[(start + 1 + bin) * size..][..size], slope, share);
                        if bin > 0 {
                            add(&mut bins[(start + bin) * size..][..size], slope, 1.0 - share);
                        }
                    }
                }
            },
        );
    }

    /// What pulls at a knot pulls at every bin below it.
    fn settle(&self, net: &Net, gradient: &mut [f32]) {
        let size = self.size;
        let declared = net.declared(self.bins);
        let bins = &mut gradient[declared.start..declared.start + declared.len()];
        for &(start, count) in &self.places {
            for row in (start + 1..start + count).rev() {
                let (lower, upper) = bins.split_at_mut((row + 1) * size);
                add(&mut lower[row * size..], &upper[..size], 1.0);
            }
        }
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let rows = plain.rows();
        let (linear, bins) = (plain.factor(self.linear)?, plain.factor(self.bins)?);
        let dense = plain.dense()?.unwrap_or(plain.tensor(vec![], (rows, 0))?);
        let one = plain.tensor(vec![1.0; rows], (rows, 1))?;
        let mut vectors = vec![];
        for (at, &(start, count)) in self.places.iter().enumerate() {
            let scaled = dense.narrow(1, 2 * at, 1)?;
            let position = dense.narrow(1, 2 * at + 1, 1)?;
            let missing = position.lt(0.0)?.to_dtype(position.dtype())?;
            let mut code = vec![missing];
            for bin in 0..count {
                code.push((&position - bin as f64)?.clamp(0.0, 1.0)?);
            }
            let own = bins.narrow(0, start, 1 + count)?;
            let code = plain.product(&Tensor::cat(&code, 1)?, &own)?;
            let line = plain.product(&Tensor::cat(&[&scaled, &one], 1)?, &linear.get(at)?)?;
            vectors.push((code + line)?);
        }
        plain.put(self.output, Tensor::cat(&vectors, 1)?);
        Ok(())
    }
}

#[inline(always)]
fn add(values: &mut [f32], others: &[f32], times: f32) {
    for (value, other) in values.iter_mut().zip(others) {
        *value += times * other;
    }
}
