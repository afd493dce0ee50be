//! What `benches/` measure: the training workloads that PyTorch is compared on, the hot operations one at
//! a time, data as it is read, and rows as they are scored.
//!
//! A benchmark is a crate of its own and sees public items alone, and the engine has none. So this
//! room is the one hidden door: it names workloads and answers with numbers, and nothing of the engine
//! itself becomes an interface. A verb of the command line would carry the workloads, which are of no
//! use to anybody else, into every installed `mlx`; what no one calls from there the linker leaves out.

mod data;
mod inference;
mod nets;
mod ops;
mod sources;

use std::time::{Duration, Instant};

use candle_core::Device;
use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::threads::with_threads;
use crate::engine::{Mode, Parameters, StepKey, peak};
use crate::error::Result;
use crate::train::adamw::{AdamW, Moments};
pub use data::{ingest, ingest_kept};
pub use inference::Inference;
use sources::Source;

pub use ops::{Op, Work};

/// Steps before the clock starts.
const WARM_UP: usize = 10;

/// The workloads, each as the peer program has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// 100 → 256 → 256 → 2 with ReLU and dropout.
    Mlp,
    /// Twenty tables of 100 to 10,000 codes, 16 wide, and ten numbers → 256 → 128 → 2.
    Embeddings,
    /// Trend and rest of 336 steps → 96 steps, seven channels a window.
    DLinear,
    /// Three blocks over pooled windows of 336 steps, each with its backcast and forecast.
    NHits,
    /// 136 → 128 → 64 → 1 over the documents of a list, listwise softmax.
    ListNet,
    /// The same with LambdaRank.
    LambdaRank,
}

/// A workload that is set up and has warmed up.
pub struct Training {
    source: Box<dyn Source>,
    parameters: Parameters,
    optimiser: AdamW,
    random: ChaCha8Rng,
    order: Vec<usize>,
    next: usize,
    batch: usize,
    loss: f64,
}

impl Training {
    /// Sets a workload up, with data that is drawn as the peer draws it.
    ///
    /// # Errors
    /// Where the net cannot be made; in words, since the crate's errors are its own.
    pub fn new(workload: Workload, batch: usize, dropout: f64) -> Result<Self, String> {
        Self::start(workload, batch, dropout).map_err(|error| error.to_string())
    }

    fn start(workload: Workload, batch: usize, dropout: f64) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let source = sources::of(workload, &mut random);
        let net = nets::of(workload, dropout);
        let parameters = Parameters::init(&net, &Device::Cpu, &mut random)?;
        let optimiser = AdamW::new(&parameters, &Moments::default())?;
        let order: Vec<usize> = (0..source.units()).collect();
        let next = order.len();
        let mut training =
            Self { source, parameters, optimiser, random, order, next, batch, loss: 0.0 };
        for _ in 0..WARM_UP {
            training.step()?;
        }
        Ok(training)
    }

    /// Trains for so long and answers with units a second: rows, windows or lists.
    ///
    /// # Errors
    /// Where a step fails.
    pub fn run(&mut self, time: Duration, threads: usize) -> Result<f64, String> {
        let work = || -> Result<f64> {
            let mut units = 0;
            let started = Instant::now();
            while started.elapsed() < time {
                for _ in 0..5 {
                    self.step()?;
                    units += self.batch;
                }
            }
            Ok(units as f64 / started.elapsed().as_secs_f64())
        };
        with_threads(threads, work).flatten().map_err(|error| error.to_string())
    }

    /// The loss of the latest batch.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    fn step(&mut self) -> Result<()> {
        if self.next + self.batch > self.order.len() {
            self.order.shuffle(&mut self.random);
            self.next = 0;
        }
        let units = &self.order[self.next..self.next + self.batch];
        self.next += self.batch;
        let mut batch = self.parameters.spare_batch();
        self.source.fill(units, &mut batch);
        let mode = Mode::Train(StepKey(self.random.next_u64()));
        let output = self.parameters.forward(batch.into(), mode)?;
        let loss = self.source.loss(units, &output)?;
        let gradient = self.parameters.gradient(&loss)?;
        // What PyTorch's AdamW does where nothing is said.
        self.optimiser.step(&self.parameters, &gradient, 1.0, 1e-3, 0.01)?;
        self.loss = f64::from(loss.to_scalar::<f32>()?);
        Ok(())
    }
}

/// Floating-point operations a second of large matrix products, on so many threads at once that each
/// work alone: what there would be if training were nothing else.
#[must_use]
pub fn product_peak(threads: usize, time: Duration) -> f64 {
    let workers: Vec<_> =
        (0..threads).map(|_| std::thread::spawn(move || peak::products(time))).collect();
    workers.into_iter().map(|worker| worker.join().expect("products don't panic")).sum()
}

/// Floating-point operations of the products that a unit of a workload takes forward and backward,
/// for those whose nets are products and little else.
#[must_use]
pub fn products_of(workload: Workload) -> Option<f64> {
    let [first, second, last] = match workload {
        Workload::Mlp => [100 * 256, 256 * 256, 256 * 2],
        _ => return None,
    };
    // Forward, the weights' gradients, and the gradients of inputs, which the first layer needs not.
    Some(f64::from(2 * (3 * (first + second + last) - first)))
}
