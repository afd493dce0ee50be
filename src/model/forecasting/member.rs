//! Members of a forecasting model: each forecasts by itself, and the model is their weighted mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::ets::{self, Smoothed, Smoothing};
use super::lags::{History, Lags, block, blocks};
use super::logs;
use super::net::{self, LEVELS, MEDIAN, Net};
use super::nets::WindowNet;
use super::theta::theta;
use super::trees::{StepReader, Steps};
use super::window::{Scale, Window, filled};
use crate::data::SeriesSet;
use crate::engine::{Batch, Parameters, Scorer};
use crate::error::{Error, Result};
use crate::model::boosted;
use crate::model::member::contradiction;
use crate::trees;

/// `[levels − 1, horizon]`: how far from the forecast each level but the median lies, in units of
/// the window's mean change from season to season.
pub(crate) const BAND: &str = "band.offsets";
/// `[series + 1, blocks, features]`: the coefficients of a seasonal regression, those of a series that
/// training didn't have last.
pub(crate) const COEFFICIENTS: &str = "coefficients";

/// `[series + 1, 4]`: alpha, beta, gamma and phi of exponential smoothing, those of a series that training
/// didn't have last.
pub(crate) const SMOOTHING: &str = "smoothing";

/// What `mlx/model.json` holds of a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemberSpec {
    /// Its weights' names begin with it.
    pub name: String,
    /// The estimator, as in `model.kind`.
    pub kind: String,
    /// Its share of the forecast; all shares add up to one.
    pub weight: f64,
    /// It works on logarithms, for which values below this are taken as it; absent where it doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<f64>,
    pub body: Body,
}

/// How a member forecasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "kebab-case")]
pub(crate) enum Body {
    /// The last value.
    Naive,
    /// The last season.
    SeasonalNaive,
    /// The theta method on the last steps.
    Theta { look_back: usize },
    /// A linear map of the window, with a spread of its own. Where closed forms were mixed, of what.
    Linear {
        look_back: usize,
        scale: Scale,
        #[serde(default)]
        terms: Vec<Term>,
    },
    /// Regression on seasonal lags with coefficients of each series.
    SeasonalRegression { lags: Lags, series: Vec<Vec<String>> },
    /// Exponential smoothing on the last steps, in the form and with the parameters of each series; the
    /// form of a series that training didn't have is last.
    Ets { look_back: usize, series: Vec<Vec<String>>, forms: Vec<ets::Form> },
    /// A net over the window, trained in steps.
    Net { look_back: usize, scale: Scale, net: WindowNet },
    /// Boosted trees over what is read of each step, and how they were grown.
    Trees { reader: StepReader, settings: trees::Settings, seed: u64, rounds: usize },
}

/// A ridge solution and how much it counts in the map that several were mixed to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Term {
    pub look_back: usize,
    /// The pull's strength relative to the inputs' own size; absent where it is all there is.
    pub strength: Option<f64>,
    /// Pulled towards the seasonal naive map, not the naive one.
    pub seasonal: bool,
    pub weight: f64,
}

/// A member that is ready to forecast.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    horizon: usize,
    season: usize,
    /// The steps that are read, and the least value that has a logarithm, where it works on these.
    logs: Option<(usize, f64)>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Linear { look_back: usize, scale: Scale, net: Net },
    Net { look_back: usize, scale: Scale, net: WindowNet, scorer: Arc<Scorer> },
    Banded { point: Point, offsets: Vec<f64> },
}

#[derive(Clone, Debug)]
enum Point {
    Naive,
    SeasonalNaive,
    Theta {
        look_back: usize,
    },
    Seasonal {
        lags: Lags,
        rows: BTreeMap<Vec<String>, usize>,
        coefficients: Vec<f64>,
    },
    Ets {
        look_back: usize,
        rows: BTreeMap<Vec<String>, usize>,
        smoothers: Vec<(ets::Form, Smoothing)>,
    },
    Trees {
        reader: StepReader,
        trees: trees::Model,
    },
}

/// What a member says of a forecast: the values of all levels at each step.
pub(crate) type Levels = Vec<[f64; LEVELS.len()]>;

impl Body {
    /// How many steps before a forecast are read.
    pub(crate) fn look_back(&self, season: usize) -> usize {
        match self {
            Self::Naive | Self::SeasonalNaive => band_reach(season),
            Self::Theta { look_back } | Self::Ets { look_back, .. } => {
                (*look_back).max(band_reach(season))
            }
            Self::Linear { look_back, .. } | Self::Net { look_back, .. } => *look_back,
            Self::SeasonalRegression { lags, .. } => lags.reach().max(band_reach(season)),
            Self::Trees { reader, .. } => reader.reach().max(band_reach(season)),
        }
    }
}

impl Body {
    /// Whether covariates are read beside the values of a series.
    pub(crate) fn reads_covariates(&self) -> bool {
        matches!(self, Self::Trees { .. })
    }
}

/// The steps that the width of a band is measured over.
pub(super) fn band_reach(season: usize) -> usize {
    (4 * season).clamp(8, 1000)
}

impl Member {
    /// The member of these weights, its own; one that is missing or of another shape
    /// is an error.
    pub(crate) fn new(
        spec: &MemberSpec,
        weights: &BTreeMap<String, Tensor>,
        horizon: usize,
        season: usize,
    ) -> Result<Self> {
        let reach = spec.body.look_back(season);
        let logs = spec.logs.map(|lowest| (reach, lowest));
        if spec.logs.is_some_and(|lowest| !(lowest > 0.0 && lowest.is_finite())) {
            return Err(contradiction());
        }
        let read = |name: &str, shape: &[usize]| read(weights, name, shape);
        let point = match &spec.body {
            Body::Linear { look_back: 0, .. }
            | Body::Theta { look_back: 0 }
            | Body::Ets { look_back: 0, .. } => return Err(contradiction()),
            Body::Linear { look_back, scale, .. } => {
                let net = Net::new(&read, *look_back, horizon)?;
                let form = Form::Linear { look_back: *look_back, scale: *scale, net };
                return Ok(Self { horizon, season, logs, form });
            }
            Body::Net { look_back, scale, net } => {
                if !net.is_sound(*look_back) {
                    return Err(contradiction());
                }
                let steps = net.net(*look_back, horizon, 0.0);
                let parameters = Parameters::from_weights(&steps, weights, &Device::Cpu)?;
                let scorer = Arc::new(Scorer::new(&parameters)?);
                let form =
                    Form::Net { look_back: *look_back, scale: *scale, net: net.clone(), scorer };
                return Ok(Self { horizon, season, logs, form });
            }
            Body::Naive => Point::Naive,
            Body::SeasonalNaive => Point::SeasonalNaive,
            Body::Theta { look_back } => Point::Theta { look_back: *look_back },
            Body::Ets { look_back, series, forms } => {
                if forms.len() != series.len() + 1 {
                    return Err(contradiction());
                }
                let parameters = read(SMOOTHING, &[forms.len(), 4])?;
                let smoothing = |row: &[f64]| Smoothing {
                    alpha: row[0],
                    beta: row[1],
                    gamma: row[2],
                    phi: row[3],
                };
                Point::Ets {
                    look_back: *look_back,
                    rows: series.iter().cloned().zip(0..).collect(),
                    smoothers: forms
                        .iter()
                        .copied()
                        .zip(parameters.chunks_exact(4).map(smoothing))
                        .collect(),
                }
            }
            Body::Trees { reader, .. } => {
                let trees = boosted::from_weights(weights)?;
                if reader.season == 0 || trees.outputs() != 1 {
                    return Err(contradiction());
                }
                Point::Trees { reader: reader.clone(), trees }
            }
            Body::SeasonalRegression { lags, series } => {
                let sound = lags.season > 0
                    && lags
                        .long
                        .is_none_or(|long| long > lags.season && long.is_multiple_of(lags.season));
                if !sound {
                    return Err(contradiction());
                }
                let shape = [series.len() + 1, blocks(horizon), lags.count()];
                Point::Seasonal {
                    lags: *lags,
                    rows: series.iter().cloned().zip(0..).collect(),
                    coefficients: read(COEFFICIENTS, &shape)?,
                }
            }
        };
        let offsets = read(BAND, &[LEVELS.len() - 1, horizon])?;
        Ok(Self { horizon, season, logs, form: Form::Banded { point, offsets } })
    }

    /// The forecast from the values before `index` alone; none where the series has none.
    pub(crate) fn levels(&self, set: &SeriesSet, series: usize, index: i64) -> Option<Levels> {
        let Some((reach, lowest)) = self.logs else { return self.plain(set, series, index) };
        // One season more than is read, to fill gaps from.
        let window = logs::window(set, series, index, reach + self.season, lowest);
        let levels = self.plain(&window, 0, index)?;
        Some(logs::back(levels, &window.values[0]))
    }

    /// In the unit of the set.
    fn plain(&self, set: &SeriesSet, series: usize, index: i64) -> Option<Levels> {
        match &self.form {
            Form::Linear { look_back, scale, net } => {
                let window = Window::new(set, series, index, *look_back, self.season, *scale)?;
                let answer = net.answer(&window.inputs);
                let value = |level: usize, step: usize| {
                    let offset = answer.spread[step] * net.offset(level, step);
                    window.centre + window.scale * (answer.location[step] + offset)
                };
                Some(self.every(value))
            }
            Form::Net { look_back, scale, net, scorer } => {
                let window = Window::new(set, series, index, *look_back, self.season, *scale)?;
                // Alone, so that a forecast is the same in whatever company it is asked for.
                let mut batch = Batch { rows: 1, ..Batch::default() };
                net.read(&window, &mut batch.dense);
                let mut said = vec![0.0; LEVELS.len() * self.horizon];
                scorer.score(&batch, &mut said).expect("a net scores a window of its own length");
                let value = |level: usize, step: usize| {
                    window.centre + window.scale * f64::from(said[level * self.horizon + step])
                };
                Some(self.every(value))
            }
            Form::Banded { point, offsets } => {
                let said = self.point(point, set, series, index)?;
                let unit = self.unit(set, series, index)?;
                let value = |level: usize, step: usize| {
                    said[step] + unit * net::offset(offsets, self.horizon, level, step)
                };
                Some(self.every(value))
            }
        }
    }

    fn every(&self, value: impl Fn(usize, usize) -> f64) -> Levels {
        let at = |step: usize| {
            let mut values = std::array::from_fn(|level| value(level, step));
            // Only levels that cross are moved; the median is what was forecast.
            let median: f64 = values[MEDIAN];
            values[..MEDIAN].sort_by(f64::total_cmp);
            values[MEDIAN + 1..].sort_by(f64::total_cmp);
            values[..MEDIAN].iter_mut().for_each(|value| *value = value.min(median));
            values[MEDIAN + 1..].iter_mut().for_each(|value| *value = value.max(median));
            values
        };
        (0..self.horizon).map(at).collect()
    }

    /// What a band is measured in: the mean change from season to season before the forecast.
    pub(crate) fn unit(&self, set: &SeriesSet, series: usize, index: i64) -> Option<f64> {
        let reach = band_reach(self.season);
        Window::new(set, series, index, reach, self.season, Scale::Change)
            .map(|window| window.scale)
    }

    fn point(&self, point: &Point, set: &SeriesSet, series: usize, index: i64) -> Option<Vec<f64>> {
        let steps = 0..self.horizon;
        Some(match point {
            Point::Naive => {
                let last = filled(set, series, index, 1, self.season)?[0];
                steps.map(|_| last).collect()
            }
            Point::SeasonalNaive => {
                let last = filled(set, series, index, self.season, self.season)?;
                steps.map(|step| last[step % self.season]).collect()
            }
            Point::Theta { look_back } => {
                let values = observed(set, series, index, *look_back, self.season)?;
                theta(&values, self.season, self.horizon)
            }
            Point::Ets { look_back, rows, smoothers } => {
                let values = observed(set, series, index, *look_back, self.season)?;
                let row = rows.get(&set.keys[series]).copied().unwrap_or(rows.len());
                let (form, by) = smoothers[row];
                Smoothed::new(&values, self.season).forecast(form, by, self.horizon)
            }
            Point::Trees { reader, trees } => {
                let mut rows = Steps::default();
                let base = reader.push(set, (series, index), self.horizon, &mut rows)?;
                let added = trees.predict(&rows.into_columns().as_columns()).ok()?;
                base.values
                    .iter()
                    .zip(added)
                    .map(|(value, more)| value + base.unit * more)
                    .collect()
            }
            Point::Seasonal { lags, rows, coefficients } => {
                let history = History::new(filled(set, series, index, lags.reach(), self.season)?);
                let each = blocks(self.horizon) * lags.count();
                let row = rows.get(&set.keys[series]).copied().unwrap_or(rows.len());
                let own = &coefficients[row * each..][..each];
                regress(*lags, own, &history, lags.reach(), self.horizon)
            }
        })
    }
}

/// The last steps from the first observation on, gaps filled: what a series doesn't have is no value to smooth.
pub(crate) fn observed(
    set: &SeriesSet,
    series: usize,
    index: i64,
    look_back: usize,
    season: usize,
) -> Option<Vec<f64>> {
    let known = set.before(series, index);
    let first = known.iter().position(|value| !value.is_nan())?;
    let length = (index - set.start[series]) as usize - first;
    filled(set, series, index, length.min(look_back), season)
}

/// What a seasonal regression with these coefficients forecasts from a place in a history.
pub(crate) fn regress(
    lags: Lags,
    coefficients: &[f64],
    history: &History,
    origin: usize,
    horizon: usize,
) -> Vec<f64> {
    let mut features = vec![0.0; lags.count()];
    (0..horizon)
        .map(|step| {
            let base = lags.read(history, origin, step, &mut features);
            let own = &coefficients[block(step, horizon) * lags.count()..][..lags.count()];
            base + features.iter().zip(own).map(|(feature, weight)| feature * weight).sum::<f64>()
        })
        .collect()
}

pub(super) fn read(
    weights: &BTreeMap<String, Tensor>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f64>> {
    let tensor = weights
        .get(name)
        .ok_or_else(|| Error::user(format!("the weights of the model lack `{name}`")))?;
    if tensor.dims() != shape {
        return Err(Error::user(format!(
            "the weights of the model hold `{name}` as {:?}, its description says {shape:?}",
            tensor.dims()
        )));
    }
    let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
    Ok(values.into_iter().map(f64::from).collect())
}
