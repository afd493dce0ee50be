//! Rows through a net whose weights stay as they are: no tensors, and on the calling thread alone.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Storage;

use super::cut::{shards, split_mut};
use super::net::{Batch, Net};
use super::parameters::Parameters;
use super::pass::{Mode, floats};
use super::shard::{Arena, Shard};
use crate::error::{Error, Result};

/// A net as it scores, with what its steps make of the weights worked out once.
#[derive(Debug)]
pub(crate) struct Scorer {
    parameters: Parameters,
    /// Where the steps run on slices: all weights, and what each step prepared.
    fused: Option<(Vec<f32>, Vec<Vec<f32>>)>,
    /// The memory of those who score, as many as did at once.
    idle: Mutex<Vec<Arena>>,
}

impl Scorer {
    /// With the weights as they are now.
    pub(crate) fn new(parameters: &Parameters) -> Result<Self> {
        let mut scorer =
            Self { parameters: parameters.clone(), fused: None, idle: Mutex::default() };
        if parameters.is_fused() {
            let flat = parameters.flat();
            let (storage, layout) = flat.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else {
                return Err(Error::bug("fused steps run on the CPU alone"));
            };
            let weights = floats(storage, layout)?.to_vec();
            let net = parameters.net();
            let mut prepared = vec![vec![]; net.steps.len()];
            for (step, prepared) in net.steps.iter().zip(&mut prepared) {
                step.prepare(net, &weights, false, prepared);
            }
            scorer.fused = Some((weights, prepared));
        }
        Ok(scorer)
    }

    fn net(&self) -> &Arc<Net> {
        self.parameters.net()
    }

    /// Fills `outputs`, row-major, with what the net says of these rows.
    pub(crate) fn score(&self, batch: &Batch, outputs: &mut [f32]) -> Result<()> {
        let net = self.net();
        let width = net.output.width;
        assert_eq!(outputs.len(), batch.rows * width, "a place for every output");
        let Some((weights, prepared)) = &self.fused else {
            let tensor = self.parameters.forward(Arc::new(batch.clone()), Mode::Score)?.detach();
            outputs.copy_from_slice(&tensor.flatten_all()?.to_vec1::<f32>()?);
            return Ok(());
        };
        let mut arena = self.lock().pop().unwrap_or_default();
        let shards = shards(batch.rows, net.groups(batch));
        for (outputs, rows) in split_mut(outputs, &shards, width).into_iter().zip(shards) {
            let shard = Shard { net, batch, rows, weights, prepared, dropout: None };
            arena.prepare(net, shard.rows.len());
            for step in &net.steps {
                step.forward(&shard, &mut arena);
            }
            outputs.copy_from_slice(arena.value(net.output, &shard));
        }
        self.lock().push(arena);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arena>> {
        // Arenas hold nothing that a panic could have left half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
