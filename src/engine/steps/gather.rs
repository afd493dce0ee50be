//! A value and the embeddings of a row, side by side.

use candle_core::Tensor;

use crate::engine::net::{Init, Lookup, NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Gather {
    first: Value,
    lookups: Vec<Lookup>,
    output: Value,
}

impl NetBuilder {
    /// The dense values, then the row of each table that the codes name. `tables` are numbers of
    /// codes and sizes; the first `zero_rows` rows of each start at zero, the others from
    /// U(±1/√size). Parameters are named `name.0`, `name.1`, …
    pub(crate) fn gather(
        &mut self,
        name: &str,
        tables: &[(usize, usize)],
        zero_rows: usize,
    ) -> Value {
        let first = self.dense();
        self.gather_after(first, name, tables, zero_rows)
    }

    /// The same after another value than the dense ones.
    pub(crate) fn gather_after(
        &mut self,
        first: Value,
        name: &str,
        tables: &[(usize, usize)],
        zero_rows: usize,
    ) -> Value {
        if tables.is_empty() {
            return first;
        }
        let width = first.width + tables.iter().map(|(_, size)| size).sum::<usize>();
        let output = self.value(width);
        let mut offset = first.width;
        let mut lookups = vec![];
        for (column, &(codes, size)) in tables.iter().enumerate() {
            let init = Init::Table { bound: 1.0 / (size as f32).sqrt(), zero_rows };
            let table = self.parameter(format!("{name}.{column}"), vec![codes, size], init);
            lookups.push(Lookup { table, column, value: output, offset, size });
            offset += size;
        }
        self.step(Gather { first, lookups, output });
        output
    }
}

impl Step for Gather {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        let width = self.first.width;
        let first = arena.value(self.first, shard);
        let tables: Vec<&[f32]> =
            self.lookups.iter().map(|lookup| shard.weights(lookup.table)).collect();
        for (row, values) in output.chunks_exact_mut(self.output.width).enumerate() {
            values[..width].copy_from_slice(&first[row * width..(row + 1) * width]);
            for ((lookup, table), &code) in self.lookups.iter().zip(&tables).zip(shard.codes(row)) {
                let start = code as usize * lookup.size;
                values[lookup.offset..lookup.offset + lookup.size]
                    .copy_from_slice(&table[start..start + lookup.size]);
            }
        }
        arena.put(self.output, output);
    }

    /// The tables' gradients are gathered when all shards are through.
    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let Some((mut target, adds)) = arena.wanted(self.first) else { return };
        if self.first.width > 0 {
            let slopes = arena.gradient_ref(self.output).chunks_exact(self.output.width);
            for (target, slope) in target.chunks_exact_mut(self.first.width).zip(slopes) {
                for (target, slope) in target.iter_mut().zip(slope) {
                    *target = slope + if adds { *target } else { 0.0 };
                }
            }
        }
        arena.put_gradient(self.first, target);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let mut parts = vec![];
        if self.first.width > 0 {
            parts.push(plain.value(self.first)?);
        }
        for lookup in &self.lookups {
            let codes = plain.codes(lookup.column)?;
            parts.push(plain.weight(lookup.table)?.index_select(&codes, 0)?);
        }
        plain.put(self.output, Tensor::cat(&parts, 1)?);
        Ok(())
    }

    fn lookups(&self) -> &[Lookup] {
        &self.lookups
    }
}
