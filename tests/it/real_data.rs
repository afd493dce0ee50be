//! The road on real data, and our figures against those of the independent scorers.
//!
//! The data and the scorers live beside the checkout and Python may be absent: then it says so and passes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::Home;

const TOLERANCE: f64 = 1e-6;

/// The shared folder and a Python that has scikit-learn, or why not.
fn tools() -> Result<(PathBuf, PathBuf), String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("MLX_SHARED").map_or(beside, PathBuf::from);
    if !shared.join("score").is_dir() {
        return Err("../shared is not here".into());
    }
    let python = std::env::var_os("MLX_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let works = Command::new(&python).args(["-c", "import sklearn, pandas"]).output();
    if works.is_ok_and(|output| output.status.success()) {
        Ok((shared, python))
    } else {
        Err(format!("{} has no scikit-learn and pandas (set MLX_PYTHON)", python.display()))
    }
}

/// A data set on its way along the road.
struct Case {
    /// What `mlx new` is told.
    new: String,
    /// The file to predict from.
    input: String,
    /// The scorer and what it is told.
    scorer: Vec<String>,
    /// Our metrics, and the scorer's names for them.
    metrics: &'static [(&'static str, &'static str)],
}

#[expect(clippy::print_stdout, reason = "the one line that says why nothing was tested")]
/// `new`, `train`, `predict` and `eval`; then what the scorer says of the predictions.
fn compare(case: impl FnOnce(&Home, &Path) -> Case) {
    let (shared, python) = match tools() {
        Ok(tools) => tools,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let home = Home::new();
    let Case { new, input, scorer, metrics } = case(&home, &shared.join("data"));
    home.mlx(&format!("new it --no-git {new}")).ok();
    home.mlx_in("it", "train -q --device cpu --set train.max_epochs=2").ok();
    home.mlx_in("it", &format!("predict -q -i {input} -o predictions.csv")).ok();
    let ours = home.mlx_in("it", "eval --json").ok().json();

    let scored = Command::new(&python)
        .arg(shared.join("score").join(&scorer[0]))
        .args(&scorer[1..])
        .arg("--json")
        .arg("--pred")
        .arg(home.join("it/predictions.csv"))
        .output()
        .expect("the scorer starts");
    assert!(scored.status.success(), "{}", String::from_utf8_lossy(&scored.stderr));
    let theirs: Value = serde_json::from_slice(&scored.stdout).expect("the scorer's JSON");
    for (name, their_name) in metrics {
        let all = ours["metrics"].as_array().expect("metrics");
        let metric = all.iter().find(|metric| metric["name"] == *name).expect("the metric");
        let value = metric["value"].as_f64().unwrap_or_else(|| panic!("`{name}` is undefined"));
        let reference = theirs[*their_name].as_f64().expect("the scorer's value");
        assert!(
            (value - reference).abs() <= TOLERANCE,
            "`{name}` is {value}, and {reference} by the scorer"
        );
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn classification(set: &str, target: &str) {
    compare(|_, data| {
        let folder = data.join(set);
        let folder = folder.display();
        let test = format!("{folder}/test.csv.gz");
        Case {
            new: format!("--data {folder}/train.csv.gz --test {test} --target {target}"),
            scorer: words(&format!("score_classification.py --test {test} --target {target}")),
            input: test,
            metrics: &[
                ("auc", "auc"),
                ("average_precision", "average_precision"),
                ("logloss", "logloss"),
                ("accuracy", "accuracy"),
                ("balanced_accuracy", "balanced_accuracy"),
                ("macro_f1", "macro_f1"),
                ("brier", "brier"),
                ("ece", "ece15"),
            ],
        }
    });
}

#[test]
fn telco_churn() {
    classification("telco_churn", "Churn");
}

#[test]
fn mammography() {
    classification("mammography", "label");
}

#[test]
fn lightgbm_rank() {
    compare(|_, data| {
        let folder = data.join("lightgbm_rank");
        let folder = folder.display();
        let test = format!("{folder}/test.svm.gz");
        Case {
            new: format!("--data {folder}/train.svm.gz --test {test} --target label --query qid"),
            scorer: words(&format!("score_ranking.py --test {test}")),
            input: test,
            metrics: &[
                ("ndcg@1", "ndcg@1"),
                ("ndcg@3", "ndcg@3"),
                ("ndcg@5", "ndcg@5"),
                ("ndcg@10", "ndcg@10"),
                ("map", "map"),
                ("mrr", "mrr@10"),
            ],
        }
    });
}

/// The last two years held out, in the columns that the scorer knows.
#[test]
fn airline_passengers() {
    compare(|home, data| {
        let file = data.join("airline_passengers/airline-passengers.csv.gz");
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(file).expect("the data"))
            .read_to_string(&mut text)
            .expect("CSV");
        let rows: Vec<String> =
            text.lines().skip(1).map(|row| format!("air,{}\n", row.replace('"', ""))).collect();
        let (train, test) = rows.split_at(rows.len() - 24);
        home.write("train.csv", format!("unique_id,ds,y\n{}", train.concat()));
        home.write("test.csv", format!("unique_id,ds,y\n{}", test.concat()));
        let folder = home.path().display();
        Case {
            new: format!(
                "--data {folder}/train.csv --test {folder}/test.csv --target y --time ds --series unique_id --horizon 24 --season 12"
            ),
            input: format!("{folder}/train.csv"),
            scorer: words(&format!(
                "score_forecast.py --test {folder}/test.csv --train {folder}/train.csv --season 12"
            )),
            metrics: &[
                ("mae", "mae"),
                ("rmse", "rmse"),
                ("smape", "smape"),
                ("mase", "mase"),
                ("wql", "wql"),
                ("coverage_80", "coverage_80"),
            ],
        }
    });
}
