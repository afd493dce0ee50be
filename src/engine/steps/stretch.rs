//! A part of a value, each number repeated, added to another value or taken away from it: how a
//! coarse block's forecast joins the others', and its backcast leaves the window (N-HiTS).

use candle_core::D;

use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// Which part of a value is stretched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub value: Value,
    pub offset: usize,
    pub count: usize,
    /// How often each number is repeated.
    pub times: usize,
}

/// What happens to the stretched part.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Onto {
    Nothing,
    AddedTo(Value),
    TakenFrom(Value),
}

#[derive(Debug)]
struct Stretch {
    part: Part,
    base: Option<Value>,
    sign: f32,
    output: Value,
}

impl NetBuilder {
    /// `part` with each number repeated, added to or taken from a value of that width.
    pub(crate) fn stretch(&mut self, part: Part, onto: Onto) -> Value {
        let (base, sign) = match onto {
            Onto::Nothing => (None, 1.0),
            Onto::AddedTo(base) => (Some(base), 1.0),
            Onto::TakenFrom(base) => (Some(base), -1.0),
        };
        let width = part.count * part.times;
        assert!(base.is_none_or(|base| base.width == width), "a stretched part fits its base");
        assert!(part.offset + part.count <= part.value.width, "a part lies in its value");
        let output = self.value(width);
        self.step(Stretch { part, base, sign, output });
        output
    }
}

impl Step for Stretch {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let Part { value, offset, count, times } = self.part;
        let mut output = arena.take(self.output);
        match self.base {
            Some(base) => output.copy_from_slice(arena.value(base, shard)),
            None => output.fill(0.0),
        }
        let rows = arena.value(value, shard).chunks_exact(value.width);
        for (output, part) in output.chunks_exact_mut(self.output.width).zip(rows) {
            add_repeated(output, &part[offset..offset + count], times, self.sign);
        }
        arena.put(self.output, output);
    }

    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let Part { value, offset, count, times } = self.part;
        let slope = arena.gradient(self.output);
        if let Some((mut target, add)) = self.base.and_then(|base| arena.wanted(base)) {
            if add {
                target.iter_mut().zip(&slope).for_each(|(target, slope)| *target += slope);
            } else {
                target.copy_from_slice(&slope);
            }
            arena.put_gradient(self.base.expect("its gradient is wanted"), target);
        }
        if let Some((mut target, add)) = arena.wanted(value) {
            if !add {
                target.fill(0.0);
            }
            let slopes = slope.chunks_exact(self.output.width);
            for (target, slope) in target.chunks_exact_mut(value.width).zip(slopes) {
                add_sums(&mut target[offset..offset + count], slope, times, self.sign);
            }
            arena.put_gradient(value, target);
        }
        arena.put_gradient(self.output, slope);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let Part { value, offset, count, times } = self.part;
        let rows = plain.rows();
        let part = plain.value(value)?.narrow(D::Minus1, offset, count)?.unsqueeze(2)?;
        let part = part.broadcast_as((rows, count, times))?.reshape((rows, count * times))?;
        let output = match self.base {
            Some(base) => (plain.value(base)? + (part * f64::from(self.sign))?)?,
            None => part,
        };
        plain.put(self.output, output);
        Ok(())
    }
}

/// `output += sign × part`, each number of the part repeated.
fn add_repeated(output: &mut [f32], part: &[f32], times: usize, sign: f32) {
    match times {
        1 => add_repeated_so_often::<1>(output, part, sign),
        2 => add_repeated_so_often::<2>(output, part, sign),
        4 => add_repeated_so_often::<4>(output, part, sign),
        8 => add_repeated_so_often::<8>(output, part, sign),
        _ => {
            for (output, part) in output.chunks_exact_mut(times).zip(part) {
                for output in output {
                    *output += sign * part;
                }
            }
        }
    }
}

/// With the number of repeats known, the loop is one of vectors.
fn add_repeated_so_often<const TIMES: usize>(output: &mut [f32], part: &[f32], sign: f32) {
    vectorised(
        #[inline(always)]
        || {
            for (output, part) in output.as_chunks_mut::<TIMES>().0.iter_mut().zip(part) {
                for output in output {
                    *output += sign * part;
                }
            }
        },
    );
}

/// `target += sign × sums` of so many neighbours each.
fn add_sums(target: &mut [f32], values: &[f32], times: usize, sign: f32) {
    match times {
        1 => add_sums_of::<1>(target, values, sign),
        2 => add_sums_of::<2>(target, values, sign),
        4 => add_sums_of::<4>(target, values, sign),
        8 => add_sums_of::<8>(target, values, sign),
        _ => {
            for (target, values) in target.iter_mut().zip(values.chunks_exact(times)) {
                *target += sign * values.iter().sum::<f32>();
            }
        }
    }
}

fn add_sums_of<const TIMES: usize>(target: &mut [f32], values: &[f32], sign: f32) {
    vectorised(
        #[inline(always)]
        || {
            for (target, values) in target.iter_mut().zip(values.as_chunks::<TIMES>().0) {
                *target += sign * values.iter().sum::<f32>();
            }
        },
    );
}
