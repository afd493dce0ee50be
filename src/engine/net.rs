//! A net: what it reads, the steps it takes, and the parameters it needs.

use std::sync::Arc;

use super::plain::Plain;
use super::shard::{Arena, Lane, Shard};
use crate::error::Result;

/// A value of a row on its way through a net: `width` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(super) id: usize,
    pub width: usize,
}

impl Value {
    /// Whether it is the batch's own, whose gradient nobody wants.
    pub(super) fn is_dense(self) -> bool {
        self.id == 0
    }
}

/// Which parameter of a net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParameterId(pub(super) usize);

/// A parameter as a net declares it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Declared {
    pub name: String,
    pub shape: Vec<usize>,
    pub init: Init,
    /// A lookup table, of which a batch touches few rows.
    pub table: bool,
    /// What the learning rate is multiplied with for it.
    pub rate: f32,
    /// Where it starts in the buffer that holds all parameters.
    pub start: usize,
}

impl Declared {
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// How a parameter starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Init {
    /// U(−bound, bound).
    Uniform(f32),
    /// U(−bound, bound), but for the first rows, which are zero.
    Table {
        bound: f32,
        zero_rows: usize,
    },
    /// N(0, deviation²), each number drawn for so many values in turn; for one each where none are named.
    Normal {
        deviation: f32,
        repeats: Vec<usize>,
    },
    Values(Vec<f32>),
}

/// One step of a net: what it does to some rows, and what its twin does to a whole batch.
///
/// A step reads values that earlier steps made and makes one. `backward` finds the gradient of what
/// it made in the arena, adds to the gradients of what it read, and writes those of its parameters.
pub(crate) trait Step: std::fmt::Debug + Send + Sync {
    /// What all shards of a pass need of the weights, worked out once: `Shard::prepared`. When `training`
    /// a backward pass follows.
    fn prepare(&self, _net: &Net, _weights: &[f32], _training: bool, _prepared: &mut Vec<f32>) {}

    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena);

    fn backward(&self, shard: &Shard<'_>, arena: &mut Arena, lane: &mut Lane<'_>);

    /// What is left to do to the gradient of its parameters when that of all shards is added up.
    fn settle(&self, _net: &Net, _gradient: &mut [f32]) {}

    /// The same with candle's own operations: the reference, and what runs on CUDA and Metal.
    fn plain(&self, plain: &mut Plain<'_>) -> Result<()>;

    /// The tables it looks rows up in, whose gradients are gathered after all shards are through.
    fn lookups(&self) -> &[Lookup] {
        &[]
    }
}

/// Row `codes[column]` of a table is what stands at `offset..offset + size` of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lookup {
    pub table: ParameterId,
    pub column: usize,
    pub value: Value,
    pub offset: usize,
    pub size: usize,
}

/// A net without its weights.
#[derive(Debug)]
pub(crate) struct Net {
    pub dense: usize,
    pub codes: usize,
    pub(super) widths: Vec<usize>,
    pub(super) steps: Vec<Box<dyn Step>>,
    pub(super) declared: Vec<Declared>,
    /// How many parameters lie before the first table.
    pub(super) dense_parameters: usize,
    pub(super) output: Value,
    /// Whether a step looks at the rows of a group together, so that batches have to say where groups end.
    grouped: bool,
}

impl Net {
    /// The ends of the groups that may not be cut; none where rows stand alone.
    pub(super) fn groups<'a>(&self, batch: &'a Batch) -> &'a [usize] {
        assert!(
            !self.grouped || batch.ends.last().copied().unwrap_or(0) == batch.rows,
            "a batch of rows that are looked at together says where its groups end"
        );
        if self.grouped { &batch.ends } else { &[] }
    }

    /// Every parameter in the order of the buffer: tables come last.
    pub(crate) fn parameters(&self) -> &[Declared] {
        &self.declared
    }

    pub(super) fn declared(&self, id: ParameterId) -> &Declared {
        &self.declared[id.0]
    }

    /// One parameter of a buffer of all.
    pub(super) fn part<'a>(&self, values: &'a [f32], id: ParameterId) -> &'a [f32] {
        let declared = self.declared(id);
        &values[declared.start..declared.start + declared.len()]
    }

    pub(super) fn total(&self) -> usize {
        self.declared.iter().map(Declared::len).sum()
    }
}

/// Rows on their way into a net, row-major.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub rows: usize,
    /// `rows × dense`.
    pub dense: Vec<f32>,
    /// `rows × codes`.
    pub codes: Vec<u32>,
    /// Where each group of rows ends, such as a query's; for nets that look at these together.
    pub ends: Vec<usize>,
}

impl Batch {
    /// No rows, in the memory of those that were there.
    fn clear(&mut self) {
        self.rows = 0;
        self.dense.clear();
        self.codes.clear();
        self.ends.clear();
    }

    /// The memory of a batch that nobody else looks at any more.
    pub(super) fn spare(batch: Arc<Self>) -> Option<Self> {
        let mut batch = Arc::into_inner(batch)?;
        batch.clear();
        Some(batch)
    }
}

/// Puts a net together step by step.
#[derive(Debug)]
pub(crate) struct NetBuilder {
    dense: usize,
    codes: usize,
    widths: Vec<usize>,
    steps: Vec<Box<dyn Step>>,
    declared: Vec<Declared>,
    grouped: bool,
}

impl NetBuilder {
    /// A net that reads this many dense values and codes a row.
    pub(crate) fn new(dense: usize, codes: usize) -> Self {
        Self { dense, codes, widths: vec![dense], steps: vec![], declared: vec![], grouped: false }
    }

    /// The dense values of the batch.
    pub(crate) fn dense(&self) -> Value {
        Value { id: 0, width: self.dense }
    }

    pub(super) fn value(&mut self, width: usize) -> Value {
        self.widths.push(width);
        Value { id: self.widths.len() - 1, width }
    }

    /// A new parameter. It belongs to one step alone, which writes its gradient.
    pub(super) fn parameter(&mut self, name: String, shape: Vec<usize>, init: Init) -> ParameterId {
        let table = matches!(init, Init::Table { .. });
        self.declared.push(Declared { name, shape, init, table, rate: 1.0, start: 0 });
        ParameterId(self.declared.len() - 1)
    }

    /// Parameters whose names start so learn at this many times the learning rate.
    pub(crate) fn learn_at(&mut self, prefix: &str, rate: f32) {
        let own = self.declared.iter_mut().filter(|declared| declared.name.starts_with(prefix));
        own.for_each(|declared| declared.rate = rate);
    }

    /// A parameter that no step reads, for tests whose loss asks for it by name.
    #[cfg(test)]
    pub(crate) fn free(&mut self, name: &str, values: Vec<f32>, shape: &[usize]) {
        self.parameter(name.to_owned(), shape.to_vec(), Init::Values(values));
    }

    /// From now on a net whose batches say where groups of rows end, and are cut there alone.
    pub(super) fn look_at_groups(&mut self) {
        self.grouped = true;
    }

    pub(super) fn step(&mut self, step: impl Step + 'static) {
        self.steps.push(Box::new(step));
    }

    pub(super) fn steps_taken(&self) -> usize {
        self.steps.len()
    }

    /// A net of free parameters alone, or of none.
    pub(crate) fn finish_without_output(self) -> Arc<Net> {
        let output = self.dense();
        self.finish(output)
    }

    pub(crate) fn finish(mut self, output: Value) -> Arc<Net> {
        // Tables go last, so that what every shard has a gradient of is one piece.
        let mut start = 0;
        for tables in [false, true] {
            for declared in self.declared.iter_mut().filter(|declared| declared.table == tables) {
                declared.start = start;
                start += declared.len();
            }
        }
        let dense = self.declared.iter().filter(|declared| !declared.table).map(Declared::len);
        Arc::new(Net {
            dense: self.dense,
            codes: self.codes,
            dense_parameters: dense.sum(),
            widths: self.widths,
            steps: self.steps,
            declared: self.declared,
            output,
            grouped: self.grouped,
        })
    }
}
