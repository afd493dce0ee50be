//! Losses as one operation each: the value, and the slopes that the backward pass starts from.

mod cross_entropy;
mod lambda_rank;
mod list_net;
mod mse;
mod pinball;
mod slopes;

pub(crate) use cross_entropy::CrossEntropy;
pub(crate) use lambda_rank::{LambdaRank, Query};
pub(crate) use list_net::ListNet;
pub(crate) use mse::MeanSquares;
pub(crate) use pinball::Pinball;
