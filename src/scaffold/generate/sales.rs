//! Daily sales of three items in four imagined shops.
//!
//! Each series has a level that drifts, a weekly season of its own and a slow yearly one, days of promotion, and
//! noise of a tenth or more: repeating last week repeats last week's noise, so a model that
//! averages wins. A shop closes for a while, days are missing, and one series is young.

use std::fmt::Write as _;

use rand::Rng;

use super::normal;
use crate::sys::random::{self, Purpose};

const DAYS: usize = 400;
/// The age in days of the one item that a shop took up late.
const YOUNG: usize = 84;

const SHOPS: [(&str, f64); 4] =
    [("airport", 1.3), ("centre", 1.0), ("harbour", 0.6), ("mall", 1.7)];
const ITEMS: [(&str, f64); 3] = [("coffee", 120.0), ("sandwich", 60.0), ("umbrella", 18.0)];

/// What a day of the week is worth, Monday first: shops of commuters and shops of strollers.
const COMMUTERS: [f64; 7] = [1.12, 1.10, 1.08, 1.10, 1.20, 0.78, 0.62];
const STROLLERS: [f64; 7] = [0.78, 0.80, 0.86, 0.94, 1.14, 1.38, 1.10];

pub(super) fn table(seed: u64) -> String {
    let mut text = String::from("date,store,item,promo,sales\n");
    // 2023-01-02 was a Monday, so that the day of the week is the day's number modulo 7.
    let first = chrono::NaiveDate::from_ymd_opt(2023, 1, 2).expect("a date of the calendar");
    for (shop, (store, size)) in SHOPS.iter().enumerate() {
        for (kind, (item, demand)) in ITEMS.iter().enumerate() {
            let series = (shop * ITEMS.len() + kind) as u64;
            let random = &mut random::stream(seed, Purpose::Scaffold, series);
            let week = if matches!(*store, "mall" | "harbour") { STROLLERS } else { COMMUTERS };
            let young = *store == "harbour" && *item == "umbrella";
            let start = if young { DAYS - YOUNG } else { 0 };
            // Between a fall of a fifth and a rise of a half over the year.
            let growth = random.random_range(-0.2..0.5) / 365.0;
            let peak = if *item == "umbrella" { 310.0 } else { 190.0 };
            let mut drift = 0.0;
            let mut promo_left = 0;
            for day in start..DAYS {
                if promo_left == 0 && random.random_bool(0.02) {
                    promo_left = random.random_range(2..=4);
                }
                let promo = promo_left > 0;
                promo_left -= u32::from(promo);
                drift = 0.97 * drift + 0.02 * normal(random);

                let year = 0.15 * ((day as f64 - peak) * std::f64::consts::TAU / 365.0).cos();
                let level = demand * size * (1.0 + growth * day as f64);
                let expected = level
                    * week[day % 7]
                    * (1.0 + year)
                    * f64::exp(drift + if promo { 0.25 } else { 0.0 });
                let noise = (0.10 * normal(random)).exp() + normal(random) / expected.sqrt();
                let sold = (expected * noise).round().max(0.0);

                let closed = *store == "mall" && (250..257).contains(&day);
                let forgotten = random.random_bool(0.008);
                let unread = random.random_bool(0.004);
                // The last weeks are whole: they are what the model is tested on.
                let whole = day + 28 >= DAYS;
                if (closed || forgotten) && !whole {
                    continue;
                }
                let date = first + chrono::Days::new(day as u64);
                let sold = if unread && !whole { String::new() } else { format!("{sold:.0}") };
                let promo = if promo { "yes" } else { "no" };
                let _ = writeln!(text, "{date},{store},{item},{promo},{sold}");
            }
        }
    }
    text
}
