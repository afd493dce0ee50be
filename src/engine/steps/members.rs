//! One value as several members see it, each through scales of its own (the adapters of BatchEnsemble:
//! Wen, Tran & Ba 2020; the first of TabM's: Gorishniy et al. 2025; and RealMLP's scaling layer:
//! Holzmüller et al. 2024).

use crate::engine::net::{Init, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::vectorised;
use crate::error::Result;

#[derive(Debug)]
struct Members {
    input: Value,
    output: Value,
    /// `[members × width]`, in one row: scales don't decay, as biases don't.
    scales: ParameterId,
}

impl NetBuilder {
    /// The input `members` times side by side, each number times a scale.
    pub(crate) fn members(
        &mut self,
        name: &str,
        input: Value,
        members: usize,
        init: Init,
    ) -> Value {
        let width = members * input.width;
        let scales = self.parameter(name.to_owned(), vec![width], init);
        let output = self.value(width);
        self.step(Members { input, output, scales });
        output
    }
}

impl Step for Members {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let scales = shard.weights(self.scales);
        let width = self.input.width;
        let input = arena.value(self.input, shard).chunks_exact(width);
        vectorised(
            #[inline(always)]
            || {
                for (output, input) in output.chunks_exact_mut(self.output.width).zip(input) {
                    let members = output.chunks_exact_mut(width).zip(scales.chunks_exact(width));
                    for (output, scales) in members {
                        for ((output, scale), input) in output.iter_mut().zip(scales).zip(input) {
                            *output = scale * input;
                        }
                    }
                }
            },
        );
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let width = self.input.width;
        let wanted = arena.wanted(self.input);
        let adds = lane.add;
        let gradient = lane.of(shard, self.scales);
        if !adds {
            gradient.fill(0.0);
        }
        let slopes = arena.gradient_ref(self.output).chunks_exact(self.output.width);
        let input = arena.value(self.input, shard).chunks_exact(width);
        vectorised(
            #[inline(always)]
            || {
                for (slope, input) in slopes.clone().zip(input) {
                    let members = slope.chunks_exact(width).zip(gradient.chunks_exact_mut(width));
                    for (slope, gradient) in members {
                        for ((gradient, slope), input) in gradient.iter_mut().zip(slope).zip(input)
                        {
                            *gradient += slope * input;
                        }
                    }
                }
            },
        );
        let Some((mut target, adds)) = wanted else { return };
        if !adds {
            target.fill(0.0);
        }
        let scales = shard.weights(self.scales);
        vectorised(
            #[inline(always)]
            || {
                for (slope, target) in slopes.zip(target.chunks_exact_mut(width)) {
                    let members = slope.chunks_exact(width).zip(scales.chunks_exact(width));
                    for (slope, scales) in members {
                        for ((target, slope), scale) in target.iter_mut().zip(slope).zip(scales) {
                            *target += slope * scale;
                        }
                    }
                }
            },
        );
        arena.put_gradient(self.input, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let (rows, width) = (plain.rows(), self.input.width);
        let scales = plain.weight(self.scales)?.reshape((1, self.output.width / width, width))?;
        let input = plain.value(self.input)?.unsqueeze(1)?;
        let output = input.broadcast_mul(&scales)?.reshape((rows, self.output.width))?;
        plain.put(self.output, output);
        Ok(())
    }
}
