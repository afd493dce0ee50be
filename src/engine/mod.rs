//! The compute engine: nets as lists of steps, each with a fast CPU form and a plain twin.
//!
//! On the CPU a whole net is one candle `CustomOp`: the rows of a batch are cut into shards where
//! the batch alone says, each goes forward and backward on one core, and the shards' gradients are added in a
//! fixed order; so the answer has the same bits on any number of threads. On CUDA and Metal, and
//! where the switch says so, the same steps run as plain candle tensors.

mod cut;
pub(crate) mod dropout;
pub(crate) mod loss;
mod matmul;
pub(crate) mod net;
pub(crate) mod parameters;
mod pass;
pub(crate) mod peak;
mod plain;
mod precision;
mod score;
mod shard;
pub(crate) mod simd;
mod steps;
#[cfg(test)]
mod twins;
pub(crate) mod threads;

pub(crate) use dropout::StepKey;
pub(crate) use net::{Batch, Init, Net, NetBuilder, Value};
pub(crate) use parameters::{Parameters, use_plain_steps, uses_plain_steps};
pub(crate) use pass::Mode;
pub(crate) use precision::Precision;
pub(crate) use score::Scorer;
pub(crate) use steps::activate::Curve;
pub(crate) use steps::linear::{Activation, Linear};
pub(crate) use steps::patches::patch_count;
pub(crate) use steps::piecewise::MISSING as MISSING_POSITION;
pub(crate) use steps::stretch::{Onto, Part};
