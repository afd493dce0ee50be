//! A linear layer with its bias, activation and dropout in one step, for one net or several side by side.

use crate::engine::dropout::{Dropout, draw};
use crate::engine::matmul::{View, multiply, transpose};
use crate::engine::net::{Init, Net, NetBuilder, ParameterId, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::engine::simd::vectorised;
use crate::error::Result;

/// What a layer does with a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    None,
    Relu,
}

/// A layer as it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    /// Of one member.
    pub width: usize,
    /// How many nets lie side by side; each has its own weights.
    pub members: usize,
    /// Whether all members read the same input, or each its own part of it.
    pub shared_input: bool,
    pub activation: Activation,
    /// The share of values left out in training.
    pub dropout: f64,
}

#[derive(Debug)]
struct LinearStep {
    input: Value,
    output: Value,
    weight: ParameterId,
    bias: ParameterId,
    /// How many products there are, and the sizes of each.
    products: usize,
    inputs: usize,
    outputs: usize,
    members: usize,
    /// Whether all members go through the same weights, one below the other.
    stacked: bool,
    activation: Activation,
    dropout: Option<Dropout>,
    /// Which step of the net this is, to draw from.
    place: usize,
}

impl NetBuilder {
    /// `activation(input × weight + bias)`. The weight is `[inputs, members × width]` where the input is
    /// shared, else `[members, inputs, width]`; parameters start from U(±1/√inputs), as PyTorch's do.
    pub(crate) fn linear(&mut self, name: &str, input: Value, linear: Linear) -> Value {
        let Linear { width, members, .. } = linear;
        let shared = linear.shared_input || members == 1;
        let inputs = if shared { input.width } else { input.width / members };
        let shape =
            if shared { vec![inputs, members * width] } else { vec![members, inputs, width] };
        let init = Init::Uniform(1.0 / (inputs as f32).sqrt());
        let weight = self.parameter(format!("{name}.weight"), shape, init.clone());
        let bias = self.parameter(format!("{name}.bias"), vec![members * width], init);
        let output = self.value(members * width);
        let step = LinearStep {
            input,
            output,
            weight,
            bias,
            products: if shared { 1 } else { members },
            inputs,
            outputs: if shared { members * width } else { width },
            members,
            stacked: false,
            activation: linear.activation,
            dropout: Dropout::new(linear.dropout),
            place: self.steps_taken(),
        };
        self.step(step);
        output
    }

    /// The same with one weight, `[inputs, width]`, for all members, which lie side by side in the
    /// input; each has its own bias.
    pub(crate) fn linear_stacked(&mut self, name: &str, input: Value, linear: Linear) -> Value {
        self.stacked(name, input, linear, linear.members)
    }

    /// The same with one bias too: members are the tokens of a row, which a layer doesn't tell apart.
    pub(crate) fn linear_tokens(&mut self, name: &str, input: Value, linear: Linear) -> Value {
        self.stacked(name, input, linear, 1)
    }

    fn stacked(&mut self, name: &str, input: Value, linear: Linear, biases: usize) -> Value {
        let Linear { width, members, .. } = linear;
        let inputs = input.width / members;
        let init = Init::Uniform(1.0 / (inputs as f32).sqrt());
        let weight = self.parameter(format!("{name}.weight"), vec![inputs, width], init.clone());
        let bias = self.parameter(format!("{name}.bias"), vec![biases * width], init);
        let output = self.value(members * width);
        let step = LinearStep {
            input,
            output,
            weight,
            bias,
            products: 1,
            inputs,
            outputs: width,
            members,
            stacked: true,
            activation: linear.activation,
            dropout: Dropout::new(linear.dropout),
            place: self.steps_taken(),
        };
        self.step(step);
        output
    }
}

impl LinearStep {
    /// How the products see a shard: how many rows there are, and how far apart they lie in the
    /// input and in the output.
    fn layout(&self, rows: usize) -> (usize, usize, usize) {
        if self.stacked {
            (rows * self.members, self.inputs, self.outputs)
        } else {
            (rows, self.input.width, self.output.width)
        }
    }
}

impl Step for LinearStep {
    /// The weights transposed, with which gradients go back to the input: a product would turn its
    /// operand round itself, shard by shard.
    fn prepare(&self, net: &Net, weights: &[f32], training: bool, prepared: &mut Vec<f32>) {
        if !training || self.input.is_dense() {
            return;
        }
        let weights = net.part(weights, self.weight);
        prepared.resize(weights.len(), 0.0);
        let size = self.inputs * self.outputs;
        for (weights, target) in weights.chunks_exact(size).zip(prepared.chunks_exact_mut(size)) {
            transpose(weights, self.inputs, self.outputs, target);
        }
    }

    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let (rows, from, to) = self.layout(shard.rows.len());
        let mut output = arena.take(self.output);
        let mut drawn = std::mem::take(&mut arena.drawn);
        {
            let input = arena.value(self.input, shard);
            let weights = shard.weights(self.weight);
            for product in 0..self.products {
                let left = &input[product * self.inputs..];
                let right = &weights[product * self.inputs * self.outputs..];
                multiply(
                    &mut output[product * self.outputs..],
                    to,
                    false,
                    View::rows(left, rows, self.inputs, from),
                    View::rows(right, self.inputs, self.outputs, self.outputs),
                );
            }
        }
        let bias = shard.weights(self.bias);
        let width = self.output.width;
        let dropout = self.dropout.zip(shard.dropout);
        drawn.resize(width, 0);
        vectorised(
            #[inline(always)]
            || {
                for (row, values) in output.chunks_exact_mut(width).enumerate() {
                    match (self.activation, dropout) {
                        (Activation::None, None) => add_to_all(values, bias),
                        (Activation::Relu, None) => add_relu(values, bias),
                        (activation, Some((dropout, key))) => {
                            if activation == Activation::Relu {
                                add_relu(values, bias);
                            } else {
                                add_to_all(values, bias);
                            }
                            draw(key, self.place, shard.rows.start + row, &mut drawn);
                            dropout.apply(values, &drawn);
                        }
                    }
                }
            },
        );
        arena.drawn = drawn;
        arena.put(self.output, output);
    }

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>) {
        let (rows, from, to) = self.layout(shard.rows.len());
        let width = self.output.width;
        let mut slope = arena.gradient(self.output);
        let mut drawn = std::mem::take(&mut arena.drawn);
        let dropout = self.dropout.zip(shard.dropout);
        let add = lane.add;
        drawn.resize(width, 0);
        {
            let output = arena.value(self.output, shard);
            let bias = lane.of(shard, self.bias);
            if !add {
                bias.fill(0.0);
            }
            vectorised(
                #[inline(always)]
                || {
                    for (row, (slope, output)) in
                        slope.chunks_exact_mut(width).zip(output.chunks_exact(width)).enumerate()
                    {
                        match (self.activation, dropout) {
                            (Activation::None, None) => {}
                            (Activation::Relu, dropout) => {
                                // A value that was left out is zero, as one that was cut off is.
                                relu_slope(slope, output, dropout.map_or(1.0, |(d, _)| d.scale));
                            }
                            (Activation::None, Some((dropout, key))) => {
                                draw(key, self.place, shard.rows.start + row, &mut drawn);
                                dropout.apply(slope, &drawn);
                            }
                        }
                        slope.chunks_exact(bias.len()).for_each(|slope| self::add(bias, slope));
                    }
                },
            );
        }
        {
            let input = arena.value(self.input, shard);
            let gradient = lane.of(shard, self.weight);
            for product in 0..self.products {
                let left = View::rows(&input[product * self.inputs..], rows, self.inputs, from);
                let right = View::rows(&slope[product * self.outputs..], rows, self.outputs, to);
                let target = &mut gradient[product * self.inputs * self.outputs..];
                multiply(target, self.outputs, add, left.transposed(), right);
            }
        }
        if let Some((mut target, add)) = arena.wanted(self.input) {
            let weights = shard.prepared(self.place);
            for product in 0..self.products {
                let left = View::rows(&slope[product * self.outputs..], rows, self.outputs, to);
                let right = &weights[product * self.inputs * self.outputs..];
                let right = View::rows(right, self.outputs, self.inputs, self.inputs);
                let target = &mut target[product * self.inputs..];
                multiply(target, from, add, left, right);
            }
            arena.put_gradient(self.input, target);
        }
        arena.drawn = drawn;
        arena.put_gradient(self.output, slope);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let input = plain.value(self.input)?;
        let rows = plain.rows();
        let weight = plain.factor(self.weight)?;
        let bias = plain.weight(self.bias)?;
        let sums = if self.stacked {
            let stacked = input.reshape((rows * self.members, self.inputs))?;
            plain.product(&stacked, &weight)?.reshape((rows, self.output.width))?
        } else if self.products == 1 {
            plain.product(&input, &weight)?
        } else {
            let apart = input.reshape((rows, self.members, self.inputs))?;
            plain
                .product(&apart.transpose(0, 1)?.contiguous()?, &weight)?
                .transpose(0, 1)?
                .contiguous()?
                .reshape((rows, self.output.width))?
        };
        let mut values = if bias.elem_count() == self.output.width {
            sums.broadcast_add(&bias)?
        } else {
            let tokens = sums.reshape((rows, self.members, self.outputs))?;
            tokens.broadcast_add(&bias)?.reshape((rows, self.output.width))?
        };
        if self.activation == Activation::Relu {
            values = values.relu()?;
        }
        if let Some((dropout, key)) = self.dropout.zip(plain.dropout()) {
            let mask = dropout.mask(key, self.place, rows, self.output.width);
            values = (values * plain.tensor(mask, (rows, self.output.width))?)?;
        }
        plain.put(self.output, values);
        Ok(())
    }
}

#[inline(always)]
fn add(values: &mut [f32], others: &[f32]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value += other;
    }
}

/// Adds the bias to a row: once, or to each token of it.
#[inline(always)]
fn add_to_all(values: &mut [f32], bias: &[f32]) {
    values.chunks_exact_mut(bias.len()).for_each(|values| add(values, bias));
}

/// Adds the bias to every row.
pub(super) fn add_bias(values: &mut [f32], bias: &[f32]) {
    vectorised(
        #[inline(always)]
        || add_to_all(values, bias),
    );
}

#[inline(always)]
fn add_relu(values: &mut [f32], bias: &[f32]) {
    for values in values.chunks_exact_mut(bias.len()) {
        for (value, bias) in values.iter_mut().zip(bias) {
            let sum = *value + bias;
            // NaN stays NaN, so that a run that diverges says so.
            *value = if sum < 0.0 { 0.0 } else { sum };
        }
    }
}

#[inline(always)]
fn relu_slope(slope: &mut [f32], output: &[f32], scale: f32) {
    for (slope, &output) in slope.iter_mut().zip(output) {
        *slope *= if output > 0.0 { scale } else { 0.0 };
    }
}
