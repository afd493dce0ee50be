//! A model against data: metrics beside the baselines.
//!
//! Each task has a pure `measure` from predictions and truth to metrics, which is what an interval
//! (rows drawn again) or a slice (rows picked) will call with its own rows.

mod classification;
pub(crate) mod evaluation;
mod forecasting;
mod ranking;
pub(crate) mod settings;

use crate::data::{Dataset, Table};
use crate::error::{Error, Result};
use crate::model::Model;

pub(crate) use evaluation::Evaluation;
pub(crate) use settings::EvalSettings;

/// What to evaluate on.
#[derive(Clone, Debug)]
pub(crate) struct EvalData<'a> {
    /// Forecasting: what came before the test data, in order of time. Where there is none, the last
    /// horizon of the test data is forecast from the rest of it. Other tasks leave it unread.
    pub history: Vec<&'a Table>,
    pub test: &'a Table,
    /// Forecasting: steps from one forecast to the next; absent, the horizon.
    pub stride: Option<usize>,
}

/// The model's metrics on this data, beside those of its baselines.
pub(crate) fn evaluate(model: &Model, data: &EvalData<'_>) -> Result<Evaluation> {
    if data.test.rows == 0 {
        return Err(Error::user("there are no rows to evaluate on")
            .hint("look at what the data holds: `mlx data check`"));
    }
    match model {
        Model::Classification(model) => classification::evaluate(model, data.test),
        Model::Forecasting(model) => forecasting::evaluate(model, data),
        Model::Ranking(model) => ranking::evaluate(model, data.test),
    }
}

/// The model's metrics on a dataset's test split.
pub(crate) fn on_dataset(
    model: &Model,
    dataset: &Dataset,
    settings: &EvalSettings,
) -> Result<Evaluation> {
    if let (Model::Classification(model), Some(stream)) = (model, &dataset.stream) {
        return classification::evaluate_streamed(model, stream);
    }
    evaluate(
        model,
        &EvalData {
            history: vec![&dataset.train, &dataset.valid],
            test: &dataset.test,
            stride: settings.stride()?,
        },
    )
}
