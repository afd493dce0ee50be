//! What a template can say about the project: the names in its `{{ … }}`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::data::{Layout, Task};

/// Everything that a template sees.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Context {
    /// `new` or `init`.
    pub verb: &'static str,
    pub task: Task,
    pub project: ProjectContext,
    pub mlx: MlxContext,
    pub data: DataContext,
    pub columns: Vec<ColumnNote>,
    pub gate: GateContext,
    pub eval_metrics: Vec<&'static str>,
    /// One sentence on what the project is.
    pub about: String,
    /// What the generated data is; empty for the user's own.
    pub story: &'static str,
    /// The variables of a team's template.
    pub vars: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProjectContext {
    pub name: String,
    pub owner: Option<String>,
    pub id: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct MlxContext {
    pub version: &'static str,
}

/// The `[data]` table.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DataContext {
    /// The user's own, not generated.
    pub own: bool,
    /// Not inside the project's folder.
    pub outside: bool,
    /// What git should leave alone because of its size.
    pub ignored: Option<String>,
    pub train: String,
    pub test: Option<String>,
    pub format: Option<String>,
    pub target: Option<String>,
    pub id: Vec<String>,
    pub time: Option<String>,
    pub series: Vec<String>,
    pub horizon: Option<usize>,
    pub season: Option<usize>,
    pub layout: Layout,
    pub query: Option<String>,
}

/// An entry of `[columns]`, and why it is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ColumnNote {
    pub name: String,
    pub kind: &'static str,
    pub why: String,
}

/// The rule that a first version has to pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct GateContext {
    pub metric: &'static str,
    /// `min` or `max`.
    pub bound: &'static str,
    pub floor: f64,
    pub why: String,
}

impl Context {
    /// The project of a built-in template with its generated data.
    pub(crate) fn example(verb: &'static str, task: Task, project: ProjectContext) -> Self {
        let text = |text: &str| Some(text.to_owned());
        let (data, gate, about, story) = match task {
            Task::Classification => (
                DataContext {
                    train: "data/customers.csv".into(),
                    target: text("churned"),
                    id: vec!["customer_id".into()],
                    ..DataContext::default()
                },
                gate("auc", "min", 0.70, "0.5 is guessing, 1 is always right"),
                "Which customers are about to leave? A classification project.",
                include_str!("../../templates/classification/story.md"),
            ),
            Task::Forecasting => (
                DataContext {
                    train: "data/sales.csv".into(),
                    target: text("sales"),
                    time: text("date"),
                    series: vec!["store".into(), "item".into()],
                    horizon: Some(14),
                    season: Some(7),
                    ..DataContext::default()
                },
                gate(
                    "mase",
                    "max",
                    1.1,
                    "1 is the error of repeating the last season, on the training data",
                ),
                "How much will each shop sell of each item in the next two weeks? A forecasting project.",
                include_str!("../../templates/forecasting/story.md"),
            ),
            Task::Ranking => (
                DataContext {
                    train: "data/searches.csv".into(),
                    target: text("grade"),
                    query: text("query_id"),
                    id: vec!["product_id".into()],
                    ..DataContext::default()
                },
                gate(
                    "ndcg@5",
                    "min",
                    0.55,
                    "1 has the best five first; a shuffled order gets about 0.36",
                ),
                "Which products should a search show first? A ranking project.",
                include_str!("../../templates/ranking/story.md"),
            ),
        };
        Self::new(verb, task, project, data, gate, about.into(), story.trim_end())
    }

    /// The project of a team's template, whose `mlx.toml` says itself what its data is.
    pub(crate) fn of_team(verb: &'static str, task: Task, project: ProjectContext) -> Self {
        let example = Self::example(verb, task, project);
        let about = format!("A {} project.", task.name());
        Self { data: DataContext::default(), about, story: "", ..example }
    }

    /// The project of a user's own data.
    pub(crate) fn of_own_data(
        verb: &'static str,
        task: Task,
        project: ProjectContext,
        data: DataContext,
        columns: Vec<ColumnNote>,
        gate: GateContext,
    ) -> Self {
        let target =
            data.target.as_ref().map_or("every series".to_owned(), |target| format!("`{target}`"));
        let about = match task {
            Task::Classification => format!("Predicts {target}. A classification project."),
            Task::Forecasting => {
                let steps = data.horizon.unwrap_or(1);
                format!("Forecasts {target} {steps} steps ahead. A forecasting project.")
            }
            Task::Ranking => {
                format!("Orders the candidates of a query by {target}. A ranking project.")
            }
        };
        Self { columns, ..Self::new(verb, task, project, data, gate, about, "") }
    }

    fn new(
        verb: &'static str,
        task: Task,
        project: ProjectContext,
        data: DataContext,
        gate: GateContext,
        about: String,
        story: &'static str,
    ) -> Self {
        let eval_metrics = match task {
            Task::Classification => vec!["auc", "logloss", "ece"],
            Task::Forecasting => vec!["mase", "smape", "coverage_80"],
            Task::Ranking => vec!["ndcg@5", "ndcg@10", "mrr"],
        };
        Self {
            verb,
            task,
            project,
            mlx: MlxContext { version: env!("CARGO_PKG_VERSION") },
            data,
            columns: Vec::new(),
            gate,
            eval_metrics,
            about,
            story,
            vars: BTreeMap::new(),
        }
    }
}

fn gate(metric: &'static str, bound: &'static str, floor: f64, why: &str) -> GateContext {
    GateContext { metric, bound, floor, why: why.to_owned() }
}
