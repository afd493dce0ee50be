//! Losses as one operation each: the value, and the slopes that the backward pass starts from.

mod approx_ndcg;
mod cross_entropy;
mod lambda_rank;
mod list_net;
mod mse;
mod ndcg_loss;
mod pinball;
mod query;
mod slopes;

pub(crate) use approx_ndcg::ApproxNdcg;
pub(crate) use cross_entropy::CrossEntropy;
pub(crate) use lambda_rank::LambdaRank;
pub(crate) use list_net::ListNet;
pub(crate) use mse::MeanSquares;
pub(crate) use ndcg_loss::NdcgLoss;
pub(crate) use pinball::Pinball;
pub(crate) use query::{OverQueries, Query};
