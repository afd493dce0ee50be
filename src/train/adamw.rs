//! AdamW (Loshchilov & Hutter 2019, algorithm 2), with its state in the open so that a checkpoint holds it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Tensor};
use rayon::prelude::*;

use crate::engine::Parameters;
use crate::engine::simd::vectorised;
use crate::error::{Error, Result};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Parameters that one core takes at once. Sums over gradients are added up in the order of these pieces.
const PIECE: usize = 16_384;

/// First and second moments by parameter name, and how many steps they have seen: what a checkpoint holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    pub steps: u64,
    pub first: BTreeMap<String, Tensor>,
    pub second: BTreeMap<String, Tensor>,
}

/// The optimiser of one net's parameters.
#[derive(Debug)]
pub(crate) struct AdamW {
    steps: u64,
    buffers: Buffers,
    sections: Vec<Section>,
}

/// Neighbouring parameters that are stepped alike.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Section {
    start: usize,
    end: usize,
    decays: bool,
    /// What their learning rate is multiplied with, their decay left out.
    rate: f32,
}

/// All parameters in as few sections as can be.
///
/// Decoupled weight decay falls on matrices only: shrinking a bias or a scale towards zero says
/// nothing about complexity.
fn sections(parameters: &Parameters) -> Vec<Section> {
    let mut declared: Vec<_> = parameters.declared().iter().collect();
    declared.sort_by_key(|declared| declared.start);
    let mut sections: Vec<Section> = vec![];
    for declared in declared {
        let (start, end) = (declared.start, declared.start + declared.len());
        let own = Section { start, end, decays: declared.shape.len() >= 2, rate: declared.rate };
        match sections.last_mut() {
            Some(last) if last.decays == own.decays && last.rate == own.rate => last.end = end,
            _ => sections.push(own),
        }
    }
    sections
}

/// Moments in the parameters' own order: as plain numbers where one pass updates them in place.
#[derive(Debug)]
enum Buffers {
    Host { first: Vec<f32>, second: Vec<f32> },
    Device { first: Tensor, second: Tensor },
}

/// One step's numbers.
#[derive(Clone, Copy, Debug)]
struct Rates {
    /// What the gradients are multiplied with first.
    scale: f64,
    learning_rate: f64,
    weight_decay: f64,
    /// 1 / (1 − βᵗ) of both moments.
    correct1: f64,
    correct2: f64,
}

impl AdamW {
    /// Takes up moments where they were left; those of a fresh run are empty.
    pub(crate) fn new(parameters: &Parameters, moments: &Moments) -> Result<Self> {
        let flat = |values: &BTreeMap<String, Tensor>| {
            if moments.steps == 0 {
                return Ok(vec![0.0; parameters.count()]);
            }
            parameters.join(values)
        };
        let (first, second) = (flat(&moments.first)?, flat(&moments.second)?);
        let device = parameters.device();
        let buffers = if device.is_cpu() {
            Buffers::Host { first, second }
        } else {
            Buffers::Device {
                first: Tensor::new(first, device)?,
                second: Tensor::new(second, device)?,
            }
        };
        Ok(Self { steps: moments.steps, buffers, sections: sections(parameters) })
    }

    pub(crate) fn moments(&self, parameters: &Parameters) -> Result<Moments> {
        let (first, second) = match &self.buffers {
            Buffers::Host { first, second } => (
                Tensor::new(first.as_slice(), &Device::Cpu)?,
                Tensor::new(second.as_slice(), &Device::Cpu)?,
            ),
            Buffers::Device { first, second } => (first.clone(), second.clone()),
        };
        Ok(Moments {
            steps: self.steps,
            first: parameters.split(&first)?,
            second: parameters.split(&second)?,
        })
    }

    /// One step down the gradient, which is first multiplied by `scale`.
    pub(crate) fn step(
        &mut self,
        parameters: &Parameters,
        gradient: &[f32],
        scale: f64,
        learning_rate: f64,
        weight_decay: f64,
    ) -> Result<()> {
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let rates = Rates {
            scale,
            learning_rate,
            weight_decay,
            correct1: 1.0 / (1.0 - BETA1.powi(steps)),
            correct2: 1.0 / (1.0 - BETA2.powi(steps)),
        };
        if gradient.len() != parameters.count() {
            return Err(Error::bug("a gradient of another net"));
        }
        let sections = &self.sections;
        match &mut self.buffers {
            Buffers::Host { first, second } => {
                let moments = Mutex::new((first.as_mut_slice(), second.as_mut_slice()));
                let step = InPlace { moments, gradient, rates, sections };
                parameters.flat().inplace_op1(&step)?;
            }
            Buffers::Device { first, second } => {
                on_device(parameters, gradient, rates, sections, first, second)?;
            }
        }
        Ok(())
    }
}

/// The step as one walk over the parameters, in place.
struct InPlace<'a> {
    moments: Mutex<(&'a mut [f32], &'a mut [f32])>,
    gradient: &'a [f32],
    rates: Rates,
    sections: &'a [Section],
}

impl InplaceOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("AdamW steps over contiguous float32 parameters")
        };
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = &mut *moments;
        values[start..end]
            .par_chunks_mut(PIECE)
            .zip(first.par_chunks_mut(PIECE))
            .zip(second.par_chunks_mut(PIECE))
            .zip(self.gradient.par_chunks(PIECE))
            .enumerate()
            .for_each(|(at, (((values, first), second), gradient))| {
                let start = at * PIECE;
                let end = start + values.len();
                for section in self.sections {
                    let (from, to) = (section.start.max(start), section.end.min(end));
                    if from < to {
                        let own = from - start..to - start;
                        let moments = (&mut first[own.clone()], &mut second[own.clone()]);
                        let gradient = &gradient[own.clone()];
                        vectorised(
                            #[inline(always)]
                            || walk(&mut values[own], moments, gradient, self.rates, section),
                        );
                    }
                }
            });
        Ok(())
    }
}

#[inline(always)]
fn walk(
    values: &mut [f32],
    (first, second): (&mut [f32], &mut [f32]),
    gradient: &[f32],
    rates: Rates,
    section: &Section,
) {
    let keep = keep(rates, section);
    let (beta1, beta2) = (BETA1 as f32, BETA2 as f32);
    let (rest1, rest2) = ((1.0 - BETA1) as f32, (1.0 - BETA2) as f32);
    let scale = rates.scale as f32;
    let rate = (rates.learning_rate * rates.correct1) as f32 * section.rate;
    let correct2 = rates.correct2 as f32;
    let epsilon = EPSILON as f32;
    let moments = first.iter_mut().zip(second);
    for ((value, (first, second)), &gradient) in values.iter_mut().zip(moments).zip(gradient) {
        let gradient = gradient * scale;
        *first = *first * beta1 + gradient * rest1;
        *second = *second * beta2 + gradient * gradient * rest2;
        *value = *value * keep - rate * *first / ((*second * correct2).sqrt() + epsilon);
    }
}

/// What a step leaves of a parameter before it moves.
#[inline(always)]
fn keep(rates: Rates, section: &Section) -> f32 {
    if section.decays { (1.0 - rates.learning_rate * rates.weight_decay) as f32 } else { 1.0 }
}

/// The same with candle's own operations.
fn on_device(
    parameters: &Parameters,
    gradient: &[f32],
    rates: Rates,
    sections: &[Section],
    first: &mut Tensor,
    second: &mut Tensor,
) -> Result<()> {
    let device = parameters.device();
    let each = |of: &dyn Fn(&Section) -> f32| {
        let values = sections
            .iter()
            .flat_map(|section| std::iter::repeat_n(of(section), section.end - section.start));
        Tensor::from_iter(values, device)
    };
    let (left, rate) = (each(&|section| keep(rates, section))?, each(&|section| section.rate)?);
    let gradient = (Tensor::new(gradient, device)? * rates.scale)?;
    *first = ((&*first * BETA1)? + (&gradient * (1.0 - BETA1))?)?;
    *second = ((&*second * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
    let denominator = ((&*second * rates.correct2)?.sqrt()? + EPSILON)?;
    let update =
        (&*first * (rates.learning_rate * rates.correct1))?.div(&denominator)?.mul(&rate)?;
    let values = parameters.flat().as_tensor().detach();
    Ok(parameters.flat().set(&((values * left)? - update)?)?)
}

/// The Euclidean norm, in double precision, with pieces of a fixed size added up in their order.
pub(crate) fn norm(gradient: &[f32]) -> f64 {
    const WIDE: usize = 16;
    let pieces: Vec<f64> = gradient
        .par_chunks(PIECE)
        .map(|piece| {
            vectorised(
                #[inline(always)]
                || {
                    let mut sums = [0.0_f64; WIDE];
                    let wide = piece.chunks_exact(WIDE);
                    for (sum, &value) in sums.iter_mut().zip(wide.remainder()) {
                        *sum += f64::from(value) * f64::from(value);
                    }
                    for values in wide {
                        for (sum, &value) in sums.iter_mut().zip(values) {
                            *sum += f64::from(value) * f64::from(value);
                        }
                    }
                    sums.iter().sum::<f64>()
                },
            )
        })
        .collect();
    pieces.into_iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use crate::engine::NetBuilder;

    use super::*;

    fn parameters() -> Parameters {
        let mut net = NetBuilder::new(0, 0);
        net.free("w", vec![1.0, -2.0], &[1, 2]);
        net.free("b", vec![0.5], &[1]);
        net.learn_at("b", 3.0);
        let net = net.finish_without_output();
        let mut random = crate::sys::random::stream(1, crate::sys::random::Purpose::Init, 0);
        Parameters::init(&net, &Device::Cpu, &mut random).expect("parameters")
    }

    #[test]
    fn three_steps_are_those_of_the_paper() {
        let parameters = parameters();
        let (rate, decay) = (0.1, 0.01);
        // The same in scalars: the loss is the sum of squares, so the gradient is twice the value.
        let mut expected = [1.0_f64, -2.0, 0.5];
        let (mut first, mut second) = ([0.0_f64; 3], [0.0_f64; 3]);
        let mut optimiser = AdamW::new(&parameters, &Moments::default()).expect("state");
        for step in 1..=3 {
            for at in 0..3 {
                let gradient = 2.0 * expected[at];
                first[at] = BETA1 * first[at] + (1.0 - BETA1) * gradient;
                second[at] = BETA2 * second[at] + (1.0 - BETA2) * gradient * gradient;
                let m = first[at] / (1.0 - BETA1.powi(step));
                let v = second[at] / (1.0 - BETA2.powi(step));
                let shrink = if at < 2 { 1.0 - rate * decay } else { 1.0 };
                let rate = if at < 2 { rate } else { 3.0 * rate };
                expected[at] = expected[at] * shrink - rate * m / (v.sqrt() + EPSILON);
            }
            let values = parameters.flat().to_vec1::<f32>().expect("values");
            let gradient: Vec<f32> = values.into_iter().map(|value| 2.0 * value).collect();
            // Taken up from a checkpoint, each time.
            let moments = optimiser.moments(&parameters).expect("moments");
            optimiser = AdamW::new(&parameters, &moments).expect("state");
            optimiser.step(&parameters, &gradient, 1.0, rate, decay).expect("a step");
        }
        let found = parameters.flat().to_vec1::<f32>().expect("values");
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn the_step_on_a_device_is_the_step_in_place() {
        let (host, device) = (parameters(), parameters());
        let gradient = [0.3, -0.2, 4.0];
        let mut optimiser = AdamW::new(&host, &Moments::default()).expect("state");
        optimiser.step(&host, &gradient, 0.5, 0.1, 0.2).expect("a step");
        let mut zeros =
            [0, 1].map(|_| Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).expect("zeros"));
        let rates = Rates {
            scale: 0.5,
            learning_rate: 0.1,
            weight_decay: 0.2,
            correct1: 1.0 / (1.0 - BETA1),
            correct2: 1.0 / (1.0 - BETA2),
        };
        let [first, second] = &mut zeros;
        on_device(&device, &gradient, rates, &optimiser.sections, first, second).expect("a step");
        let values = |parameters: &Parameters| parameters.flat().to_vec1::<f32>().expect("values");
        for (one, other) in values(&host).iter().zip(values(&device)) {
            assert!((one - other).abs() < 1e-6, "{one} {other}");
        }
    }

    #[test]
    fn the_norm_is_that_of_every_value() {
        let gradient: Vec<f32> = (0..40_001).map(|at| (at as f32 * 0.1).sin()).collect();
        let exact = gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        assert!((norm(&gradient) - exact).abs() < 1e-9 * exact);
    }
}
