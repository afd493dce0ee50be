//! Losses as one operation each: the value, and the slopes that the backward pass starts from.

mod cross_entropy;
mod slopes;

pub(crate) use cross_entropy::CrossEntropy;
