//! Exponential smoothing in state space form: error, trend and season, each additive, multiplicative or none.
//!
//! Source: Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008: the recursions of
//! table 2.1. What a step is updated by is the same for additive and multiplicative errors, which differ in
//! the likelihood alone. States at the beginning are backcast, as in Svetunkov, Forecasting and Analytics with
//! the Augmented Dynamic Adaptive Model, 2023, section 11.4.1: smoothing backwards says where to start from.

use serde::{Deserialize, Serialize};

use super::theta::{Pattern, is_seasonal};

/// Longer seasons are taken out before smoothing, as the theta method does: their states would be too many.
pub(crate) const LONGEST_SEASON: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noise {
    Additive,
    Multiplicative,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trend {
    None,
    Additive,
    Damped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Season {
    None,
    Additive,
    Multiplicative,
}

/// Which of the models; written as in the literature, such as `MAdM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Form {
    pub noise: Noise,
    pub trend: Trend,
    pub season: Season,
}

impl Form {
    /// Simple exponential smoothing.
    pub(crate) const SIMPLE: Self =
        Self { noise: Noise::Additive, trend: Trend::None, season: Season::None };

    /// All that are stable: an additive error beside a multiplicative season isn't (section 4.2.4 there).
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let noises = [Noise::Additive, Noise::Multiplicative];
        let trends = [Trend::None, Trend::Additive, Trend::Damped];
        let seasons = [Season::None, Season::Additive, Season::Multiplicative];
        noises
            .into_iter()
            .flat_map(move |noise| trends.map(|trend| (noise, trend)))
            .flat_map(move |(noise, trend)| seasons.map(|season| Self { noise, trend, season }))
            .filter(|form| {
                form.noise == Noise::Multiplicative || form.season != Season::Multiplicative
            })
    }

    /// Whether it is for values above zero alone.
    pub(crate) fn is_multiplicative(self) -> bool {
        self.noise == Noise::Multiplicative || self.season == Season::Multiplicative
    }

    /// The same for values of any sign.
    fn additive(self) -> Self {
        let season =
            if self.season == Season::Multiplicative { Season::Additive } else { self.season };
        Self { noise: Noise::Additive, season, ..self }
    }
}

impl From<Form> for String {
    fn from(form: Form) -> Self {
        let noise = if form.noise == Noise::Additive { "A" } else { "M" };
        let trend = match form.trend {
            Trend::None => "N",
            Trend::Additive => "A",
            Trend::Damped => "Ad",
        };
        let season = match form.season {
            Season::None => "N",
            Season::Additive => "A",
            Season::Multiplicative => "M",
        };
        format!("{noise}{trend}{season}")
    }
}

impl TryFrom<String> for Form {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::all()
            .find(|form| String::from(*form) == name)
            .ok_or_else(|| format!("`{name}` is no form of exponential smoothing"))
    }
}

/// How fast the states follow, and what of the trend is left after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Smoothing {
    pub alpha: f64,
    pub beta: f64,
    pub gamma: f64,
    pub phi: f64,
}

/// Before the first step, or after the last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub level: f64,
    /// What a step adds.
    pub trend: f64,
    /// Those of the next season, the next step first; empty without one.
    pub season: Vec<f64>,
}

/// What smoothing left unexplained.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Errors {
    /// Of all errors; relative ones where the noise is multiplicative.
    pub squares: f64,
    /// Of the logarithms of what was said.
    pub logs: f64,
}

/// Smooths values from a state on, which is left as it is after the last.
pub(crate) fn smooth(form: Form, by: Smoothing, values: &[f64], state: &mut State) -> Errors {
    let Smoothing { alpha, beta, gamma, phi } = by;
    let phi = if form.trend == Trend::Damped { phi } else { 1.0 };
    let (mut level, mut trend) = (state.level, state.trend);
    let mut errors = Errors::default();
    let mut place = 0;
    for value in values {
        let kept = phi * trend;
        let base = level + kept;
        let said = match form.season {
            Season::None => base,
            Season::Additive => base + state.season[place],
            Season::Multiplicative => base * state.season[place],
        };
        let error = value - said;
        let moved = match form.season {
            Season::None => error,
            Season::Additive => {
                state.season[place] += gamma * error;
                error
            }
            Season::Multiplicative => {
                let factor = state.season[place];
                state.season[place] += gamma * error / base;
                error / factor
            }
        };
        level = base + alpha * moved;
        if form.trend != Trend::None {
            trend = kept + beta * moved;
        }
        match form.noise {
            Noise::Additive => errors.squares += error * error,
            Noise::Multiplicative => {
                let share = error / said;
                errors.squares += share * share;
                errors.logs += said.abs().ln();
            }
        }
        place += 1;
        if place >= state.season.len() {
            place = 0;
        }
    }
    // The next step first again.
    state.season.rotate_left(place);
    (state.level, state.trend) = (level, trend);
    errors
}

/// The forecast of `horizon` steps from a state on.
pub(crate) fn forecast(form: Form, by: Smoothing, state: &State, horizon: usize) -> Vec<f64> {
    let phi = if form.trend == Trend::Damped { by.phi } else { 1.0 };
    let mut base = state.level;
    let mut trend = state.trend;
    (0..horizon)
        .map(|step| {
            trend *= phi;
            base += trend;
            let own = |season: &[f64]| season[step % season.len()];
            match form.season {
                Season::None => base,
                Season::Additive => base + own(&state.season),
                Season::Multiplicative => base * own(&state.season),
            }
        })
        .collect()
}

/// A series as it is smoothed: without a season that is too long for states of its own.
#[derive(Clone, Debug)]
pub(crate) struct Smoothed {
    values: Vec<f64>,
    backwards: Vec<f64>,
    pattern: Option<Pattern>,
    /// 1 where there is none, or where it is too long.
    season: usize,
}

impl Smoothed {
    pub(crate) fn new(values: &[f64], season: usize) -> Self {
        let long = season > LONGEST_SEASON;
        let pattern = (long && is_seasonal(values, season)).then(|| Pattern::of(values, season));
        let values: Vec<f64> = match &pattern {
            Some(pattern) => {
                values.iter().enumerate().map(|(at, value)| pattern.without(*value, at)).collect()
            }
            None => values.to_vec(),
        };
        let backwards = values.iter().rev().copied().collect();
        Self { values, backwards, pattern, season: if long { 1 } else { season } }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Steps of a season that can have states.
    pub(crate) fn season(&self) -> usize {
        self.season
    }

    pub(crate) fn is_positive(&self) -> bool {
        self.values.iter().all(|value| *value > 0.0)
    }

    /// Smooths from the backcast state on.
    pub(crate) fn run(&self, form: Form, by: Smoothing) -> (State, Errors) {
        // A trend that is damped going forward isn't going backwards.
        let trend = if form.trend == Trend::None { Trend::None } else { Trend::Additive };
        let backwards = Form { trend, ..form };
        let mut state = first(backwards, &self.backwards, self.season);
        smooth(backwards, by, &self.backwards, &mut state);
        // From the first value to what lies before it, and about.
        state.level += state.trend;
        state.trend = -state.trend;
        state.season.reverse();
        let errors = smooth(form, by, &self.values, &mut state);
        (state, errors)
    }

    /// The forecast of `horizon` steps; of a form that isn't for such values, of its like that is.
    pub(crate) fn forecast(&self, form: Form, by: Smoothing, horizon: usize) -> Vec<f64> {
        let fits = self.season > 1 && self.len() >= 2 * self.season;
        let form = if fits { form } else { Form { season: Season::None, ..form } };
        let form = if self.is_positive() { form } else { form.additive() };
        let (state, _) = self.run(form, by);
        let plain = forecast(form, by, &state, horizon);
        match &self.pattern {
            Some(pattern) => {
                let at = |(step, value)| pattern.with(value, self.len() + step);
                plain.into_iter().enumerate().map(at).collect()
            }
            None => plain,
        }
    }
}

/// A first guess from the first values: their season around its mean, and the line through what is left.
fn first(form: Form, values: &[f64], season: usize) -> State {
    let head = &values[..values.len().min((3 * season).max(10))];
    let mut pattern = Vec::new();
    if form.season != Season::None {
        // Differences between whole seasons are the trend's.
        let cycles = head.len() / season;
        let means: Vec<f64> = (0..cycles)
            .map(|cycle| head[cycle * season..][..season].iter().sum::<f64>() / season as f64)
            .collect();
        let slope = match cycles {
            0 | 1 => 0.0,
            _ => (means[cycles - 1] - means[0]) / ((cycles - 1) * season) as f64,
        };
        let middle = (season as f64 - 1.0) / 2.0;
        pattern = (0..season)
            .map(|place| {
                let parts = means.iter().enumerate().map(|(cycle, mean)| {
                    let value = head[cycle * season + place];
                    let line = mean + slope * (place as f64 - middle);
                    if form.season == Season::Additive { value - line } else { value / line }
                });
                parts.sum::<f64>() / cycles.max(1) as f64
            })
            .collect();
    }
    let own = |place: usize| pattern.get(place % season.max(1)).copied();
    let plain = head.iter().enumerate().map(|(at, value)| match (form.season, own(at)) {
        (Season::Additive, Some(own)) => value - own,
        (Season::Multiplicative, Some(own)) => value / own,
        _ => *value,
    });
    let plain: Vec<f64> = plain.collect();
    let middle = (plain.len() as f64 - 1.0) / 2.0;
    let mean = plain.iter().sum::<f64>() / plain.len() as f64;
    let (mut top, mut bottom) = (0.0, 0.0);
    for (at, value) in plain.iter().enumerate() {
        let distance = at as f64 - middle;
        top += distance * (value - mean);
        bottom += distance * distance;
    }
    let slope = if bottom > 0.0 { top / bottom } else { 0.0 };
    match form.trend {
        Trend::None => State { level: mean, trend: 0.0, season: pattern },
        // One step before the first.
        _ => State { level: mean - slope * (middle + 1.0), trend: slope, season: pattern },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first four years of Box and Jenkins' airline passengers, in thousands.
    const PASSENGERS: [f64; 48] = [
        112.0, 118.0, 132.0, 129.0, 121.0, 135.0, 148.0, 148.0, 136.0, 119.0, 104.0, 118.0, 115.0,
        126.0, 141.0, 135.0, 125.0, 149.0, 170.0, 170.0, 158.0, 133.0, 114.0, 140.0, 145.0, 150.0,
        178.0, 163.0, 172.0, 178.0, 199.0, 199.0, 184.0, 162.0, 146.0, 166.0, 171.0, 180.0, 193.0,
        181.0, 183.0, 218.0, 230.0, 242.0, 209.0, 191.0, 172.0, 194.0,
    ];
    const SUMMANDS: [f64; 12] =
        [-12.0, -6.0, 8.0, 2.0, -4.0, 8.0, 22.0, 22.0, 8.0, -14.0, -30.0, -4.0];
    const FACTORS: [f64; 12] =
        [0.92, 0.95, 1.06, 1.02, 0.97, 1.06, 1.18, 1.18, 1.06, 0.90, 0.77, 0.93];

    fn form(name: &str) -> Form {
        Form::try_from(name.to_owned()).expect("a form")
    }

    fn log_likelihood(errors: Errors, count: usize) -> f64 {
        let count = count as f64;
        let variance = errors.squares / count;
        -count / 2.0 * ((2.0 * std::f64::consts::PI * variance).ln() + 1.0) - errors.logs
    }

    /// The first three: statsmodels 0.15.0, `ETSModel(…, initialization_method="known").smooth(parameters)` with
    /// these parameters and states, on these values: its `sse`, `llf` and `forecast(4)`. statsmodels moves a
    /// multiplicative season by the level after the step, where the book and R's forecast have the one before
    /// it; so the last is statsforecast 2.1.1's `pegelsresid_C`, with its likelihood made one of the whole.
    #[test]
    fn errors_likelihood_and_forecasts_are_those_of_statsmodels_and_statsforecast() {
        let known: [(&str, f64, f64, [f64; 4]); 4] = [
            ("ANN", 17_041.865_799_418_33, -209.042_504_283_878_9, [193.295_277; 4]),
            (
                "AAA",
                2_342.419_050_009_43,
                -161.414_772_286_171_9,
                [199.607_741, 207.193_332, 223.924_042, 215.869_424],
            ),
            (
                "MAA",
                0.080_882_268_754_943_23,
                -156.960_136_450_705_73,
                [199.607_741, 207.193_332, 223.924_042, 215.869_424],
            ),
            (
                "MAdM",
                0.069_433_915_131_848_66,
                -152.840_438_610_891_45,
                [198.134_714, 207.988_291, 233.041_009, 222.166_522],
            ),
        ];
        let by = Smoothing { alpha: 0.4, beta: 0.05, gamma: 0.2, phi: 0.95 };
        for (name, squares, likelihood, forecasts) in known {
            let form = form(name);
            let season = match form.season {
                Season::None => vec![],
                Season::Additive => SUMMANDS.to_vec(),
                Season::Multiplicative => FACTORS.to_vec(),
            };
            let trend = if form.trend == Trend::None { 0.0 } else { 1.5 };
            let mut state = State { level: 120.0, trend, season };
            let errors = smooth(form, by, &PASSENGERS, &mut state);
            let near = |own: f64, theirs: f64| (own - theirs).abs() < 1e-9 * theirs.abs();
            assert!(near(errors.squares, squares), "{name}: {errors:?}");
            assert!(near(log_likelihood(errors, 48), likelihood), "{name}: {errors:?}");
            for (own, theirs) in forecast(form, by, &state, 4).iter().zip(forecasts) {
                assert!((own - theirs).abs() < 1e-6, "{name}: {own} for {theirs}");
            }
        }
    }

    #[test]
    fn a_backcast_start_leaves_little_to_explain() {
        // What smoothing from hand-picked states leaves, above, is no less.
        let by = Smoothing { alpha: 0.4, beta: 0.05, gamma: 0.2, phi: 0.95 };
        for (name, squares) in [("AAA", 2_342.0), ("MAdM", 0.0695), ("ANN", 17_042.0)] {
            let smoothed = Smoothed::new(&PASSENGERS, 12);
            let (state, errors) = smoothed.run(form(name), by);
            assert!(errors.squares < squares, "{name}: {errors:?} {state:?}");
        }
        // A line is gone on with from its first value.
        let line: Vec<f64> = (0..20).map(|at| 5.0 + 3.0 * f64::from(at)).collect();
        let (state, errors) = Smoothed::new(&line, 1).run(form("AAN"), by);
        assert!(errors.squares < 1e-18, "{errors:?}");
        assert!((state.level - 62.0).abs() < 1e-9 && (state.trend - 3.0).abs() < 1e-9);
    }

    #[test]
    fn forms_are_written_as_in_the_literature_and_read_again() {
        assert_eq!(Form::all().count(), 15);
        for form in Form::all() {
            let text = serde_json::to_string(&form).expect("JSON");
            assert_eq!(serde_json::from_str::<Form>(&text).expect("a form"), form);
        }
        assert_eq!(serde_json::to_string(&form("MAdM")).expect("JSON"), r#""MAdM""#);
        assert!(serde_json::from_str::<Form>(r#""AAM""#).is_err());
    }

    #[test]
    fn forms_that_do_not_fit_the_values_give_way_to_their_likes() {
        let by = Smoothing { alpha: 0.4, beta: 0.05, gamma: 0.2, phi: 0.95 };
        let wave = |at: usize| [3.0, -2.0, -1.0, 0.0][at % 4];
        let values: Vec<f64> = (0..40).map(wave).collect();
        let said = Smoothed::new(&values, 4).forecast(form("MAdM"), by, 8);
        assert!(
            said.iter().enumerate().all(|(step, said)| (said - wave(step)).abs() < 0.2),
            "{said:?}"
        );
        assert_eq!(Smoothed::new(&[7.0], 4).forecast(form("MAdM"), by, 2), [7.0, 7.0]);
        // A season of 30 steps is taken out as a pattern.
        let long = |at: usize| 100.0 + f64::from(u8::from(at % 30 == 7)) * 50.0;
        let values: Vec<f64> = (0..150).map(long).collect();
        let said = Smoothed::new(&values, 30).forecast(form("ANN"), by, 30);
        assert!(
            said.iter().enumerate().all(|(step, said)| (said - long(step)).abs() < 8.0),
            "{said:?}"
        );
    }
}
