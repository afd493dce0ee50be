//! A batch on its way through a net on the CPU: one candle operation, on all cores.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Storage, Tensor};
use rayon::prelude::*;

use super::cut::{shards, split_mut};
use super::dropout::StepKey;
use super::net::{Batch, Lookup, Net};
use super::shard::{Arena, Lane, Shard};

/// Into how many sums the shards' gradients go before these are added up, and so how many cores a
/// backward pass can use.
const LANES: usize = 8;
/// Batches that wait to be filled again: one on its way in, one whose gradient is being gathered.
const SPARE_BATCHES: usize = 2;
/// Parameters that are added up at once.
const PIECE: usize = 8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Score,
    /// With dropout drawn from this key.
    Train(StepKey),
}

/// The memory that passes through one net use again and again, and the gradient of the latest.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    idle: Mutex<Vec<Arena>>,
    /// What steps make of the weights, of passes that are over.
    prepared: Mutex<Vec<Vec<Vec<f32>>>>,
    gradient: Mutex<Gradient>,
    /// Batches that have been trained on.
    batches: Mutex<Vec<Batch>>,
}

/// The gradient of all parameters in one buffer.
///
/// It stays out of candle's store, which would clear and add a second buffer of the same size.
#[derive(Debug, Default)]
pub(crate) struct Gradient {
    pub values: Vec<f32>,
    lanes: Vec<Vec<f32>>,
    /// The batch whose table rows have something in them.
    touched: Option<Arc<Batch>>,
    /// Whether a backward pass has run since it was last asked for.
    pub fresh: bool,
}

impl Workspace {
    pub(crate) fn gradient(&self) -> MutexGuard<'_, Gradient> {
        // A thread that panicked leaves numbers behind, which the next pass overwrites.
        self.gradient.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty batch, with the memory of one that went through before.
    pub(super) fn batch(&self) -> Batch {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// For who asks for a spare one. Not everyone does: without a limit, what passes leave behind
    /// would pile up with every step.
    fn keep(&self, spare: Option<Batch>) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if batches.len() < SPARE_BATCHES {
            batches.extend(spare);
        }
    }

    fn arenas(&self, count: usize) -> Vec<Arena> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.len().saturating_sub(count);
        let mut arenas = idle.split_off(kept);
        arenas.resize_with(count, Arena::default);
        arenas
    }

    fn prepared(&self) -> Vec<Vec<f32>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, memory: Memory, batch: Arc<Batch>) {
        let Memory { arenas, prepared } = memory;
        self.keep(Batch::spare(batch));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(arenas);
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).push(prepared);
    }
}

/// A pass as candle sees it: an operation on the buffer of all parameters.
#[derive(Debug)]
pub(super) struct Pass {
    pub net: Arc<Net>,
    pub batch: Arc<Batch>,
    pub mode: Mode,
    pub workspace: Arc<Workspace>,
    /// The rows of each.
    shards: Vec<Range<usize>>,
    memory: Mutex<Memory>,
}

/// What a pass keeps from forward to backward.
#[derive(Debug, Default)]
struct Memory {
    /// One a shard.
    arenas: Vec<Arena>,
    /// One a step.
    prepared: Vec<Vec<f32>>,
}

impl Pass {
    pub(super) fn new(
        net: Arc<Net>,
        batch: Arc<Batch>,
        mode: Mode,
        workspace: Arc<Workspace>,
    ) -> Self {
        let shards = shards(batch.rows, net.groups(&batch));
        let arenas = workspace.arenas(shards.len());
        let memory = Mutex::new(Memory { arenas, prepared: workspace.prepared() });
        Self { net, batch, mode, workspace, shards, memory }
    }

    fn shard<'a>(&'a self, at: usize, weights: &'a [f32], prepared: &'a [Vec<f32>]) -> Shard<'a> {
        let rows = self.shards[at].clone();
        let dropout = match self.mode {
            Mode::Score => None,
            Mode::Train(key) => Some(key),
        };
        Shard { net: &self.net, batch: &self.batch, rows, weights, prepared, dropout }
    }

    fn forward(&self, weights: &[f32]) -> Vec<f32> {
        let net = &*self.net;
        let width = net.output.width;
        let mut output = vec![0.0; self.batch.rows * width];
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory { arenas, prepared } = &mut *memory;
        prepared.resize_with(net.steps.len(), Vec::new);
        let training = self.mode != Mode::Score;
        net.steps
            .par_iter()
            .zip(prepared.par_iter_mut())
            .for_each(|(step, prepared)| step.prepare(net, weights, training, prepared));
        let parts = split_mut(&mut output, &self.shards, width);
        arenas.par_iter_mut().zip(parts).enumerate().for_each(|(at, (arena, part))| {
            let shard = self.shard(at, weights, prepared);
            arena.prepare(net, shard.rows.len());
            for step in &net.steps {
                step.forward(&shard, arena);
            }
            part.copy_from_slice(arena.value(net.output, &shard));
        });
        output
    }

    fn backward(&self, weights: &[f32], slopes: &[f32]) {
        let net = &*self.net;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory { arenas, prepared } = &mut *memory;
        let mut gradient = self.workspace.gradient();
        let Gradient { values, lanes, touched, fresh } = &mut *gradient;
        values.resize(net.total(), 0.0);
        let (dense, tables) = values.split_at_mut(net.dense_parameters);

        let shards_per_lane = arenas.len().div_ceil(LANES);
        let lane_count = arenas.len().div_ceil(shards_per_lane.max(1));
        lanes.resize_with(lane_count.saturating_sub(1), Vec::new);
        for lane in lanes.iter_mut() {
            lane.resize(dense.len(), 0.0);
        }
        let mut targets: Vec<&mut [f32]> = vec![&mut *dense];
        targets.extend(lanes.iter_mut().map(Vec::as_mut_slice));
        let work = arenas.par_chunks_mut(shards_per_lane.max(1)).zip(targets);
        work.enumerate().for_each(|(at, (arenas, gradient))| {
            let mut lane = Lane { gradient, add: false };
            for (offset, arena) in arenas.iter_mut().enumerate() {
                let shard = self.shard(at * shards_per_lane + offset, weights, prepared);
                let width = net.output.width;
                let part = &slopes[shard.rows.start * width..shard.rows.end * width];
                arena.prepare_backward(net, part);
                for step in net.steps.iter().rev() {
                    step.backward(&shard, arena, &mut lane);
                }
                lane.add = true;
            }
        });

        if !lanes.is_empty() {
            dense.par_chunks_mut(PIECE).enumerate().for_each(|(at, piece)| {
                let start = at * PIECE;
                for lane in &*lanes {
                    let other = &lane[start..start + piece.len()];
                    piece.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
                }
            });
        }
        net.steps.iter().for_each(|step| step.settle(net, dense));
        self.gather(tables, arenas, touched.as_deref());
        let before = std::mem::replace(touched, (!tables.is_empty()).then(|| self.batch.clone()));
        self.workspace.keep(before.and_then(Batch::spare));
        *fresh = true;
    }

    /// The gradients of the tables: row by row in the batch's order, each table on one core.
    fn gather(&self, tables: &mut [f32], arenas: &[Arena], touched: Option<&Batch>) {
        let net = &*self.net;
        let mut work: Vec<(&Lookup, &mut [f32])> = vec![];
        let mut rest = tables;
        let mut lookups: Vec<&Lookup> = net.steps.iter().flat_map(|step| step.lookups()).collect();
        lookups.sort_by_key(|lookup| net.declared(lookup.table).start);
        for lookup in lookups {
            let (table, after) = rest.split_at_mut(net.declared(lookup.table).len());
            work.push((lookup, table));
            rest = after;
        }
        work.into_par_iter().for_each(|(lookup, table)| {
            let size = lookup.size;
            for codes in touched.iter().flat_map(|batch| batch.codes.chunks_exact(net.codes)) {
                table[codes[lookup.column] as usize * size..][..size].fill(0.0);
            }
            let mut codes = self.batch.codes.chunks_exact(net.codes);
            for arena in arenas {
                let slopes = arena.gradient_ref(lookup.value).chunks_exact(lookup.value.width);
                for (slope, codes) in slopes.zip(&mut codes) {
                    let row = &mut table[codes[lookup.column] as usize * size..][..size];
                    let slope = &slope[lookup.offset..lookup.offset + size];
                    row.iter_mut().zip(slope).for_each(|(sum, value)| *sum += value);
                }
            }
        });
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.workspace.give_back(std::mem::take(memory), std::mem::take(&mut self.batch));
    }
}

impl CustomOp1 for Pass {
    fn name(&self) -> &'static str {
        "net"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let output = self.forward(floats(storage, layout)?);
        let shape = Shape::from((self.batch.rows, self.net.output.width));
        Ok((CpuStorage::F32(output), shape))
    }

    /// Leaves the gradient in the workspace and candle's store without one; see [`Gradient`].
    fn bwd(
        &self,
        weights: &Tensor,
        _output: &Tensor,
        slopes: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let slopes = slopes.contiguous()?;
        let (slopes, slopes_layout) = slopes.storage_and_layout();
        let (weights, weights_layout) = weights.storage_and_layout();
        let (Storage::Cpu(slopes), Storage::Cpu(weights)) = (&*slopes, &*weights) else {
            candle_core::bail!("a fused pass runs on the CPU alone")
        };
        self.backward(floats(weights, weights_layout)?, floats(slopes, slopes_layout)?);
        Ok(None)
    }
}

/// The values of a contiguous float32 tensor.
pub(super) fn floats<'a>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a fused operation reads contiguous tensors")
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_nobody_asks_for_do_not_pile_up() {
        let workspace = Workspace::default();
        for rows in 0..100 {
            workspace.keep(Batch::spare(Arc::new(Batch { rows, ..Batch::default() })));
        }
        assert_eq!(workspace.batches.lock().expect("whole").len(), SPARE_BATCHES);
        assert_eq!(workspace.batch().rows, 0, "what is spare is empty");
    }
}
