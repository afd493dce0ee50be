//! What a ranking net learns from: `model.loss`, with what it needs to know of each query.

use std::sync::Arc;

use candle_core::Tensor;

use crate::engine::loss::{ApproxNdcg, LambdaRank, ListNet, NdcgLoss, OverQueries, Query};
use crate::error::{Error, Result, closest};
use crate::model::ModelSettings;

/// LambdaRank weighs NDCG down to this rank; the other losses look at the whole list, as their papers do.
const DEPTH: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RankLoss {
    LambdaRank,
    Softmax,
    NdcgLoss,
    ApproxNdcg,
}

const LOSSES: [(&str, RankLoss); 4] = [
    ("lambdarank", RankLoss::LambdaRank),
    ("softmax", RankLoss::Softmax),
    ("ndcgloss2++", RankLoss::NdcgLoss),
    ("approxndcg", RankLoss::ApproxNdcg),
];

/// One query's grades as a loss takes them.
pub(super) enum Grades {
    Ranked(Arc<Query>),
    Shares(Arc<[f32]>),
}

impl RankLoss {
    /// The loss that `model.loss` names, or LambdaRank; and the estimator's other settings.
    pub(super) fn take(model: &ModelSettings) -> Result<(Self, ModelSettings)> {
        let mut rest = model.clone();
        let Some(value) = rest.settings.remove("loss") else {
            return Ok((Self::LambdaRank, rest));
        };
        let Some(name) = value.as_str() else {
            return Err(Error::user(format!("`model.loss` is {value}"))
                .hint("it is a name, such as \"lambdarank\""));
        };
        match LOSSES.iter().find(|(known, _)| *known == name) {
            Some((_, loss)) => Ok((*loss, rest)),
            None => {
                let known = LOSSES.map(|(known, _)| known);
                let error = Error::user(format!("there is no loss `{name}` for ranking"));
                Err(match closest(name, known) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("there are: {}", known.join(", "))),
                })
            }
        }
    }

    pub(super) fn grades(self, relevance: &[f64]) -> Grades {
        match self {
            Self::LambdaRank => Grades::Ranked(Arc::new(Query::new(relevance, DEPTH))),
            Self::Softmax => Grades::Shares(ListNet::gains(relevance)),
            Self::NdcgLoss | Self::ApproxNdcg => {
                Grades::Ranked(Arc::new(Query::new(relevance, usize::MAX)))
            }
        }
    }

    /// The mean loss of scores, `[rows, members]`, the queries' rows one after the other.
    pub(super) fn of<'a>(
        self,
        queries: impl Iterator<Item = &'a Grades>,
        scores: &Tensor,
    ) -> Result<Tensor> {
        let (mut ranked, mut targets) = (vec![], vec![]);
        for query in queries {
            match query {
                Grades::Ranked(query) => ranked.push(query.clone()),
                Grades::Shares(target) => targets.push(target.clone()),
            }
        }
        let queries = ranked;
        match self {
            Self::LambdaRank => OverQueries { queries, loss: LambdaRank { even: true } }.of(scores),
            Self::Softmax => ListNet { targets }.of(scores),
            Self::NdcgLoss => OverQueries { queries, loss: NdcgLoss }.of(scores),
            Self::ApproxNdcg => OverQueries { queries, loss: ApproxNdcg }.of(scores),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Result<(RankLoss, ModelSettings)> {
        RankLoss::take(&toml::from_str(text).unwrap())
    }

    #[test]
    fn a_loss_is_named_or_the_default() {
        assert_eq!(take("hidden = [8]").unwrap().0, RankLoss::LambdaRank);
        let (loss, rest) = take("loss = 'ndcgloss2++'\nhidden = [8]").unwrap();
        assert_eq!(loss, RankLoss::NdcgLoss);
        assert_eq!(rest.settings.keys().collect::<Vec<_>>(), ["hidden"]);
        let error = take("loss = 'aproxndcg'").unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean `approxndcg`?"));
        assert!(take("loss = 'hinge'").unwrap_err().hint_text().unwrap().contains("softmax"));
        assert!(take("loss = 2").is_err());
    }
}
