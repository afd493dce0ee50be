//! AdamW (Loshchilov & Hutter 2019, algorithm 2), with its state in the open so that a checkpoint holds it.

use std::collections::BTreeMap;

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use crate::error::{Error, Result};
use crate::model::Parameters;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// First and second moments by parameter name, and how many steps they have seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdamW {
    pub steps: u64,
    pub first: BTreeMap<String, Tensor>,
    pub second: BTreeMap<String, Tensor>,
}

impl AdamW {
    pub(crate) fn new(parameters: &Parameters) -> Result<Self> {
        let zeros = || {
            let named = parameters.iter();
            named.map(|(name, var)| Ok((name.to_owned(), var.zeros_like()?))).collect::<Result<_>>()
        };
        Ok(Self { steps: 0, first: zeros()?, second: zeros()? })
    }

    /// One step down the gradients, each first multiplied by `scale`.
    ///
    /// Weight decay is decoupled and falls on matrices only: shrinking a bias or a scale towards zero
    /// says nothing about complexity.
    pub(crate) fn step(
        &mut self,
        parameters: &Parameters,
        gradients: &GradStore,
        scale: f64,
        learning_rate: f64,
        weight_decay: f64,
    ) -> Result<()> {
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (correct1, correct2) = (1.0 - BETA1.powi(steps), 1.0 - BETA2.powi(steps));
        for (name, var) in parameters.iter() {
            // A parameter that this batch did not touch still has momentum and decay.
            let gradient = match gradients.get(var) {
                // Detached: a gradient holds on to the graph that made it, and the moments would keep
                // every step's graph in memory.
                Some(gradient) => (gradient.detach() * scale)?,
                None => var.zeros_like()?,
            };
            let missing = || Error::bug(format!("the optimiser has no state for `{name}`"));
            let first = self.first.get_mut(name).ok_or_else(missing)?;
            let second = self.second.get_mut(name).ok_or_else(missing)?;
            *first = ((&*first * BETA1)? + (&gradient * (1.0 - BETA1))?)?;
            *second = ((&*second * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
            let denominator = ((&*second / correct2)?.sqrt()? + EPSILON)?;
            let update = (&*first / correct1)?.div(&denominator)?;
            let decay = if var.rank() >= 2 { 1.0 - learning_rate * weight_decay } else { 1.0 };
            var.set(&((var.as_tensor() * decay)? - (update * learning_rate)?)?)?;
        }
        Ok(())
    }
}

/// The Euclidean norm of all gradients together, in double precision and in the order of names.
pub(crate) fn gradient_norm(parameters: &Parameters, gradients: &GradStore) -> Result<f64> {
    let mut sum = 0.0;
    for (_, var) in parameters.iter() {
        if let Some(gradient) = gradients.get(var) {
            let values = gradient.flatten_all()?.to_vec1::<f32>()?;
            sum += values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>();
        }
    }
    Ok(sum.sqrt())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_state_keeps_no_graph() {
        let mut parameters = Parameters::new(&Device::Cpu);
        let weight = parameters.create("w", vec![1.0, -2.0], (2, 1)).expect("new");
        // The gradient of `w` is a product with this row, which is itself computed from variables.
        let row = weight.t().and_then(|row| row.sqr()).expect("a row");
        let mut optimiser = AdamW::new(&parameters).expect("state");
        let loss = row.matmul(&weight).and_then(|product| product.sum_all()).expect("a sum");
        let gradients = loss.backward().expect("gradients");
        optimiser.step(&parameters, &gradients, 1.0, 0.1, 0.0).expect("a step");
        for moment in optimiser.first.values().chain(optimiser.second.values()) {
            assert!(!moment.track_op());
        }
    }

    #[test]
    fn two_steps_are_those_of_the_paper() {
        let mut parameters = Parameters::new(&Device::Cpu);
        parameters.create("w", vec![1.0, -2.0], (1, 2)).expect("new");
        parameters.create("b", vec![0.5], 1).expect("new");
        let mut optimiser = AdamW::new(&parameters).expect("state");
        let (rate, decay) = (0.1, 0.01);
        // The same in scalars: the loss is the sum of squares, so the gradient is twice the value.
        let mut expected = [1.0_f64, -2.0, 0.5];
        let (mut first, mut second) = ([0.0_f64; 3], [0.0_f64; 3]);
        for step in 1..=2 {
            for at in 0..3 {
                let gradient = 2.0 * expected[at];
                first[at] = BETA1 * first[at] + (1.0 - BETA1) * gradient;
                second[at] = BETA2 * second[at] + (1.0 - BETA2) * gradient * gradient;
                let m = first[at] / (1.0 - BETA1.powi(step));
                let v = second[at] / (1.0 - BETA2.powi(step));
                let shrink = if at < 2 { 1.0 - rate * decay } else { 1.0 };
                expected[at] = expected[at] * shrink - rate * m / (v.sqrt() + EPSILON);
            }
            let squares: Vec<Tensor> = parameters
                .iter()
                .map(|(_, var)| var.sqr().and_then(|square| square.sum_all()).expect("a sum"))
                .collect();
            let loss = (&squares[0] + &squares[1]).expect("a sum");
            let gradients = loss.backward().expect("gradients");
            optimiser.step(&parameters, &gradients, 1.0, rate, decay).expect("a step");
        }
        // Moments that knew how they were made would hold every step's graph.
        assert!(optimiser.first.values().chain(optimiser.second.values()).all(|m| !m.track_op()));
        let values = parameters.snapshot().expect("values");
        let flat = |name: &str| {
            values[name].flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values")
        };
        let found: Vec<f32> = [flat("w"), flat("b")].concat();
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
