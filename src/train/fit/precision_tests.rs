//! The loop in mixed precision, on the plain steps that a GPU runs.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use rand::{Rng as _, RngCore as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::engine::loss::MeanSquares;
use crate::engine::{Activation, Batch, Linear, Mode, NetBuilder, Parameters, StepKey};
use crate::model::Model;
use crate::sys::random::{Purpose, stream};
use crate::train::learner::{Defaults, Validation};

/// A small net that learns a product of two numbers; its loss is multiplied by so much.
struct Small {
    parameters: Parameters,
    points: Vec<[f32; 3]>,
    steep: f64,
}

impl Small {
    fn new(steep: f64) -> Self {
        let mut net = NetBuilder::new(2, 0);
        let layer = |width, activation, dropout| Linear {
            width,
            members: 1,
            shared_input: true,
            activation,
            dropout,
        };
        let hidden = net.linear("hidden", net.dense(), layer(24, Activation::Relu, 0.1));
        let output = net.linear("output", hidden, layer(1, Activation::None, 0.0));
        let mut random = stream(3, Purpose::Sample, 0);
        let parameters = Parameters::init(&net.finish(output), &Device::Cpu, &mut random)
            .expect("parameters")
            .with_fused(false);
        let point = |_| {
            let [a, b] = [(); 2].map(|()| random.random::<f32>() * 2.0 - 1.0);
            [a, b, a * b]
        };
        Self { parameters, points: (0..200).map(point).collect(), steep }
    }

    fn error(&self, units: &[usize], mode: Mode) -> Result<Tensor> {
        let points = || units.iter().map(|&unit| self.points[unit]);
        let dense = points().flat_map(|[a, b, _]| [a, b]).collect();
        let batch = Batch { rows: units.len(), dense, ..Batch::default() };
        let output = self.parameters.forward(batch.into(), mode)?;
        MeanSquares { targets: points().map(|[.., product]| product).collect() }.of(&output)
    }
}

impl Learner for Small {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }
    fn units(&self) -> usize {
        self.points.len()
    }
    fn valid_units(&self) -> usize {
        self.points.len()
    }
    fn defaults(&self) -> Defaults {
        Defaults { batch: 20, learning_rate: 0.01, weight_decay: 0.0 }
    }
    fn loss(&self, units: &[usize], random: &mut ChaCha8Rng) -> Result<Tensor> {
        Ok((self.error(units, Mode::Train(StepKey(random.next_u64())))? * self.steep)?)
    }
    fn validate(&self) -> Result<Validation> {
        let all: Vec<usize> = (0..self.points.len()).collect();
        let monitor = f64::from(self.error(&all, Mode::Score)?.to_scalar::<f32>()?);
        Ok(Validation { monitor, metrics: vec![("mse".into(), monitor)] })
    }
    fn model(&self) -> Result<Model> {
        Err(Error::bug("a test's net is no model"))
    }
}

fn plan(precision: Precision) -> FitPlan {
    FitPlan {
        part: "small".into(),
        seed: 7,
        max_epochs: 12,
        patience: 50,
        batch: 20,
        learning_rate: 0.01,
        weight_decay: 0.0,
        precision,
        budget: None,
        last_step: None,
    }
}

/// One sitting, from the checkpoint where there is one, for so many steps at most: the losses of its
/// epochs, and the state that it leaves.
fn sit(
    folder: &Path,
    steep: f64,
    precision: Precision,
    most: usize,
) -> Result<(Ended, Vec<f64>, State)> {
    let learner = Small::new(steep);
    let state = match State::load(folder, &Device::Cpu)? {
        Some(state) => state,
        None => fresh_state(&learner)?,
    };
    learner.parameters.restore(&state.weights)?;
    let (interrupt, plan) = (Interrupt::default(), plan(precision));
    let (mut steps, mut losses) = (0, vec![]);
    let flag = interrupt.clone();
    let mut report = |event: Event| match event {
        Event::StepEnded { .. } => {
            steps += 1;
            if steps == most {
                flag.set();
            }
        }
        Event::EpochEnded { train_loss, .. } => losses.push(train_loss),
        _ => {}
    };
    let mut fit = Fit::new(&learner, &plan, state, folder, &interrupt, &mut report)?;
    let ended = fit.run()?;
    let state = fit.state;
    Ok((ended, losses, state))
}

fn whole(steep: f64, precision: Precision) -> (Vec<f64>, State) {
    let folder = tempfile::tempdir().expect("a folder");
    let (ended, losses, state) = sit(folder.path(), steep, precision, usize::MAX).expect("fits");
    assert_eq!(ended, Ended::Finished(StopReason::Completed));
    (losses, state)
}

fn bits(state: &State) -> BTreeMap<String, Vec<u32>> {
    let bits = |tensor: &Tensor| -> Vec<u32> {
        let values = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
        values.into_iter().map(f32::to_bits).collect()
    };
    let groups = [&state.weights, &state.best, &state.optimiser.first, &state.optimiser.second];
    let named = groups.into_iter().enumerate().flat_map(|(group, tensors)| {
        tensors.iter().map(move |(name, tensor)| (format!("{group}/{name}"), tensor))
    });
    named.map(|(name, tensor)| (name, bits(tensor))).collect()
}

#[test]
fn half_the_size_learns_what_float32_does() {
    let (exact, _) = whole(1.0, Precision::Float32);
    assert!(exact[11] < 0.5 * exact[0], "it learns: {exact:?}");
    for (precision, within) in [(Precision::Float16, 1e-2), (Precision::Bfloat16, 5e-2)] {
        let (half, state) = whole(1.0, precision);
        assert_ne!(half, exact);
        for (half, exact) in half.iter().zip(&exact) {
            assert!((half - exact).abs() < within * exact, "{half} {exact}");
        }
        assert!(state.weights.values().all(|weights| weights.dtype() == DType::F32));
        assert_eq!(state.progress.loss_scale.is_some(), precision == Precision::Float16);
    }
}

#[test]
fn gradients_that_overflow_take_no_step_until_the_scale_fits() {
    let (_, exact) = whole(300.0, Precision::Float32);
    let (losses, state) = whole(300.0, Precision::Float16);
    let progress = &state.progress;
    let scale = progress.loss_scale.expect("one").scale;
    assert!(scale < 65_536.0 / 2.0, "{scale}");
    // Each halving is a step that was not taken, and counts as a step all the same.
    let halved = (65_536.0 / scale).log2() as u64;
    assert_eq!((progress.total_steps, state.optimiser.steps), (120, 120 - halved));
    assert!(losses[11] < 0.5 * losses[0], "{losses:?}");
    let (half, exact) = (progress.best_monitor, exact.progress.best_monitor);
    let (half, exact) = (half.expect("a best"), exact.expect("a best"));
    assert!((half - exact).abs() < 0.2 * exact, "{half} {exact}");
}

#[test]
fn a_scaled_run_interrupted_anywhere_ends_with_the_same_bits() {
    let (_, expected) = whole(300.0, Precision::Float16);
    let folder = tempfile::tempdir().expect("a folder");
    let mut sittings = 0;
    let found = loop {
        sittings += 1;
        let (ended, _, state) = sit(folder.path(), 300.0, Precision::Float16, 3).expect("fits");
        if ended != Ended::Interrupted {
            break state;
        }
    };
    assert!(sittings > 30, "{sittings}");
    assert_eq!(bits(&found), bits(&expected));
    assert_eq!(found.progress.loss_scale, expected.progress.loss_scale);
}

#[test]
fn a_gradient_that_no_scale_fits_ends_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = sit(folder.path(), 1e12, Precision::Float16, usize::MAX).expect_err("it breaks");
    insta::assert_snapshot!(format!("{error}\n  try: {}", error.hint_text().unwrap_or_default()), @"
    training has diverged: the gradient's length is NaN at step 1 of epoch 4, over 20 training rows: 59, 113, 88, 158, 170 and 15 more; no value of these rows stands out: most likely a sum is above 65504, the most that float16 holds
      try: train in a type that holds as much as float32: `--set train.precision=bfloat16`
    ");
}
