//! The precision that nets are trained in on a GPU: which type products with their weights are taken in.
//!
//! Mixed precision as Micikevicius et al. have it (Mixed Precision Training, 2018): products take operands of half the
//! size, everything else stays float32, and so do the parameters themselves. Sums over rows are no products here, since
//! candle would add them up in the type they come in.

use candle_core::DType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    #[default]
    Float32,
    /// Eight bits of exponent, as float32 has, and seven of fraction: what overflows is what would anyway.
    Bfloat16,
    /// Ten bits of fraction, and no number above 65504: losses are scaled, so that small gradients don't vanish.
    Float16,
}

impl Precision {
    /// As settings write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bfloat16 => "bfloat16",
            Self::Float16 => "float16",
        }
    }

    /// The type of what a product is taken of.
    pub(super) fn of_products(self) -> DType {
        match self {
            Self::Float32 => DType::F32,
            Self::Bfloat16 => DType::BF16,
            Self::Float16 => DType::F16,
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::engine::twins::{batch, nets, parameters};
    use crate::engine::{Mode, Net, StepKey};

    /// What a net says of some rows, and the gradient where every row pulls the same way: pulls this way and
    /// that would cancel, and leave what rounding did to single rows.
    fn pull(net: &std::sync::Arc<Net>, precision: Precision) -> (Vec<f32>, Vec<f32>) {
        let parameters = parameters(net).with_fused(false);
        parameters.train_in(precision).expect("said once");
        let mode = Mode::Train(StepKey(11));
        let output = parameters.forward(batch(net, 600), mode).expect("output");
        let width = output.dims()[1];
        let pulls: Vec<f32> = (0..width).map(|at| 1.0 + (at as f32 * 0.37).sin() / 2.0).collect();
        let pulls = Tensor::from_vec(pulls, (1, width), &Device::Cpu).expect("pulls");
        let loss = output.broadcast_mul(&pulls).and_then(|t| t.sum_all()).expect("a loss");
        let gradient = parameters.gradient(&loss).expect("a gradient").to_vec();
        (output.flatten_all().and_then(|t| t.to_vec1()).expect("values"), gradient)
    }

    /// The length of the difference as a share of the whole. Single numbers may be further off: near zero a
    /// rectifier turns in one type and not in the other.
    fn off(one: &[f32], other: &[f32]) -> f32 {
        let length =
            |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
        let difference = length(&mut one.iter().zip(other).map(|(one, other)| one - other));
        difference / length(&mut other.iter().copied()).max(1e-3)
    }

    #[test]
    fn products_of_half_the_size_come_to_nearly_the_same() {
        // Of bfloat16 there are three bits fewer.
        for (precision, within) in [(Precision::Float16, 1e-2), (Precision::Bfloat16, 5e-2)] {
            for net in nets() {
                let [exact, half] = [Precision::Float32, precision].map(|kind| pull(&net, kind));
                assert_ne!(half.0, exact.0, "products are in {}", precision.name());
                assert!(off(&half.0, &exact.0) < within, "{}", off(&half.0, &exact.0));
                assert!(off(&half.1, &exact.1) < within, "{}", off(&half.1, &exact.1));
                // Of a table's rows, which few rows of the batch read, one that turned is a larger part.
                for declared in net.parameters() {
                    let own = declared.start..declared.start + declared.len();
                    let off = off(&half.1[own.clone()], &exact.1[own]);
                    assert!(off < 3.0 * within, "{} in {}: {off}", declared.name, precision.name());
                }
            }
        }
    }

    #[test]
    fn what_is_scored_is_in_float32() {
        let [net, ..] = nets();
        let score = |precision| {
            let parameters = parameters(&net).with_fused(false);
            parameters.train_in(precision).expect("said once");
            let output = parameters.forward(batch(&net, 20), Mode::Score).expect("output");
            output.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values")
        };
        assert_eq!(score(Precision::Float16), score(Precision::Float32));
    }

    #[test]
    fn a_precision_is_said_once_and_not_to_fused_steps() {
        let [net, ..] = nets();
        let plain = parameters(&net).with_fused(false);
        assert!(plain.train_in(Precision::Float16).is_ok());
        assert!(plain.clone().train_in(Precision::Float16).is_ok());
        assert!(plain.train_in(Precision::Float32).is_err());
        assert!(parameters(&net).with_fused(true).train_in(Precision::Float16).is_err());
    }
}
