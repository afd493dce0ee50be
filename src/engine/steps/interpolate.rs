//! A few numbers drawn out to many by straight lines between them, added to another value: how a block
//! that says little at a time joins the forecast (N-HiTS: Challu et al. 2023, equation 4).

use candle_core::D;

use super::stretch::Part;
use crate::engine::net::{NetBuilder, Step, Value};
use crate::engine::plain::Plain;
use crate::engine::shard::{Arena, Lane, Shard};
use crate::error::Result;

#[derive(Debug)]
struct Interpolate {
    value: Value,
    offset: usize,
    count: usize,
    base: Option<Value>,
    output: Value,
    places: Vec<Place>,
}

/// Where a number of the output lies among those that are drawn out: between one and the next.
#[derive(Clone, Copy, Debug)]
struct Place {
    before: usize,
    after: usize,
    /// How far it is on its way to the second.
    share: f32,
}

impl NetBuilder {
    /// `count` numbers of a value drawn out to `width`, each in the middle of its share of them and the
    /// outer ones held to the ends; added to a base of that width, if there is one.
    pub(crate) fn interpolate(&mut self, part: Part, width: usize, base: Option<Value>) -> Value {
        let Part { value, offset, count, .. } = part;
        assert!(offset + count <= value.width && count > 0, "a part lies in its value");
        assert!(
            base.is_none_or(|base| base.width == width),
            "a part that is drawn out fits its base"
        );
        let output = self.value(width);
        let places = (0..width).map(|at| place(at, width, count)).collect();
        self.step(Interpolate { value, offset, count, base, output, places });
        output
    }
}

fn place(at: usize, width: usize, count: usize) -> Place {
    let exact = (at as f32 + 0.5) * count as f32 / width as f32 - 0.5;
    let exact = exact.clamp(0.0, (count - 1) as f32);
    let before = exact.floor() as usize;
    Place { before, after: (before + 1).min(count - 1), share: exact - exact.floor() }
}

impl Step for Interpolate {
    fn forward(&self, shard: &Shard<'_>, arena: &mut Arena) {
        let mut output = arena.take(self.output);
        match self.base {
            Some(base) => output.copy_from_slice(arena.value(base, shard)),
            None => output.fill(0.0),
        }
        let rows = arena.value(self.value, shard).chunks_exact(self.value.width);
        for (output, part) in output.chunks_exact_mut(self.output.width).zip(rows) {
            let part = &part[self.offset..self.offset + self.count];
            for (output, place) in output.iter_mut().zip(&self.places) {
                let (before, after) = (part[place.before], part[place.after]);
                *output += before + place.share * (after - before);
            }
        }
        arena.put(self.output, output);
    }

    fn backward(&self, _: &Shard<'_>, arena: &mut Arena, _: &mut Lane<'_>) {
        let slopes = arena.gradient(self.output);
        if let Some(base) = self.base
            && let Some((mut target, adds)) = arena.wanted(base)
        {
            if adds {
                target.iter_mut().zip(&slopes).for_each(|(target, slope)| *target += slope);
            } else {
                target.copy_from_slice(&slopes);
            }
            arena.put_gradient(base, target);
        }
        if let Some((mut target, adds)) = arena.wanted(self.value) {
            if !adds {
                target.fill(0.0);
            }
            let rows = slopes.chunks_exact(self.output.width);
            for (target, slopes) in target.chunks_exact_mut(self.value.width).zip(rows) {
                let target = &mut target[self.offset..self.offset + self.count];
                for (slope, place) in slopes.iter().zip(&self.places) {
                    target[place.before] += slope * (1.0 - place.share);
                    target[place.after] += slope * place.share;
                }
            }
            arena.put_gradient(self.value, target);
        }
        arena.put_gradient(self.output, slopes);
    }

    fn plain(&self, plain: &mut Plain<'_>) -> Result<()> {
        let width = self.output.width;
        let mut map = vec![0.0; self.count * width];
        for (at, place) in self.places.iter().enumerate() {
            map[place.before * width + at] += 1.0 - place.share;
            map[place.after * width + at] += place.share;
        }
        let map = plain.tensor(map, (self.count, width))?;
        let part = plain.value(self.value)?.narrow(D::Minus1, self.offset, self.count)?;
        let drawn = part.contiguous()?.matmul(&map)?;
        let output = match self.base {
            Some(base) => (plain.value(base)? + drawn)?,
            None => drawn,
        };
        plain.put(self.output, output);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line_between_its_numbers_and_level_beyond() {
        let knots = [0.0, 4.0];
        let drawn: Vec<f32> = (0..8)
            .map(|at| place(at, 8, 2))
            .map(|place| {
                knots[place.before] + place.share * (knots[place.after] - knots[place.before])
            })
            .collect();
        assert_eq!(drawn, [0.0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.0, 4.0]);
        // As many as there are: each is itself.
        for at in 0..5 {
            let place = place(at, 5, 5);
            assert!(place.before == at && place.share == 0.0);
        }
    }
}
