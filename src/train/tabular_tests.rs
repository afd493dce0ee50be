//! Tabular learners through the real loop: on small tables that tests make, and on the sets with known figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use rand::Rng;

use super::course::walk::WalkEnd;
use super::course::{self, Finished, Limits, Ready, Situation, Walk};
use crate::data::{
    Column, ColumnKind, DataSettings, Dataset, LoadRequest, Means, Table, Task, Values, load,
};
use crate::metrics::{accuracy, auc, log_loss, ndcg, ranked_queries, top_classes};
use crate::model::{Example, Model, ModelSettings};
use crate::sys::random::{Purpose, stream};
use crate::sys::signals::Interrupt;

/// A project's course, carried out from its first step to its model.
fn trained(
    task: Task,
    dataset: &Dataset,
    data: &DataSettings,
    model: &str,
    seed: u64,
    max_epochs: usize,
) -> Finished {
    let model: ModelSettings = toml::from_str(model).unwrap();
    let course = course::plan(task, &model, seed, &Situation { dataset, data }).unwrap();
    let limits = Limits { max_epochs, patience: 16, ..Limits::default() };
    let folder = tempfile::tempdir().unwrap();
    let walk = Walk {
        course: &course,
        dataset,
        data,
        device: &Device::Cpu,
        limits: &limits,
        folder: folder.path(),
        interrupt: &Interrupt::default(),
        report: &mut |_| {},
    };
    let first = Ready::new(&course, dataset, data, &Device::Cpu, &limits, None).unwrap();
    match walk.run(first).unwrap().end {
        WalkEnd::Finished(finished) => *finished,
        WalkEnd::Interrupted { .. } => panic!("nobody interrupts"),
    }
}

const MLP: &str = "kind = 'mlp'";

fn stored_and_read(model: &Model) -> Model {
    let spec = serde_json::to_string(&model.spec()).unwrap();
    let spec = serde_json::from_str(&spec).unwrap();
    Model::from_parts(spec, model.weights().clone(), &Device::Cpu).unwrap()
}

fn names(values: impl IntoIterator<Item = Option<String>>) -> Values {
    Values::Texts(values.into_iter().collect())
}

fn column(name: &str, kind: ColumnKind, values: Values) -> Column {
    Column { name: name.into(), kind, values }
}

/// Numbers with gaps, a column of nothing, a constant, names with gaps and times.
fn table(rows: usize, classes: usize, seed: u64) -> Table {
    let mut random = stream(seed, Purpose::Sample, 0);
    let signal: Vec<f64> = (0..rows).map(|_| random.random::<f64>()).collect();
    let label = |at: usize| (signal[at] * classes as f64) as usize;
    let columns = vec![
        column(
            "signal",
            ColumnKind::Numeric,
            Values::Numbers(
                signal.iter().map(|v| if *v > 0.97 { f64::NAN } else { v * 1e12 }).collect(),
            ),
        ),
        column("empty", ColumnKind::Numeric, Values::Numbers(vec![f64::NAN; rows])),
        column("constant", ColumnKind::Numeric, Values::Numbers(vec![1.0; rows])),
        column(
            "name",
            ColumnKind::Categorical,
            names((0..rows).map(|at| (at % 7 != 0).then(|| format!("n{}", label(at) + at % 3)))),
        ),
        column(
            "when",
            ColumnKind::Timestamp,
            Values::Times((0..rows).map(|at| at as i64 * 3_600_000_000).collect()),
        ),
        column("query", ColumnKind::Id, names((0..rows).map(|at| Some(format!("q{}", at / 8))))),
        column(
            "grade",
            ColumnKind::Ignore,
            Values::Numbers((0..rows).map(|at| label(at) as f64).collect()),
        ),
        column(
            "class",
            ColumnKind::Categorical,
            names((0..rows).map(|at| Some(format!("c{}", label(at))))),
        ),
    ];
    Table { columns, rows, ..Table::default() }
}

fn dataset(classes: usize) -> Dataset {
    Dataset {
        train: table(400, classes, 1),
        valid: table(80, classes, 2),
        test: table(160, classes, 3),
        stream: None,
        sources: vec![],
        notices: vec![],
    }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_classifier_learns_the_same_twice_and_survives_storage() {
    for classes in [2, 3] {
        let dataset = dataset(classes);
        let settings = DataSettings { target: "class".into(), ..DataSettings::default() };
        let train = || trained(Task::Classification, &dataset, &settings, MLP, 7, 6).model;
        let (first, second) = (train(), train());
        let predict = |model: &Model, table: &Table| {
            let Model::Classification(model) = model else { unreachable!() };
            model.predict(table).unwrap().values
        };
        let answer = predict(&first, &dataset.test);
        assert_eq!(bits(&answer), bits(&predict(&second, &dataset.test)));
        assert_eq!(bits(&answer), bits(&predict(&stored_and_read(&first), &dataset.test)));

        let Model::Classification(model) = &first else { unreachable!() };
        let labels = model.labels(&dataset.test).unwrap();
        assert!(accuracy(&labels, &top_classes(&answer, classes)).unwrap() > 0.8);
        let baselines = model.baselines(&dataset.test).unwrap();
        let loss = log_loss(&labels, &answer, classes).unwrap();
        assert!(loss < log_loss(&labels, &baselines[0].1.values, classes).unwrap());
        assert_eq!(baselines[1].0, "logistic_regression");

        // Scored row by row or all at once, rows that training never saw the like of.
        let mut strange = dataset.test.take(&[0, 1]);
        strange.columns[0].values = Values::Numbers(vec![1e300, f64::NEG_INFINITY]);
        strange.columns[3].values = names([Some("new".into()), None]);
        strange.columns[4].values = Values::Times(vec![i64::MIN, i64::MAX]);
        assert!(predict(&first, &strange).iter().all(|value| value.is_finite()));

        strange.columns[0].name = "signals".into();
        let error = model.predict(&strange).unwrap_err();
        assert!(error.message().contains("needs column `signal`"), "{error}");
        assert!(error.hint_text().unwrap().contains("did you mean `signals`"));
    }
}

#[test]
fn a_ranker_learns_the_same_twice_and_survives_storage() {
    let dataset = dataset(4);
    let settings = DataSettings {
        target: "grade".into(),
        query: Some("query".into()),
        ..DataSettings::default()
    };
    for (told, epochs) in [
        ("kind = 'mlp'", 6),
        ("kind = 'mlp'\nloss = 'softmax'", 6),
        ("kind = 'mlp'\nloss = 'ndcgloss2++'", 6),
        ("kind = 'mlp'\nloss = 'approxndcg'", 6),
        ("kind = 'attention'\nwidth = 16\nhidden = [32]", 12),
        ("kind = 'trees'\nmin_rows_per_leaf = 5", 3),
        ("kind = 'linear'", 12),
    ] {
        let train = || trained(Task::Ranking, &dataset, &settings, told, 7, epochs).model;
        let (first, second) = (train(), train());
        let score = |model: &Model| {
            let Model::Ranking(model) = model else { unreachable!() };
            model.score(&dataset.test).unwrap()
        };
        let answer = score(&first);
        assert_eq!(bits(&answer), bits(&score(&second)), "{told}");
        assert_eq!(bits(&answer), bits(&score(&stored_and_read(&first))), "{told}");
        let Model::Ranking(model) = &first else { unreachable!() };
        let queries = model.queries(&dataset.test).unwrap();
        let relevance = model.relevance(&dataset.test).unwrap();
        let value = |scores: &[f64]| {
            ndcg(&ranked_queries(&relevance, scores, &queries).unwrap(), 5).unwrap()
        };
        let found = value(&answer);
        assert!(found > 0.8, "{told}: {found}");
        let baselines = model.baselines(&dataset.test).unwrap();
        assert_eq!(baselines[0].0, "best_feature");
    }
}

/// `auto` says what it is made of and what it is compared with, and is the same model twice.
#[test]
fn a_blend_of_rankers_says_what_it_is_made_of() {
    let dataset = dataset(4);
    let settings = DataSettings {
        target: "grade".into(),
        query: Some("query".into()),
        ..DataSettings::default()
    };
    let told = "folds = 1\n[trees]\nmin_rows_per_leaf = 5";
    let train = || trained(Task::Ranking, &dataset, &settings, told, 7, 6);
    let (first, second) = (train(), train());
    let choice = first.choice.as_ref().unwrap();
    assert_eq!(Some(choice), second.choice.as_ref());
    let parts: Vec<&str> = choice.members.iter().map(|member| member.part.as_str()).collect();
    assert_eq!(parts, ["trees", "mlp"]);
    let weights: f64 = choice.members.iter().map(|member| member.weight).sum();
    assert!((weights - 1.0).abs() < 1e-12);
    assert_eq!(choice.baselines[0].0, "best_feature");
    assert!(first.warning.is_none() && choice.lost_to().is_none(), "{:?}", first.warning);

    let score = |model: &Model| {
        let Model::Ranking(model) = model else { unreachable!() };
        model.score(&dataset.test).unwrap()
    };
    let answer = score(&first.model);
    assert_eq!(bits(&answer), bits(&score(&second.model)));
    assert_eq!(bits(&answer), bits(&score(&stored_and_read(&first.model))));
    // Row by row as all at once: a score is a function of its row.
    let Model::Ranking(model) = &first.model else { unreachable!() };
    assert_eq!(model.spec.kind, "auto");
    let alone = model.score(&dataset.test.take(&[9])).unwrap();
    assert_eq!(bits(&alone), bits(&answer[9..10]));
}

/// Every query validates once, and the models of all folds are one member of the blend.
#[test]
fn rankers_of_all_folds_answer_together() {
    let mut all = table(480, 4, 1);
    all.origin.picked = Some((0..480).collect());
    let rows: Vec<usize> = (0..480).collect();
    let dataset =
        Dataset { train: all.take(&rows[..400]), valid: all.take(&rows[400..]), ..dataset(4) };
    let settings = DataSettings {
        target: "grade".into(),
        query: Some("query".into()),
        ..DataSettings::default()
    };
    let told = "[trees]\nmin_rows_per_leaf = 5\n[mlp]\nmembers = 2";
    let train = || trained(Task::Ranking, &dataset, &settings, told, 7, 4);
    let (first, second) = (train(), train());
    let choice = first.choice.as_ref().unwrap();
    assert_eq!(Some(choice), second.choice.as_ref());
    let parts: Vec<&str> = choice.members.iter().map(|member| member.part.as_str()).collect();
    assert_eq!(parts, ["trees", "mlp"]);
    assert!(first.warning.is_none() && choice.value > choice.baselines[0].1);
    let (Model::Ranking(model), Model::Ranking(other)) = (&first.model, &second.model) else {
        unreachable!()
    };
    let taken = choice.members.iter().filter(|member| member.weight > 0.0).count();
    assert_eq!(model.spec.members.len(), 5 * taken);
    let scores = model.score(&dataset.test).unwrap();
    assert_eq!(bits(&scores), bits(&other.score(&dataset.test).unwrap()));
    let queries = model.queries(&dataset.test).unwrap();
    let relevance = model.relevance(&dataset.test).unwrap();
    let value = ndcg(&ranked_queries(&relevance, &scores, &queries).unwrap(), 5).unwrap();
    assert!(value > 0.8, "{value}");
}

/// A listwise model scores whole queries, wherever their rows stand, and says so of those that are too long.
#[test]
fn attention_looks_at_whole_queries_in_any_order() {
    let dataset = dataset(4);
    let settings = DataSettings {
        target: "grade".into(),
        query: Some("query".into()),
        ..DataSettings::default()
    };
    let told = "kind = 'attention'\nwidth = 16\nhidden = [32]";
    let model = trained(Task::Ranking, &dataset, &settings, told, 7, 3).model;
    let Model::Ranking(ranker) = &model else { unreachable!() };
    let score = |rows: &[usize]| ranker.score(&dataset.test.take(rows)).unwrap();
    let all: Vec<usize> = (0..160).collect();
    let own = score(&all);
    // Scattered over the table, and within a query the other way round.
    let scattered: Vec<usize> = (0..8).rev().flat_map(|at| (at..160).step_by(8)).collect();
    for (row, score) in scattered.iter().zip(score(&scattered)) {
        assert!((score - own[*row]).abs() < 1e-5 * (1.0 + own[*row].abs()), "{row}");
    }
    // One query alone has the bits that it has among all; a row alone has not.
    assert_eq!(bits(&score(&all[16..24])), bits(&own[16..24]));
    assert_ne!(bits(&score(&all[16..17])), bits(&own[16..17]));

    let other = trained(Task::Ranking, &dataset, &settings, told, 8, 3).model;
    let lines = example(&model, &dataset.train, &other);
    assert_eq!(lines.len(), 2 + 8, "a whole query");

    let mut long = dataset.test.take(&vec![0; 5000]);
    long.origin = crate::data::table::Origin::default();
    let error = ranker.score(&long).unwrap_err();
    assert!(error.message().contains("has 5000 rows"), "{error}");
}

#[test]
fn a_ranker_that_loses_to_one_feature_says_so() {
    // The grades of validation are the feature itself; those of training are noise in it.
    let mut dataset = dataset(4);
    let mut random = stream(9, Purpose::Sample, 0);
    for table in [&mut dataset.train, &mut dataset.valid] {
        table.columns.retain(|column| ["signal", "query", "grade"].contains(&column.name.as_str()));
    }
    let rows = dataset.valid.rows;
    dataset.valid.columns[0].values =
        Values::Numbers((0..rows).map(|row| (row % 8) as f64).collect());
    dataset.valid.columns[2].values =
        Values::Numbers((0..rows).map(|row| ((row % 8) / 2) as f64).collect());
    let rows = dataset.train.rows;
    dataset.train.columns[0].values =
        Values::Numbers((0..rows).map(|_| f64::from(random.random_range(0..8_u8))).collect());
    dataset.train.columns[2].values =
        Values::Numbers((0..rows).map(|_| f64::from(random.random_range(0..4_u8))).collect());
    let settings = DataSettings {
        target: "grade".into(),
        query: Some("query".into()),
        ..DataSettings::default()
    };
    let told = "kind = 'auto'\nfolds = 1";
    let finished = trained(Task::Ranking, &dataset, &settings, told, 7, 1);
    let choice = finished.choice.unwrap();
    // By luck the noise may have taught the right order, and then there is nothing to say.
    assert_eq!(finished.warning.is_some(), choice.value < choice.baselines[0].1);
    assert!(finished.warning.is_none_or(|warning| warning.contains("best_feature 1.0000")));
}

/// Rows of a query need not lie side by side.
#[test]
fn trees_rank_scattered_queries_as_they_do_gathered_ones() {
    let gathered = dataset(4);
    let scatter = |table: &Table| {
        let rows = table.rows;
        let order: Vec<usize> = (0..8).flat_map(|at| (at..rows).step_by(8)).collect();
        (table.take(&order), order)
    };
    let (train, _) = scatter(&gathered.train);
    let (valid, _) = scatter(&gathered.valid);
    let scattered = Dataset { train, valid, ..gathered.clone() };
    let settings = DataSettings {
        target: "grade".into(),
        query: Some("query".into()),
        ..DataSettings::default()
    };
    let told = "kind = 'trees'\nmin_rows_per_leaf = 5";
    let scores = |dataset: &Dataset| {
        let model = trained(Task::Ranking, dataset, &settings, told, 7, 2).model;
        let Model::Ranking(model) = model else { unreachable!() };
        model.score(&gathered.test).unwrap()
    };
    assert_eq!(bits(&scores(&gathered)), bits(&scores(&scattered)));
}

/// What the example of a model's training rows is, checked on the model as it is stored and on
/// another one.
fn example(model: &Model, train: &Table, other: &Model) -> Vec<String> {
    let example = Example::new(model, train).unwrap();
    assert_eq!(example, Example::new(model, train).unwrap());
    let text = String::from_utf8(example.input.clone()).unwrap();
    let rows = example.check(&stored_and_read(model)).unwrap();
    assert_eq!(text.lines().count(), rows + 2);
    let error = example.check(other).unwrap_err();
    assert!(error.message().contains("answers differ, most of all"), "{error}");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn examples_hold_what_the_model_reads_and_tell_one_model_from_another() {
    let dataset = dataset(3);
    let settings = DataSettings { target: "class".into(), ..DataSettings::default() };
    let [first, second] =
        [7, 8].map(|seed| trained(Task::Classification, &dataset, &settings, MLP, seed, 1).model);
    let lines = example(&first, &dataset.train, &second);
    // Neither the class nor the query, which the model doesn't read.
    assert_eq!(lines[0], r#"{"columns": ["signal","empty","constant","name","when"], "data": ["#);
    assert!(lines[1].contains(", null, 1, null, \"1970-01-01"), "{}", lines[1]);
    let missing = dataset.train.columns[0].values.len();
    let missing = (0..missing).find(|row| dataset.train.columns[0].values.is_missing(*row));
    assert!(
        missing.is_some_and(|row| row > 4),
        "the first missing signal is beyond the first rows"
    );
    assert!(lines[6].starts_with("[null, null, 1, "), "{}", lines[6]);

    let settings = DataSettings {
        target: "grade".into(),
        query: Some("query".into()),
        ..DataSettings::default()
    };
    let [first, second] =
        [7, 8].map(|seed| trained(Task::Ranking, &dataset, &settings, MLP, seed, 1).model);
    let lines = example(&first, &dataset.train, &second);
    assert_eq!(
        lines[0],
        r#"{"columns": ["signal","empty","constant","name","when","query","class"], "data": ["#
    );
}

fn shared(set: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("MLX_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = folder.join("data").join(set);
    folder.exists().then_some(folder)
}

fn read(task: Task, set: &str, settings: &DataSettings) -> Option<Dataset> {
    let root = shared(set)?;
    let columns = BTreeMap::new();
    Some(
        load(&LoadRequest {
            task,
            settings,
            columns: &columns,
            root: &root,
            means: &Means::default(),
        })
        .unwrap(),
    )
}

/// The figures of a known set: of the model, then of the logistic regression.
fn classified(set: &str, target: &str) -> Option<[[f64; 3]; 2]> {
    let settings = DataSettings {
        train: "train.csv.gz".into(),
        test: Some("test.csv.gz".into()),
        target: target.into(),
        ..DataSettings::default()
    };
    let dataset = read(Task::Classification, set, &settings)?;
    let model = trained(Task::Classification, &dataset, &settings, MLP, 7, 200).model;
    let Model::Classification(model) = model else { unreachable!() };
    let labels = model.labels(&dataset.test).unwrap();
    let classes = model.classes().len();
    let figures = |values: &[f64]| {
        let area = model.positive().and_then(|positive| {
            let truth: Vec<bool> = labels.iter().map(|label| *label == positive).collect();
            let scores: Vec<f64> = values.chunks_exact(classes).map(|row| row[positive]).collect();
            auc(&truth, &scores)
        });
        [
            area.unwrap_or(f64::NAN),
            accuracy(&labels, &top_classes(values, classes)).unwrap(),
            log_loss(&labels, values, classes).unwrap(),
        ]
    };
    let baselines = model.baselines(&dataset.test).unwrap();
    let own = figures(&model.predict(&dataset.test).unwrap().values);
    Some([own, figures(&baselines[1].1.values)])
}

fn check_classified(set: &str, target: &str, at: usize, least: f64) {
    let Some([own, logistic]) = classified(set, target) else {
        return skipped();
    };
    assert!(own[at] >= least, "{set}: {own:?} against {logistic:?}");
    assert!(own[2] <= logistic[2], "{set}: {own:?} against {logistic:?}");
}

fn skipped() {
    eprintln!("skipped: ../shared is not here");
}

#[test]
#[ignore = "trains for a minute; `just quality` runs it"]
fn adult() {
    check_classified("adult", "income", 0, 0.915);
}

#[test]
#[ignore = "trains for a while; `just quality` runs it"]
fn telco_churn() {
    check_classified("telco_churn", "Churn", 0, 0.845);
}

#[test]
#[ignore = "trains for a minute; `just quality` runs it"]
fn letter() {
    check_classified("letter", "letter", 1, 0.96);
}

#[test]
#[ignore = "trains for a while; `just quality` runs it"]
fn mammography() {
    check_classified("mammography", "label", 0, 0.94);
}

#[test]
#[ignore = "trains for a while; `just quality` runs it"]
fn lightgbm_rank() {
    let settings = DataSettings {
        train: "train.svm.gz".into(),
        test: Some("test.svm.gz".into()),
        target: "label".into(),
        query: Some("qid".into()),
        ..DataSettings::default()
    };
    let mut sum = 0.0;
    for seed in 1..=5 {
        let Some(dataset) = read(Task::Ranking, "lightgbm_rank", &settings) else {
            return skipped();
        };
        let model = trained(Task::Ranking, &dataset, &settings, "kind = 'auto'", seed, 200).model;
        let Model::Ranking(model) = model else { unreachable!() };
        let queries = model.queries(&dataset.test).unwrap();
        let relevance = model.relevance(&dataset.test).unwrap();
        let scores = model.score(&dataset.test).unwrap();
        sum += ndcg(&ranked_queries(&relevance, &scores, &queries).unwrap(), 5).unwrap();
    }
    assert!(sum / 5.0 >= 0.69, "{}", sum / 5.0);
}
