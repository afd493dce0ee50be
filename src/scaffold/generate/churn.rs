//! Customers of an imagined phone company, and who left it.
//!
//! Leaving depends on things together: on use against what the plan includes (far over and
//! far under are both bad), on how long somebody stayed (the first months and the end of a
//! two-year contract), on calls for help by newcomers. Little of it shows to a model that
//! weighs each column alone.

use std::fmt::Write as _;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{count, logistic, normal, or_missing, pick};
use crate::sys::random::{self, Purpose};

const CUSTOMERS: usize = 3000;
/// The share that left.
const CHURNED: f64 = 0.15;

/// Plan, its share of customers, the gigabytes it includes, its monthly fee.
const PLANS: [(&str, f64, f64, f64); 4] = [
    ("basic", 0.42, 4.0, 12.0),
    ("plus", 0.33, 15.0, 25.0),
    ("family", 0.17, 40.0, 42.0),
    ("business", 0.08, 60.0, 65.0),
];

struct Customer {
    cells: String,
    /// The log odds of leaving, before the intercept.
    tendency: f64,
}

pub(super) fn table(seed: u64) -> String {
    let random = &mut random::stream(seed, Purpose::Scaffold, 0);
    let customers: Vec<_> = (0..CUSTOMERS).map(|number| customer(random, number)).collect();
    let intercept = intercept(&customers);

    let mut text = String::from(
        "customer_id,plan,region,payment,age,tenure_months,monthly_fee,data_gb,support_calls,days_since_call,paperless,churned\n",
    );
    for customer in customers {
        let left = random.random_bool(logistic(customer.tendency + intercept));
        let _ = writeln!(text, "{},{}", customer.cells, if left { "yes" } else { "no" });
    }
    text
}

fn customer(random: &mut ChaCha8Rng, number: usize) -> Customer {
    let plan = pick(random, &PLANS.map(|(name, share, ..)| (name, share)));
    let &(_, _, included, fee) =
        PLANS.iter().find(|(name, ..)| *name == plan).expect("picked from the plans");
    let region = pick(
        random,
        &[
            ("north", 3.0),
            ("south", 2.5),
            ("east", 2.0),
            ("west", 1.6),
            ("centre", 1.2),
            ("islands", 0.5),
            ("abroad", 0.2),
        ],
    );
    let payment = pick(random, &[("card", 0.5), ("debit", 0.35), ("invoice", 0.15)]);
    let age = (45.0 + 16.0 * normal(random)).clamp(18.0, 92.0).round();
    // More newcomers than old hands.
    let tenure = (1.0 + 71.0 * random.random::<f64>().powf(1.4)).round();
    let monthly_fee =
        fee * (1.0 + 0.06 * normal(random)) + if region == "abroad" { 4.0 } else { 0.0 };
    let data_gb = included * (0.75 * normal(random) - 0.1).exp();
    let calls = count(random, 1.3);
    let paperless = random.random_bool(if age < 50.0 { 0.8 } else { 0.45 });

    let fit = (data_gb / included).ln();
    let newcomer = tenure < 14.0;
    let contract_ends = (-((tenure - 24.0) / 4.0).powi(2)).exp();
    let mut tendency = 1.9 * fit.powi(2);
    tendency += 2.6 * contract_ends;
    tendency += f64::from(calls) * if newcomer { 1.0 } else { -0.35 };
    tendency += 1.2 * ((age - 45.0) / 22.0).powi(2);
    tendency += match (payment, paperless) {
        ("invoice", true) | ("card", false) => 1.1,
        _ => 0.0,
    };
    tendency += match region {
        "islands" => 0.8,
        "abroad" => -0.8,
        _ => 0.0,
    };
    tendency -= 0.012 * tenure;

    let since_call = if calls == 0 {
        // Nobody called, so there is no such day: a cell that is empty for a reason.
        String::new()
    } else {
        format!("{:.0}", 1.0 + 180.0 * random.random::<f64>() / f64::from(calls))
    };
    let age = or_missing(random, 0.08, format!("{age:.0}"));
    let data_gb = or_missing(random, 0.03, format!("{data_gb:.1}"));
    let region = or_missing(random, 0.02, region.to_owned());
    let cells = format!(
        "C{:05},{plan},{region},{payment},{age},{tenure:.0},{monthly_fee:.2},{data_gb},{calls},{since_call},{}",
        number + 1,
        if paperless { "yes" } else { "no" },
    );
    Customer { cells, tendency }
}

/// The intercept with which the wanted share leaves, by bisection.
fn intercept(customers: &[Customer]) -> f64 {
    let (mut low, mut high) = (-30.0, 30.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let leaving: f64 =
            customers.iter().map(|customer| logistic(customer.tendency + middle)).sum();
        if leaving / (customers.len() as f64) < CHURNED {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}
