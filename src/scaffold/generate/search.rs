//! Searches in an imagined shop: for each query some products, graded by how well they fit.
//!
//! No feature decides alone. A precise query (many words) wants the right text, a vague one
//! wants what is popular; a price far from the usual is bad in either direction; a good
//! rating counts only with enough reviews behind it.

use std::fmt::Write as _;

use rand::Rng;

use super::{normal, or_missing, pick};
use crate::sys::random::{self, Purpose};

const QUERIES: usize = 150;
/// The shares of the grades 0 to 3; the rest is 4.
const GRADES: [f64; 4] = [0.50, 0.22, 0.15, 0.08];

struct Shown {
    cells: String,
    utility: f64,
}

pub(super) fn table(seed: u64) -> String {
    let random = &mut random::stream(seed, Purpose::Scaffold, 0);
    let shown: Vec<_> = (0..QUERIES).flat_map(|number| query(random, number)).collect();

    // Grades cut the utilities of all products at the wanted shares.
    let mut ordered: Vec<_> = shown.iter().map(|product| product.utility).collect();
    ordered.sort_by(f64::total_cmp);
    let mut share = 0.0;
    let cuts = GRADES.map(|of_grade| {
        share += of_grade;
        ordered[((share * ordered.len() as f64) as usize).min(ordered.len() - 1)]
    });

    let mut text = String::from(
        "query_id,product_id,query_words,category,brand,text_match,title_match,price_ratio,rating,reviews,days_listed,shipping,in_stock,grade\n",
    );
    for product in shown {
        let grade = cuts.iter().filter(|cut| product.utility >= **cut).count();
        let _ = writeln!(text, "{},{grade}", product.cells);
    }
    text
}

fn query(random: &mut impl Rng, number: usize) -> Vec<Shown> {
    let words = random.random_range(1..=7);
    let precise = f64::from(words - 1) / 6.0;
    let category = pick(
        random,
        &[("home", 3.0), ("garden", 2.0), ("sport", 2.0), ("books", 1.5), ("toys", 1.0)],
    );
    // Some queries are easier to please than others.
    let mood = 0.25 * normal(random);
    let products = random.random_range(8..=22);
    (0..products).map(|_| product(random, number, words, precise, category, mood)).collect()
}

fn product(
    random: &mut impl Rng,
    number: usize,
    words: i32,
    precise: f64,
    category: &str,
    mood: f64,
) -> Shown {
    let brand = pick(
        random,
        &[
            ("acorn", 3.0),
            ("birch", 2.5),
            ("cedar", 2.0),
            ("dune", 1.5),
            ("ember", 1.2),
            ("fjord", 1.0),
            ("grove", 0.8),
            ("heath", 0.5),
        ],
    );
    let text_match = (0.45 + 0.28 * normal(random)).clamp(0.0, 1.0);
    let title_match = (0.6 * text_match + 0.2 + 0.22 * normal(random)).clamp(0.0, 1.0);
    let price_ratio = (0.45 * normal(random)).exp();
    let reviews = (3.0 + 1.8 * normal(random)).exp().min(20000.0).floor();
    let rating = (4.0 + 0.6 * normal(random)).clamp(1.0, 5.0);
    let days_listed = (4.5 + 1.2 * normal(random)).exp().min(3000.0).ceil();
    let shipping = pick(random, &[("free", 0.4), ("standard", 0.45), ("slow", 0.15)]);
    let in_stock = random.random_bool(0.85);

    let popularity = (reviews + 1.0).ln() / 9.0;
    let trusted = popularity.min(0.6) / 0.6;
    let mut utility = mood + precise * (2.4 * text_match + 0.8 * title_match);
    utility += (1.0 - precise) * 2.2 * popularity;
    utility -= 1.3 * price_ratio.ln().powi(2);
    utility += 0.7 * trusted * (rating - 4.0);
    utility +=
        if (category == "books") == (brand == "birch" || brand == "fjord") { 0.25 } else { -0.25 };
    utility += match shipping {
        "free" => 0.25,
        "slow" => -0.35,
        _ => 0.0,
    };
    utility -= if in_stock { 0.0 } else { 0.9 };
    utility += 0.28 * normal(random);

    // A product without reviews has no rating.
    let rating = if reviews < 1.0 { String::new() } else { format!("{rating:.1}") };
    let rating = or_missing(random, 0.05, rating);
    let price = or_missing(random, 0.04, format!("{price_ratio:.2}"));
    let cells = format!(
        "q{:03},p{:06},{words},{category},{brand},{text_match:.3},{title_match:.3},{price},{rating},{reviews:.0},{days_listed:.0},{shipping},{}",
        number + 1,
        random.random_range(0..1_000_000),
        if in_stock { "yes" } else { "no" },
    );
    Shown { cells, utility }
}
