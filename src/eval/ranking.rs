//! A ranking model against the relevance of each query's rows.

use std::collections::BTreeSet;

use super::Evaluation;
use crate::data::{Table, Task};
use crate::error::{Error, Result};
use crate::eval::evaluation::Measures;
use crate::metrics;
use crate::model::RankingModel;

pub(crate) fn evaluate(_model: &RankingModel, _test: &Table) -> Result<Evaluation> {
    Err(Error::bug("ranking is not evaluated yet"))
}

fn measure(relevance: &[f64], scores: &[f64], queries: &[u32]) -> Measures {
    let ranked = metrics::ranked_queries(relevance, scores, queries);
    let of = |metric: &dyn Fn(&[Vec<f64>]) -> Option<f64>| ranked.as_deref().and_then(metric);
    vec![
        ("ndcg@10", of(&|ranked| metrics::ndcg(ranked, 10))),
        ("ndcg@5", of(&|ranked| metrics::ndcg(ranked, 5))),
        ("ndcg@3", of(&|ranked| metrics::ndcg(ranked, 3))),
        ("ndcg@1", of(&|ranked| metrics::ndcg(ranked, 1))),
        ("map", of(&|ranked| metrics::map(ranked))),
        ("mrr", of(&|ranked| metrics::mrr(ranked))),
    ]
}
