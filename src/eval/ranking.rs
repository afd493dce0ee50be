//! A ranking model against the relevance of each query's rows.

use std::collections::BTreeSet;

use super::Evaluation;
use crate::data::{Table, Task};
use crate::error::Result;
use crate::eval::evaluation::Measures;
use crate::metrics;
use crate::model::RankingModel;

pub(crate) fn evaluate(model: &RankingModel, test: &Table) -> Result<Evaluation> {
    let relevance = model.relevance(test)?;
    let queries = model.queries(test)?;
    let ours = measure(&relevance, &model.score(test)?, &queries);
    let theirs: Vec<_> = model
        .baselines(test)?
        .into_iter()
        .map(|(name, scores)| (name, measure(&relevance, &scores, &queries)))
        .collect();
    let mut evaluation = Evaluation::new(Task::Ranking, test.rows, ours, &theirs);
    let all: BTreeSet<u32> = queries.iter().copied().collect();
    let relevant: BTreeSet<u32> = queries
        .iter()
        .zip(&relevance)
        .filter(|(_, relevance)| **relevance > 0.0)
        .map(|(query, _)| *query)
        .collect();
    evaluation.groups = Some(all.len());
    if relevant.len() < all.len() {
        evaluation.notices.push(format!(
            "{} of {} queries have nothing relevant and were left out",
            all.len() - relevant.len(),
            all.len()
        ));
    }
    Ok(evaluation)
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
