//! The room as a whole, on tables small enough for an unoptimised build.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::settings::CategorySettings;
use super::*;

fn stream(round: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    random.set_stream(round as u64);
    random
}

/// Train for some rounds, all from the start.
fn fit<'a>(
    settings: &Settings,
    columns: &[Column<'_>],
    objective: impl Objective + 'a,
    rounds: usize,
) -> Model {
    let objective = Box::new(objective);
    let mut booster = Booster::new(settings.clone(), columns, objective, &mut stream(0)).unwrap();
    for round in 1..=rounds {
        booster.step(&mut stream(round));
    }
    booster.model().clone()
}

/// Numbers in [0, 1), the same in every run.
fn uniform(count: usize, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| f64::from(random.next_u32()) / 2_f64.powi(32)).collect()
}

fn small() -> Settings {
    Settings { min_rows_per_leaf: 5, leaves: 8, ..Settings::default() }
}

/// A table of every kind of column, and what is to be learned of it.
struct Sample {
    wide: Vec<f64>,
    holed: Vec<f64>,
    counts: Vec<f64>,
    codes: Vec<u32>,
    labels: Vec<f64>,
    classes: Vec<u32>,
}

impl Sample {
    fn new(rows: usize) -> Self {
        let wide = uniform(rows, 1);
        let mut holed = uniform(rows, 2);
        holed.iter_mut().step_by(5).for_each(|value| *value = f64::NAN);
        let counts: Vec<f64> = uniform(rows, 3).iter().map(|x| (x * 6.0 - 3.0).trunc()).collect();
        let mut codes: Vec<u32> = uniform(rows, 4).iter().map(|x| (x * 9.0) as u32).collect();
        codes.iter_mut().step_by(11).for_each(|code| *code = MISSING);
        let noise = uniform(rows, 5);
        let score = |row: usize| {
            let hole = if holed[row].is_nan() { 0.4 } else { holed[row] * 0.5 };
            wide[row]
                + hole
                + counts[row] * 0.2
                + f64::from(codes[row] % 3) * 0.3
                + noise[row] * 0.3
        };
        let labels = (0..rows).map(|row| f64::from(u8::from(score(row) > 1.1))).collect();
        let classes = (0..rows).map(|row| (score(row).clamp(0.2, 2.0) / 0.7) as u32).collect();
        Self { wide, holed, counts, codes, labels, classes }
    }

    fn columns(&self) -> [Column<'_>; 4] {
        [
            Column::Numbers(&self.wide),
            Column::Numbers(&self.holed),
            Column::Numbers(&self.counts),
            Column::Codes(&self.codes),
        ]
    }
}

#[test]
fn a_tree_finds_what_only_two_features_together_tell() {
    let rows = 400;
    let (a, b) = (uniform(rows, 1), uniform(rows, 2));
    let targets: Vec<f64> =
        (0..rows).map(|row| f64::from(u8::from((a[row] > 0.6) != (b[row] > 0.5)))).collect();
    let columns = [Column::Numbers(&a), Column::Numbers(&b)];
    let settings = Settings { learning_rate: 1.0, ..small() };
    let model = fit(&settings, &columns, Squared::new(&targets).unwrap(), 2);
    let answers = model.predict(&columns).unwrap();
    let wrong = answers.iter().zip(&targets).filter(|(a, t)| (**a - **t).abs() > 0.5).count();
    assert!(wrong <= rows / 50, "{wrong} of {rows} wrong");
    for feature in 0..columns.len() as u32 {
        let mut nodes = model.trees.iter().flat_map(|tree| &tree.nodes);
        assert!(nodes.any(|node| node.feature == feature && node.gain > 0.0), "{feature} splits");
    }
}

#[test]
fn what_is_missing_is_told_apart() {
    let values: Vec<f64> =
        (0..90).map(|row| if row % 3 == 0 { f64::NAN } else { f64::from(row) }).collect();
    let targets: Vec<f64> =
        values.iter().map(|value| if value.is_nan() { 5.0 } else { 1.0 }).collect();
    let columns = [Column::Numbers(&values)];
    let settings = Settings { learning_rate: 1.0, ..small() };
    let model = fit(&settings, &columns, Squared::new(&targets).unwrap(), 1);
    let answers = model.predict(&[Column::Numbers(&[f64::NAN, 1.0, 1e9])]).unwrap();
    assert!((answers[0] - 5.0).abs() < 1e-6 && (answers[1] - 1.0).abs() < 1e-6);
    assert_eq!(answers[1], answers[2]);
}

#[test]
fn categories_are_told_apart_and_new_ones_go_with_the_missing() {
    let mut codes: Vec<u32> = (0..600).map(|row| row % 12).collect();
    codes.iter_mut().step_by(13).for_each(|code| *code = MISSING);
    let high = |code: u32| code == MISSING || [1, 4, 5, 9].contains(&code);
    let targets: Vec<f64> = codes.iter().map(|&code| f64::from(u8::from(high(code)))).collect();
    let settings = Settings {
        learning_rate: 1.0,
        categories: CategorySettings { min_rows_per_group: 10, ..CategorySettings::default() },
        ..small()
    };
    let model = fit(&settings, &[Column::Codes(&codes)], Squared::new(&targets).unwrap(), 3);
    let asked: Vec<u32> = (0..12).chain([MISSING, 77]).collect();
    let answers = model.predict(&[Column::Codes(&asked)]).unwrap();
    for (&code, &answer) in asked.iter().zip(&answers) {
        assert_eq!(answer > 0.5, high(code) || code == 77, "{code}: {answer}");
    }
    assert_eq!(answers[12], answers[13]);
}

#[test]
fn the_bytes_are_the_same_on_any_number_of_threads() {
    let sample = Sample::new(600);
    let settings = Settings { row_fraction: 0.7, feature_fraction: 0.6, ..small() };
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let columns = sample.columns();
            let binary = fit(&settings, &columns, Binary::new(&sample.labels).unwrap(), 3);
            let classes = Softmax::new(&sample.classes, 3).unwrap();
            let several = fit(&settings, &columns, classes, 2);
            let ranked = LambdaRank::new(&sample.labels, &[20; 30]).unwrap();
            let ranked = fit(&settings, &columns, ranked, 2);
            [binary, several, ranked].map(|model| model.to_flat())
        })
    };
    let one = train(1);
    assert_eq!(one, train(2));
    assert_eq!(one, train(5));
}

#[test]
fn a_resumed_run_ends_where_the_uninterrupted_one_does() {
    let sample = Sample::new(300);
    let columns = sample.columns();
    let settings = Settings { row_fraction: 0.8, ..small() };
    let classes = || Box::new(Softmax::new(&sample.classes, 3).unwrap());
    let whole = fit(&settings, &columns, *classes(), 5);

    let saved = fit(&settings, &columns, *classes(), 2).to_flat();
    let saved = Model::from_flat(&saved).unwrap();
    let mut booster = Booster::resume(settings.clone(), &columns, classes(), saved).unwrap();
    booster.watch(&columns, classes()).unwrap();
    for round in 3..=5 {
        let done = booster.step(&mut stream(round));
        assert_eq!((done.rounds, done.has_grown), (round, true));
        assert_eq!(done.watched_loss, Some(booster.loss()), "the watched rows are the trained");
    }
    assert_eq!(*booster.model(), whole);
    assert_eq!(booster.model().to_flat(), whole.to_flat());

    let squared = Box::new(Squared::new(&sample.labels).unwrap());
    assert!(Booster::resume(settings, &columns, squared, whole).is_err());
}

#[test]
fn the_loss_falls_and_the_watched_one_tells_when_to_stop() {
    let sample = Sample::new(500);
    let all = sample.columns();
    let (columns, held_out) =
        (all.map(|column| column.slice(0, 250)), all.map(|column| column.slice(250, 500)));
    let objective = |from: usize| Box::new(Binary::new(&sample.labels[from..from + 250]).unwrap());
    let settings = Settings { learning_rate: 0.5, ..small() };
    let mut booster = Booster::new(settings, &columns, objective(0), &mut stream(0)).unwrap();
    booster.watch(&held_out, objective(250)).unwrap();
    let (mut before, mut losses) = (booster.loss(), Vec::new());
    for round in 1..=25 {
        losses.push(booster.step(&mut stream(round)).watched_loss.unwrap());
        assert!(booster.loss() < before);
        before = booster.loss();
    }
    let (best, least) =
        losses.iter().enumerate().min_by(|one, other| one.1.total_cmp(other.1)).unwrap();
    assert!(*least < losses[0] && best + 1 < 25, "{losses:?}");

    // The model of that round has that loss.
    let mut model = booster.model().clone();
    model.truncate(best + 1);
    let scores = model.scores(&held_out).unwrap();
    assert!((objective(250).loss(&scores) - least).abs() < 1e-12);
}

#[test]
fn chances_are_chances() {
    let sample = Sample::new(300);
    let columns = sample.columns();
    let settings = Settings { learning_rate: 0.5, ..small() };
    let several = fit(&settings, &columns, Softmax::new(&sample.classes, 3).unwrap(), 4);
    let chances = several.predict(&columns).unwrap();
    assert_eq!(chances.len(), 900);
    assert!(chances.chunks(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    let right = chances
        .chunks(3)
        .zip(&sample.classes)
        .filter(|(row, class)| row.iter().all(|chance| *chance <= row[**class as usize]));
    assert!(right.count() > 240);
    let two = fit(&small(), &columns, Binary::new(&sample.labels).unwrap(), 3);
    assert!(two.predict(&columns).unwrap().iter().all(|chance| (0.0..=1.0).contains(chance)));
}

#[test]
fn a_median_is_not_moved_by_outliers() {
    let values = uniform(200, 1);
    let targets: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(row, &value)| if row % 10 == 0 { 1e6 } else { f64::from(u8::from(value > 0.5)) })
        .collect();
    let columns = [Column::Numbers(&values)];
    let settings = Settings { learning_rate: 1.0, ..small() };
    let model = fit(&settings, &columns, Quantile::new(&targets, 0.5).unwrap(), 3);
    let answers = model.predict(&[Column::Numbers(&[0.2, 0.8])]).unwrap();
    assert_eq!(answers, [0.0, 1.0]);
}

#[test]
fn a_query_is_put_in_order() {
    let values = uniform(200, 1);
    let grades: Vec<f64> = values.iter().map(|value| (value * 4.0).floor()).collect();
    let columns = [Column::Numbers(&values)];
    let rank = LambdaRank::new(&grades, &[20; 10]).unwrap();
    let model = fit(&small(), &columns, rank, 10);
    let scores = model.predict(&columns).unwrap();
    let rank = LambdaRank::new(&grades, &[20; 10]).unwrap();
    assert!(rank.loss(&scores) < 0.01, "{}", rank.loss(&scores));
}

#[test]
fn what_tells_nothing_gives_the_same_answer_for_all() {
    let targets = [0.0, 1.0, 1.0, 1.0];
    let share = |columns: &[Column<'_>], targets: &[f64]| {
        let model = fit(&small(), columns, Binary::new(targets).unwrap(), 2);
        let answers = model.predict(columns).unwrap();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        answers[0]
    };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(near(share(&[Column::Numbers(&[3.0; 4])], &targets), 0.75), "constant");
    assert!(near(share(&[Column::Numbers(&[f64::NAN; 4])], &targets), 0.75), "all missing");
    assert!(near(share(&[Column::Codes(&[MISSING; 4])], &targets), 0.75), "all missing");
    assert!(near(share(&[Column::Codes(&[0, 1, 2, 3])], &targets), 0.75), "ids");
    assert!(share(&[Column::Numbers(&[3.0])], &[1.0]) > 0.999, "one row");
    let values = uniform(100, 1);
    assert!(share(&[Column::Numbers(&values)], &[0.0; 100]) < 0.001, "one class");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let objective = || Box::new(Squared::new(&[1.0, 2.0]).unwrap());
    let new = |settings: Settings, columns: &[Column<'_>]| {
        Booster::new(settings, columns, objective(), &mut stream(0))
            .map(|booster| booster.model().clone())
    };
    let (two, three) = (Column::Numbers(&[1.0, 2.0]), Column::Numbers(&[1.0, 2.0, 3.0]));
    assert!(new(small(), &[]).is_err(), "no columns");
    assert!(new(small(), &[two, three]).is_err(), "columns of different lengths");
    assert!(new(small(), &[three]).is_err(), "targets of another length");
    assert!(new(Settings { leaves: 1, ..small() }, &[two]).is_err(), "settings");
    let model = new(small(), &[two]).unwrap();
    assert!(model.predict(&[two, two]).is_err(), "more columns than features");
    assert!(model.predict(&[Column::Codes(&[1])]).is_err(), "a column of another kind");
    assert!(model.predict(&[Column::Numbers(&[])]).unwrap().is_empty());
}

#[test]
fn a_written_model_is_read_back_and_a_broken_one_refused() {
    let sample = Sample::new(300);
    let columns = sample.columns();
    let model = fit(&small(), &columns, Binary::new(&sample.labels).unwrap(), 3);
    let flat = model.to_flat();
    let read = Model::from_flat(&flat).unwrap();
    assert_eq!(read, model);
    assert_eq!(read.predict(&columns).unwrap(), model.predict(&columns).unwrap());
    let several = fit(&small(), &columns, Softmax::new(&sample.classes, 3).unwrap(), 3);
    assert_eq!(Model::from_flat(&several.to_flat()), Ok(several));

    let mut fewer = flat.clone();
    fewer.categorical.truncate(1);
    fewer.bin_counts.truncate(1);
    fewer.edges.truncate(fewer.bin_counts[0] as usize);
    fewer.codes.clear();
    assert!(Model::from_flat(&fewer).is_err());
    let other = Flat { link: vec![2], ..flat.clone() };
    assert!(Model::from_flat(&other).is_err());
    let mut unordered = flat;
    unordered.edges.swap(0, 1);
    assert!(Model::from_flat(&unordered).is_err());
}
