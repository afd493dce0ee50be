//! Layer normalisation of each member's values (Ba, Kiros & Hinton 2016): batch normalisation, which
//! tabular nets are described with, would tie the rows of different shards to each other.

use candle_core::D;

use crate::engine::net::{Init, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// What keeps the deviation of equal values from zero.
const EPSILON: f32 = 1e-5;

#[derive(Debug)]
struct Norm {
    input: Value,
    output: Value,
    /// `[members × width]` each, or `[width]` for all members, in one row: neither decays.
    scale: ParameterId,
    shift: ParameterId,
    /// Of one member.
    width: usize,
}

impl NetBuilder {
    /// Every member's values with mean 0 and deviation 1, then scaled and shifted.
    pub(crate) fn norm(&mut self, name: &str, input: Value, members: usize) -> Value {
        self.norm_of(name, input, input.width / members, input.width)
    }

    /// The same of each token of a row, with one scale and one shift for all tokens.
    pub(crate) fn norm_tokens(&mut self, name: &str, input: Value, tokens: usize) -> Value {
        self.norm_of(name, input, input.width / tokens, input.width / tokens)
    }

    fn norm_of(&mut self, name: &str, input: Value, width: usize, scales: usize) -> Value {
        let constant = |value| Init::Values(vec![value; scales]);
        let scale = self.parameter(format!("{name}.scale"), vec![scales], constant(1.0));
        let shift = self.parameter(format!("{name}.shift"), vec![scales], constant(0.0));
        let output = self.value(input.width);
        self.step(Norm { input, output, scale, shift, width });
        output
    }
}

/// The mean, and one over the deviation.
#[inline(always)]
fn moments(values: &[f32]) -> (f32, f32) {
    let share = 1.0 / values.len() as f32;
    let mean = sum(values.iter().copied()) * share;
    let squares = sum(values.iter().map(|value| (value - mean) * (value - mean)));
    (mean, 1.0 / (squares * share + EPSILON).sqrt())
}

/// In sixteen sums, so that it vectorises.
#[inline(always)]
fn sum(mut values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let mut sums = [0.0; 16];
    for _ in 0..values.len() / 16 {
        for (sum, value) in sums.iter_mut().zip(&mut values) {
            *sum += value;
        }
    }
    sums.iter().sum::<f32>() + values.sum::<f32>()
}

impl Step for Norm {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let (scale, shift) = (shard.weights(self.scale), shard.weights(self.shift));
        let input = arena.value(self.input, shard).chunks_exact(self.width);
        let each = scale.chunks_exact(self.width).zip(shift.chunks_exact(self.width)).cycle();
        vectorised(
            #[inline(always)]
            || {
                for ((output, input), (scale, shift)) in
                    output.chunks_exact_mut(self.width).zip(input).zip(each)
                {
                    let (mean, rate) = moments(input);
                    for (((output, value), scale), shift) in
                        output.iter_mut().zip(input).zip(scale).zip(shift)
                    {
                        *output = (value - mean) * rate * scale + shift;
                    }
                }
            },
        );
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let width = self.width;
        let wanted = arena.wanted(self.input);
        let adds = lane.add;
        let slopes = arena.gradient_ref(self.output);
        let input = arena.value(self.input, shard);

        let shift = lane.of(shard, self.shift);
        if !adds {
            shift.fill(0.0);
        }
        for slope in slopes.chunks_exact(shift.len()) {
            shift.iter_mut().zip(slope).for_each(|(shift, slope)| *shift += slope);
        }
        let gradient = lane.of(shard, self.scale);
        if !adds {
            gradient.fill(0.0);
        }
        let scale = shard.weights(self.scale);
        let Some((mut target, adds)) = wanted else {
            // A norm of the batch's own values has only parameters to teach.
            let rows = slopes.chunks_exact(width).zip(input.chunks_exact(width)).enumerate();
            for (at, (slope, input)) in rows {
                let (mean, rate) = moments(input);
                let start = at * width % gradient.len();
                let gradient = &mut gradient[start..start + width];
                for ((gradient, slope), value) in gradient.iter_mut().zip(slope).zip(input) {
                    *gradient += slope * (value - mean) * rate;
                }
            }
            return;
        };
        if !adds {
            target.fill(0.0);
        }
        vectorised(
            #[inline(always)]
            || {
                let rows = slopes.chunks_exact(width).zip(input.chunks_exact(width));
                for (at, ((slope, input), target)) in
                    rows.zip(target.chunks_exact_mut(width)).enumerate()
                {
                    let start = at * width % scale.len();
                    let scale = &scale[start..start + width];
                    let gradient = &mut gradient[start..start + width];
                    let (mean, rate) = moments(input);
                    let share = 1.0 / width as f32;
                    let pulled = slope.iter().zip(scale).map(|(slope, scale)| slope * scale);
                    let all = sum(pulled.clone()) * share;
                    let along =
                        sum(pulled.zip(input).map(|(pull, value)| pull * (value - mean))) * share;
                    for ((((target, gradient), slope), value), scale) in
                        target.iter_mut().zip(gradient).zip(slope).zip(input).zip(scale)
                    {
                        let normal = (value - mean) * rate;
                        *gradient += slope * normal;
                        *target += rate * (slope * scale - all - normal * along * rate);
                    }
                }
            },
        );
        arena.put_gradient(self.input, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let rows = plain.rows();
        let members = self.input.width / self.width;
        let input = plain.value(self.input)?.reshape((rows, members, self.width))?;
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + f64::from(EPSILON))?.sqrt()?;
        let normal = centred.broadcast_div(&deviation)?;
        let of = |parameter| -> Result<_> {
            let weight = plain.weight(parameter)?;
            let each = weight.elem_count() / self.width;
            Ok(weight.reshape((1, each, self.width))?)
        };
        let scaled = normal.broadcast_mul(&of(self.scale)?)?.broadcast_add(&of(self.shift)?)?;
        plain.put(self.output, scaled.reshape((rows, self.input.width))?);
        Ok(())
    }
}
