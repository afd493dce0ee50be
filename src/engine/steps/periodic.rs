//! Numbers as vectors by cosines whose frequencies are learned: PBLD, the number and a linear map of
//! `cos 2π(w·x + b)` side by side (Holzmüller et al., Better by Default, 2024; after Gorishniy et al.,
//! On Embeddings for Numerical Features in Tabular Deep Learning, 2022).

use candle_core::Tensor;

use crate::engine::net::{Init, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::{cos_turns, vectorised};
use crate::error::Result;

/// Reads every dense value as a number.
#[derive(Debug)]
struct Periodic {
    output: Value,
    /// `[numbers, cosines]` each, in turns: what a number is multiplied with, and what is added. In one
    /// row, since neither decays.
    frequencies: ParameterId,
    phases: ParameterId,
    /// `[numbers, cosines, size − 1]`.
    weight: ParameterId,
    /// `[numbers × (size − 1)]`.
    bias: ParameterId,
    numbers: usize,
    cosines: usize,
    size: usize,
}

impl NetBuilder {
    /// A vector of `size` for each dense value, side by side. Frequencies start from N(0, deviation²),
    /// phases from U(−½, ½), the map from U(±1/√cosines).
    pub(crate) fn periodic(
        &mut self,
        name: &str,
        cosines: usize,
        size: usize,
        deviation: f32,
    ) -> Value {
        let numbers = self.dense().width;
        let normal = Init::Normal { deviation, repeats: vec![] };
        let map = Init::Uniform(1.0 / (cosines as f32).sqrt());
        let each = numbers * cosines;
        let frequencies = self.parameter(format!("{name}.frequencies"), vec![each], normal);
        let phases = self.parameter(format!("{name}.phases"), vec![each], Init::Uniform(0.5));
        let shape = vec![numbers, cosines, size - 1];
        let weight = self.parameter(format!("{name}.weight"), shape, map.clone());
        let bias = self.parameter(format!("{name}.bias"), vec![numbers * (size - 1)], map);
        let output = self.value(numbers * size);
        self.step(Periodic { output, frequencies, phases, weight, bias, numbers, cosines, size });
        output
    }
}

impl Periodic {
    /// What belongs to one number of a parameter.
    fn own<'a>(&self, values: &'a [f32], number: usize) -> &'a [f32] {
        let each = values.len() / self.numbers;
        &values[number * each..(number + 1) * each]
    }
}

impl Step for Periodic {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let parameters = [self.frequencies, self.phases, self.weight, self.bias];
        let [frequencies, phases, weight, bias] = parameters.map(|id| shard.weights(id));
        let mut cosines = vec![0.0; self.cosines];
        vectorised(
            #[inline(always)]
            || {
                let vectors = output.chunks_exact_mut(self.size).zip(shard.dense());
                for (at, (output, &number)) in vectors.enumerate() {
                    let at = at % self.numbers;
                    let turns = self.own(frequencies, at).iter().zip(self.own(phases, at));
                    for (cosine, (frequency, phase)) in cosines.iter_mut().zip(turns) {
                        *cosine = cos_turns(number * frequency + phase);
                    }
                    output[0] = number;
                    let output = &mut output[1..];
                    output.copy_from_slice(self.own(bias, at));
                    let rows = self.own(weight, at).chunks_exact(self.size - 1);
                    for (row, cosine) in rows.zip(&cosines) {
                        for (output, weight) in output.iter_mut().zip(row) {
                            *output += cosine * weight;
                        }
                    }
                }
            },
        );
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let adds = lane.add;
        let parameters = [self.frequencies, self.phases, self.weight];
        let [frequencies, phases, weight] = parameters.map(|id| shard.weights(id));
        let slopes = arena.gradient_ref(self.output).chunks_exact(self.size);
        let numbers = shard.dense();

        let bias = lane.of(shard, self.bias);
        if !adds {
            bias.fill(0.0);
        }
        let each = self.size - 1;
        for (at, slope) in slopes.clone().enumerate() {
            let own = &mut bias[at % self.numbers * each..][..each];
            own.iter_mut().zip(&slope[1..]).for_each(|(own, slope)| *own += slope);
        }

        // Those of one number lie side by side, so that one walk fills all three.
        let (mut to_frequency, mut to_phase) =
            (vec![0.0; frequencies.len()], vec![0.0; phases.len()]);
        let gradient = lane.of(shard, self.weight);
        if !adds {
            gradient.fill(0.0);
        }
        let mut turns = vec![0.0; self.cosines];
        let mut pulls = vec![0.0; self.cosines];
        vectorised(
            #[inline(always)]
            || {
                for (at, (slope, &number)) in slopes.zip(numbers).enumerate() {
                    let at = at % self.numbers;
                    let own = self.own(frequencies, at).iter().zip(self.own(phases, at));
                    for (turns, (frequency, phase)) in turns.iter_mut().zip(own) {
                        *turns = number * frequency + phase;
                    }
                    let slope = &slope[1..];
                    let start = at * self.cosines * each;
                    let gradient = gradient[start..].chunks_exact_mut(each);
                    let rows = self.own(weight, at).chunks_exact(each).zip(gradient);
                    for ((pull, turns), (row, gradient)) in pulls.iter_mut().zip(&turns).zip(rows) {
                        let cosine = cos_turns(*turns);
                        *pull = 0.0;
                        for ((gradient, weight), slope) in gradient.iter_mut().zip(row).zip(slope) {
                            *gradient += cosine * slope;
                            *pull += weight * slope;
                        }
                    }
                    let start = at * self.cosines;
                    let to_frequency = &mut to_frequency[start..start + self.cosines];
                    let to_phase = &mut to_phase[start..start + self.cosines];
                    for (((turns, pull), frequency), phase) in
                        turns.iter().zip(&pulls).zip(to_frequency).zip(to_phase)
                    {
                        // The sine is the cosine a quarter of a turn before.
                        let slope = -std::f32::consts::TAU * cos_turns(turns - 0.25) * pull;
                        *frequency += slope * number;
                        *phase += slope;
                    }
                }
            },
        );
        for (id, values) in [(self.frequencies, to_frequency), (self.phases, to_phase)] {
            let gradient = lane.of(shard, id);
            if adds {
                gradient.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            } else {
                gradient.copy_from_slice(&values);
            }
        }
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let (rows, numbers, cosines) = (plain.rows(), self.numbers, self.cosines);
        let dense = plain.dense()?.unwrap_or(plain.tensor(vec![], (rows, 0))?);
        let number = dense.reshape((rows, numbers, 1))?;
        let of = |id| -> Result<Tensor> { Ok(plain.weight(id)?.reshape((1, numbers, cosines))?) };
        let turns = number.broadcast_mul(&of(self.frequencies)?)?;
        let turns = turns.broadcast_add(&of(self.phases)?)?;
        let cosine = (turns * std::f64::consts::TAU)?.cos()?;
        // `[numbers, rows, cosines] × [numbers, cosines, size − 1]`.
        let cosine = cosine.transpose(0, 1)?.contiguous()?;
        let mapped = plain.product(&cosine, &plain.factor(self.weight)?)?;
        let bias = plain.weight(self.bias)?.reshape((1, numbers, self.size - 1))?;
        let mapped = mapped.transpose(0, 1)?.contiguous()?.broadcast_add(&bias)?;
        let output = Tensor::cat(&[&number, &mapped], 2)?.reshape((rows, self.output.width))?;
        plain.put(self.output, output);
        Ok(())
    }
}
