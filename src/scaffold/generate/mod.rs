//! The data sets of the built-in templates: made here from a fixed seed, so that a new project
//! trains as it stands and no one else's data is passed on.
//!
//! Each has what real data has: signal that a straight line misses, noise, missing values,
//! categories, and classes or seasons that are not in balance. The same template gives the
//! same file everywhere, so two people who follow one tutorial see one number.

mod churn;
mod sales;
mod search;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::data::Task;

/// A generated file, and what to say about it.
#[derive(Clone, Debug)]
pub(crate) struct Generated {
    /// Inside the project.
    pub path: &'static str,
    pub content: String,
    pub rows: usize,
}

/// The example data of a task.
pub(crate) fn example(task: Task) -> Generated {
    let (path, content) = match task {
        Task::Classification => ("data/customers.csv", churn::table(SEED)),
        Task::Forecasting => ("data/sales.csv", sales::table(SEED)),
        Task::Ranking => ("data/searches.csv", search::table(SEED)),
    };
    let rows = content.lines().count() - 1;
    Generated { path, content, rows }
}

/// Part of what a template is: another seed is another data set with other numbers.
const SEED: u64 = 2024;

fn normal(random: &mut impl Rng) -> f64 {
    StandardNormal.sample(random)
}

/// One of `choices`, each as often as its weight says.
fn pick<'a>(random: &mut impl Rng, choices: &[(&'a str, f64)]) -> &'a str {
    let total: f64 = choices.iter().map(|(_, weight)| weight).sum();
    let mut left = random.random_range(0.0..total);
    for (choice, weight) in choices {
        left -= weight;
        if left < 0.0 {
            return choice;
        }
    }
    choices.last().expect("there is something to choose from").0
}

/// How often something of this mean rate happened (Knuth's Poisson; fine for small rates).
fn count(random: &mut impl Rng, rate: f64) -> u32 {
    let limit = (-rate).exp();
    let mut product = random.random::<f64>();
    let mut events = 0;
    while product > limit {
        product *= random.random::<f64>();
        events += 1;
    }
    events
}

/// The cell's text, or an empty cell with this probability.
fn or_missing(random: &mut impl Rng, probability: f64, text: String) -> String {
    if random.random_bool(probability) { String::new() } else { text }
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column<'a>(content: &'a str, name: &str) -> Vec<&'a str> {
        let mut lines = content.lines();
        let header = lines.next().unwrap();
        let at = header.split(',').position(|title| title == name).unwrap();
        lines.map(|line| line.split(',').nth(at).unwrap()).collect()
    }

    fn share(values: &[&str], wanted: impl Fn(&str) -> bool) -> f64 {
        values.iter().filter(|value| wanted(value)).count() as f64 / values.len() as f64
    }

    #[test]
    fn the_same_template_gives_the_same_file() {
        for task in [Task::Classification, Task::Forecasting, Task::Ranking] {
            assert_eq!(example(task).content, example(task).content);
        }
    }

    #[test]
    fn every_row_has_every_column() {
        for task in [Task::Classification, Task::Forecasting, Task::Ranking] {
            let content = example(task).content;
            let width = content.lines().next().unwrap().split(',').count();
            assert!(content.lines().all(|line| line.split(',').count() == width), "{task:?}");
        }
    }

    #[test]
    fn customers_are_unbalanced_and_have_missing_cells() {
        let content = example(Task::Classification).content;
        let churned = share(&column(&content, "churned"), |value| value == "yes");
        assert!((0.13..0.17).contains(&churned), "{churned}");
        let no_age = share(&column(&content, "age"), str::is_empty);
        assert!((0.05..0.11).contains(&no_age), "{no_age}");
    }

    #[test]
    fn sales_have_gaps_and_a_short_series() {
        let content = example(Task::Forecasting).content;
        let (stores, items) = (column(&content, "store"), column(&content, "item"));
        let mut lengths = std::collections::BTreeMap::<_, usize>::new();
        for key in stores.iter().zip(&items) {
            *lengths.entry(key).or_default() += 1;
        }
        assert_eq!(lengths.len(), 12);
        assert_eq!(lengths.values().filter(|length| **length < 100).count(), 1, "{lengths:?}");
        assert!(lengths.values().filter(|length| **length < 400).count() > 6, "{lengths:?}");
        assert!(share(&column(&content, "sales"), str::is_empty) > 0.0);
    }

    #[test]
    fn every_grade_of_relevance_is_there_and_most_are_zero() {
        let content = example(Task::Ranking).content;
        let grades = column(&content, "grade");
        assert!(share(&grades, |grade| grade == "0") > 0.4);
        for grade in ["1", "2", "3", "4"] {
            assert!(share(&grades, |value| value == grade) > 0.02, "{grade}");
        }
        let queries: std::collections::BTreeSet<_> =
            column(&content, "query_id").into_iter().collect();
        assert_eq!(queries.len(), 150);
    }
}
