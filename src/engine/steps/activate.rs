//! Smooth activations as a step of their own, optionally between the identity and themselves by a
//! share that is learned (the parametric activations of RealMLP: Holzmüller et al., Better by Default, 2024).

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::engine::dropout::{Dropout, draw};
use crate::engine::net::{Init, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::{exp, vectorised};
use crate::error::Result;

/// What becomes of a value x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Curve {
    /// Scaled exponential (Klambauer et al. 2017).
    Selu,
    /// x · tanh(ln(1 + eˣ)) (Misra 2020).
    Mish,
    /// x / (1 + e⁻ˣ) (Elfwing et al. 2018).
    Silu,
}

/// `(1 − a)·x + a·curve(x)`, then dropout.
#[derive(Debug)]
struct Activate {
    input: Value,
    output: Value,
    curve: Curve,
    /// One a value of the row, in one row: shares don't decay.
    share: ParameterId,
    dropout: Option<Dropout>,
    /// Which step of the net this is, to draw from.
    place: usize,
}

impl NetBuilder {
    /// The curve of every value, with the share of it starting from one.
    pub(crate) fn activate(
        &mut self,
        name: &str,
        input: Value,
        curve: Curve,
        dropout: f64,
    ) -> Value {
        let ones = Init::Values(vec![1.0; input.width]);
        let share = self.parameter(name.to_owned(), vec![input.width], ones);
        let output = self.value(input.width);
        let place = self.steps_taken();
        let dropout = Dropout::new(dropout);
        self.step(Activate { input, output, curve, share, dropout, place });
        output
    }
}

const SELU_SCALE: f32 = 1.050_701;
const SELU_ALPHA: f32 = 1.673_263_2;

impl Curve {
    /// The curve's value and slope.
    #[inline(always)]
    fn at(self, x: f32) -> (f32, f32) {
        match self {
            Self::Selu => {
                let below = SELU_SCALE * SELU_ALPHA * exp(x.min(0.0));
                if x > 0.0 {
                    (SELU_SCALE * x, SELU_SCALE)
                } else {
                    (below - SELU_SCALE * SELU_ALPHA, below)
                }
            }
            Self::Mish => {
                // Beyond 20 the curve is x, and eˣ squared would overflow.
                let e = exp(x.min(20.0));
                let n = e * (e + 2.0);
                let tanh = n / (n + 2.0);
                (x * tanh, tanh + x * (4.0 * e * (e + 1.0)) / ((n + 2.0) * (n + 2.0)))
            }
            Self::Silu => {
                let sigmoid = 1.0 / (1.0 + exp(-x));
                (x * sigmoid, sigmoid + x * sigmoid * (1.0 - sigmoid))
            }
        }
    }

    fn plain(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Selu => {
                let below = ((x.minimum(0.0)?.exp()? - 1.0)? * f64::from(SELU_ALPHA))?;
                ((x.relu()? + below)? * f64::from(SELU_SCALE))?
            }
            Self::Mish => {
                // ln(1 + eˣ) without overflow.
                let softplus = (x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
                (x * softplus.tanh()?)?
            }
            Self::Silu => x.silu()?,
        })
    }
}

impl Activate {
    #[inline(always)]
    fn forward_as(&self, curve: Curve, output: &mut [f32], input: &[f32], share: &[f32]) {
        for ((output, &x), share) in output.iter_mut().zip(input).zip(share) {
            *output = x + share * (curve.at(x).0 - x);
        }
    }

    /// Turns the slope of the output into that of the input, and adds to that of the shares.
    #[inline(always)]
    fn backward_as(
        &self,
        curve: Curve,
        slope: &mut [f32],
        input: &[f32],
        share: &[f32],
        gradient: &mut [f32],
    ) {
        for (((slope, &x), share), gradient) in slope.iter_mut().zip(input).zip(share).zip(gradient)
        {
            let (value, steepness) = curve.at(x);
            *gradient += *slope * (value - x);
            *slope *= 1.0 + share * (steepness - 1.0);
        }
    }
}

impl Step for Activate {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let width = self.output.width;
        let mut output = arena.take(self.output);
        let mut drawn = std::mem::take(&mut arena.drawn);
        drawn.resize(width, 0);
        let dropout = self.dropout.zip(shard.dropout);
        let share = shard.weights(self.share);
        let input = arena.value(self.input, shard).chunks_exact(width);
        vectorised(
            #[inline(always)]
            || {
                for (row, (output, input)) in output.chunks_exact_mut(width).zip(input).enumerate()
                {
                    match self.curve {
                        Curve::Selu => self.forward_as(Curve::Selu, output, input, share),
                        Curve::Mish => self.forward_as(Curve::Mish, output, input, share),
                        Curve::Silu => self.forward_as(Curve::Silu, output, input, share),
                    }
                    if let Some((dropout, key)) = dropout {
                        draw(key, self.place, shard.rows.start + row, &mut drawn);
                        dropout.apply(output, &drawn);
                    }
                }
            },
        );
        arena.drawn = drawn;
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let width = self.output.width;
        let mut slopes = arena.gradient(self.output);
        let mut drawn = std::mem::take(&mut arena.drawn);
        drawn.resize(width, 0);
        let dropout = self.dropout.zip(shard.dropout);
        let adds = lane.add;
        let gradient = lane.of(shard, self.share);
        if !adds {
            gradient.fill(0.0);
        }
        let share = shard.weights(self.share);
        let input = arena.value(self.input, shard).chunks_exact(width);
        vectorised(
            #[inline(always)]
            || {
                for (row, (slope, input)) in slopes.chunks_exact_mut(width).zip(input).enumerate() {
                    if let Some((dropout, key)) = dropout {
                        draw(key, self.place, shard.rows.start + row, &mut drawn);
                        dropout.apply(slope, &drawn);
                    }
                    match self.curve {
                        Curve::Selu => self.backward_as(Curve::Selu, slope, input, share, gradient),
                        Curve::Mish => self.backward_as(Curve::Mish, slope, input, share, gradient),
                        Curve::Silu => self.backward_as(Curve::Silu, slope, input, share, gradient),
                    }
                }
            },
        );
        if let Some((mut target, adds)) = arena.wanted(self.input) {
            if adds {
                target.iter_mut().zip(&slopes).for_each(|(target, slope)| *target += slope);
            } else {
                target.copy_from_slice(&slopes);
            }
            arena.put_gradient(self.input, target);
        }
        arena.drawn = drawn;
        arena.put_gradient(self.output, slopes);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let input = plain.value(self.input)?;
        let away = (self.curve.plain(&input)? - &input)?;
        let mut output = (input + away.broadcast_mul(&plain.weight(self.share)?)?)?;
        if let Some((dropout, key)) = self.dropout.zip(plain.dropout()) {
            let (rows, width) = (plain.rows(), self.output.width);
            output = (output
                * plain.tensor(dropout.mask(key, self.place, rows, width), (rows, width))?)?;
        }
        plain.put(self.output, output);
        Ok(())
    }
}
