//! `mlx new` and `mlx init`.

use std::path::PathBuf;

use clap::Args;

/// Make a project that trains as it stands.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The folder to make; its name becomes the model's name.
    pub dir: PathBuf,
    #[command(flatten)]
    pub scaffold: ScaffoldArgs,
}

/// Make a project in a folder that exists; overwrites nothing.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder; default: the current one.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub scaffold: ScaffoldArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ScaffoldArgs {
    /// The kind of project. With `--data` it is inferred from the other flags where it can be.
    #[arg(long, short, value_name = "TASK")]
    pub template: Option<String>,
    /// A team's own template: a git URL or a path, with `@REV` for a tag, branch or commit.
    #[arg(long, value_name = "GIT-URL|PATH[@REV]", conflicts_with = "template")]
    pub from: Option<String>,
    /// A variable of the team's template; may be given more than once.
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// The model's name; default: the folder's.
    #[arg(long)]
    pub name: Option<String>,
    /// Who answers for the model, such as a team's name.
    #[arg(long)]
    pub owner: Option<String>,
    /// Your own training data, used where it is.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Your own test data.
    #[arg(long, value_name = "FILE", requires = "data")]
    pub test: Option<PathBuf>,
    /// The data's format where its name doesn't say it: csv, parquet, jsonl, arrow or svmlight.
    #[arg(long, requires = "data")]
    pub format: Option<String>,
    /// Copy the data into the project.
    #[arg(long, requires = "data")]
    pub copy: bool,
    /// The column to predict.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub target: Option<String>,
    /// Columns that name a row.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "data")]
    pub id: Vec<String>,
    /// Forecasting: the column of times.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub time: Option<String>,
    /// Forecasting: the columns that name a series.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "data")]
    pub series: Vec<String>,
    /// Forecasting: how many steps ahead.
    #[arg(long, value_name = "STEPS", requires = "data")]
    pub horizon: Option<usize>,
    /// Forecasting: steps in one season.
    #[arg(long, value_name = "STEPS", requires = "data")]
    pub season: Option<usize>,
    /// Forecasting: one row a series and time, or one column a series.
    #[arg(long, requires = "data", value_parser = ["long", "wide"])]
    pub layout: Option<String>,
    /// Ranking: the column that groups rows into one query's candidates.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    pub query: Option<String>,
    /// Make no git repository.
    #[arg(long)]
    pub no_git: bool,
    /// Show what would be written.
    #[arg(long)]
    pub dry_run: bool,
}
