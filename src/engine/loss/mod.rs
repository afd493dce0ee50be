//! Losses as one operation each: the value, and the slopes that the backward pass starts from.

mod cross_entropy;
mod pinball;
mod slopes;

pub(crate) use cross_entropy::CrossEntropy;
pub(crate) use pinball::Pinball;
