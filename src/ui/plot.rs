//! Curves as text: dots of Braille for one, letters where several share a plot.

use std::fmt::Write as _;

/// Rows of characters that a plot has.
const HEIGHT: usize = 8;

/// The narrowest and the widest plot, in characters between its axis and its end.
const WIDTHS: (usize, usize) = (16, 72);

/// Room for the numbers of the vertical axis.
const LABELS: usize = 10;

/// A curve: a value an epoch, in the order of epochs. Points that are no finite number are left out.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// What draws it where it is not alone.
    pub mark: char,
    /// `(epoch, value)`.
    pub points: Vec<(usize, f64)>,
}

/// Draw curves over a common pair of axes; `room` is the width of the page.
pub(super) fn plot(title: &str, curves: &[Curve], room: usize, page: &mut String) {
    let finite = || {
        let points = curves.iter().flat_map(|curve| &curve.points);
        points.copied().filter(|(_, value)| value.is_finite())
    };
    let Some((mut first, mut last)) = finite().map(|(epoch, _)| (epoch, epoch)).next() else {
        let _ = writeln!(page, "{title}: nothing to plot");
        return;
    };
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for (epoch, value) in finite() {
        (first, last) = (first.min(epoch), last.max(epoch));
        (low, high) = (low.min(value), high.max(value));
    }
    let width = room.saturating_sub(LABELS + 2).clamp(WIDTHS.0, WIDTHS.1);
    let area = Area { first, last, low, high, width };
    let rows = match curves {
        [curve] => area.dots(curve),
        _ => area.letters(curves),
    };
    let _ = writeln!(page, "{title}");
    for (at, row) in rows.iter().enumerate() {
        let label = match at {
            0 => number(high),
            at if at == HEIGHT - 1 => number(low),
            at if at == HEIGHT / 2 => {
                number(low + (high - low) * (HEIGHT - 1 - at) as f64 / (HEIGHT - 1) as f64)
            }
            _ => String::new(),
        };
        let line = format!("{label:>LABELS$} │{}", row.iter().collect::<String>());
        let _ = writeln!(page, "{}", line.trim_end());
    }
    let _ = writeln!(page, "{:>LABELS$} └{}", "", "─".repeat(width));
    let ends = (first.to_string(), last.to_string());
    let gap = width.saturating_sub(ends.0.len());
    let _ = writeln!(page, "{:>LABELS$}  {}{:>gap$}", "epoch", ends.0, ends.1);
}

/// Four digits that tell.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e5).contains(&size) {
        let digits = if size >= 1000.0 { 1 } else { 4 };
        format!("{value:.digits$}")
    } else {
        format!("{value:.2e}")
    }
}

/// Where points lie.
struct Area {
    first: usize,
    last: usize,
    low: f64,
    high: f64,
    width: usize,
}

impl Area {
    /// The column and row of a point in a grid of so many, rows from the top.
    fn place(&self, (epoch, value): (usize, f64), columns: usize, rows: usize) -> (usize, usize) {
        let across = (epoch - self.first) as f64 / (self.last - self.first).max(1) as f64;
        let up =
            if self.high > self.low { (value - self.low) / (self.high - self.low) } else { 0.5 };
        let on = |share: f64, cells: usize| (share * (cells - 1) as f64).round() as usize;
        (on(across, columns), rows - 1 - on(up, rows))
    }

    /// A line through the points, two dots wide and four high a character.
    fn dots(&self, curve: &Curve) -> Vec<Vec<char>> {
        // The bits of a Braille character: columns of four, the fourth row was added later (Unicode 3.0, U+2800).
        const BITS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let (columns, rows) = (self.width * 2, HEIGHT * 4);
        let mut cells = vec![vec![0_u32; self.width]; HEIGHT];
        let mut dot = |x: usize, y: usize| cells[y / 4][x / 2] |= BITS[x % 2][y % 4];
        let mut before: Option<(usize, usize)> = None;
        for &point in &curve.points {
            if !point.1.is_finite() {
                // A gap where there is no value.
                before = None;
                continue;
            }
            let (x, y) = self.place(point, columns, rows);
            let (from_x, from_y) = before.unwrap_or((x, y));
            let steps = (x - from_x).max(y.abs_diff(from_y));
            for step in 0..=steps {
                let share = step as f64 / steps.max(1) as f64;
                let between = |from: usize, to: usize| {
                    (from as f64 + (to as f64 - from as f64) * share).round() as usize
                };
                dot(between(from_x, x), between(from_y, y));
            }
            before = Some((x, y));
        }
        let shown = |bits: &u32| match bits {
            0 => ' ',
            bits => char::from_u32(0x2800 + bits).unwrap_or(' '),
        };
        cells.iter().map(|row| row.iter().map(shown).collect()).collect()
    }

    /// A letter a point; `*` where curves meet.
    fn letters(&self, curves: &[Curve]) -> Vec<Vec<char>> {
        let mut cells = vec![vec![' '; self.width]; HEIGHT];
        for curve in curves {
            for &point in curve.points.iter().filter(|(_, value)| value.is_finite()) {
                let (x, y) = self.place(point, self.width, HEIGHT);
                let cell = &mut cells[y][x];
                *cell = if *cell == ' ' || *cell == curve.mark { curve.mark } else { '*' };
            }
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(mark: char, values: &[f64]) -> Curve {
        let points = values.iter().enumerate().map(|(at, &value)| (at + 1, value)).collect();
        Curve { mark, points }
    }

    fn drawn(curves: &[Curve], room: usize) -> String {
        let mut page = String::new();
        plot("loss", curves, room, &mut page);
        page
    }

    #[test]
    fn one_curve_is_a_line_of_dots() {
        let values: Vec<f64> = (0..20).map(|at| 1.0 / f64::from(at + 1)).collect();
        insta::assert_snapshot!(drawn(&[curve('a', &values)], 36), @"
        loss
            1.0000 │⡇
                   │⢸
                   │⢸
                   │ ⡇
            0.4571 │ ⠱⡀
                   │  ⠱⡀
                   │   ⠈⠒⢄⣀
            0.0500 │       ⠉⠒⠒⠒⠒⠤⠤⠤⠤⠤⠤⣀⣀⣀⣀⣀⣀
                   └────────────────────────
             epoch  1                     20
        ");
    }

    #[test]
    fn several_are_letters_and_a_star_where_they_meet() {
        let (a, b) = (curve('a', &[1.0, 0.5, 0.0]), curve('b', &[0.0, 0.5, 1.0]));
        insta::assert_snapshot!(drawn(&[a, b], 10), @"
        loss
            1.0000 │a              b
                   │
                   │
                   │        *
            0.4286 │
                   │
                   │
            0.0000 │b              a
                   └────────────────
             epoch  1              3
        ");
    }

    #[test]
    fn what_is_no_number_is_a_gap_and_nothing_is_said_to_be_nothing() {
        let text = drawn(&[curve('a', &[1.0, f64::NAN, 1.0])], 30);
        assert_eq!(text.matches(|dot: char| ('\u{2801}'..='\u{28ff}').contains(&dot)).count(), 2);
        assert_eq!(drawn(&[curve('a', &[f64::NAN])], 30), "loss: nothing to plot\n");
        assert_eq!(drawn(&[], 30), "loss: nothing to plot\n");
    }

    #[test]
    fn numbers_have_the_digits_that_tell() {
        for (value, text) in [
            (0.0, "0.0000"),
            (0.31416, "0.3142"),
            (-12.5, "-12.5000"),
            (12345.67, "12345.7"),
            (1e9, "1.00e9"),
            (3e-7, "3.00e-7"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
