//! Gradient boosted trees: columns and an objective in, a model out.
//!
//! The method is LightGBM's (Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS 2017):
//! features become bins ([`bins`]), a leaf's slopes are summed by bin ([`histogram`]), the best split is read off the
//! sums ([`split`]), and the leaf that gains most is split next ([`grow`]). [`boost`] goes round after round,
//! [`model`] is what remains, and [`flat`] how it is stored. The same settings, rows and random numbers give the same bytes on any number of
//! threads: sums are always added up in the same order.
//!
//! This room knows numbers and codes; which column of a table is what is for its callers to say.

mod bins;
mod boost;
mod flat;
mod grow;
mod histogram;
mod model;
mod objective;
mod partition;
mod sample;
mod settings;
mod split;
mod table;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use bins::{Column, MISSING};
pub(crate) use boost::Booster;
pub(crate) use flat::Flat;
pub(crate) use model::Model;
pub(crate) use objective::{Binary, LambdaRank, Objective, Quantile, Softmax, Squared};
pub(crate) use settings::Settings;
