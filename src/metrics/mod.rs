//! Metrics, one a file, by scikit-learn's definitions. Pure functions of slices.
//!
//! A metric that is undefined on its input (no rows, one class only, a value that is no number)
//! is `None`, never zero and never a guess. Slices of different lengths are a bug and panic.

pub(crate) mod accuracy;
pub(crate) mod auc;
pub(crate) mod average_precision;
pub(crate) mod balanced_accuracy;
pub(crate) mod brier;
pub(crate) mod coverage;
pub(crate) mod direction;
pub(crate) mod ece;
pub(crate) mod log_loss;
pub(crate) mod macro_f1;
pub(crate) mod mae;
pub(crate) mod map;
pub(crate) mod mase;
pub(crate) mod mrr;
pub(crate) mod ndcg;
pub(crate) mod queries;
pub(crate) mod rmse;
pub(crate) mod smape;
pub(crate) mod top_class;
pub(crate) mod wql;

#[cfg(test)]
mod references;

pub(crate) use accuracy::accuracy;
pub(crate) use auc::{auc, macro_auc};
pub(crate) use average_precision::average_precision;
pub(crate) use balanced_accuracy::balanced_accuracy;
pub(crate) use brier::brier;
pub(crate) use coverage::coverage;
pub(crate) use direction::Direction;
pub(crate) use ece::ece;
pub(crate) use log_loss::log_loss;
pub(crate) use macro_f1::macro_f1;
pub(crate) use mae::mae;
pub(crate) use map::map;
pub(crate) use mase::{mase, mase_scale};
pub(crate) use mrr::mrr;
pub(crate) use ndcg::ndcg;
pub(crate) use queries::ranked_queries;
pub(crate) use rmse::rmse;
pub(crate) use smape::smape;
pub(crate) use top_class::top_classes;
pub(crate) use wql::{quantile_loss, wql};

/// The mean of what is there; `None` of nothing, or where the mean is no finite number.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0_usize;
    for value in values {
        sum += value;
        count += 1;
    }
    let mean = sum / count as f64;
    mean.is_finite().then_some(mean)
}
