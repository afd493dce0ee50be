//! Loops compiled for the processor at hand: one binary holds several versions and picks when it runs.

use pulp::Arch;

/// Runs a loop with the widest vector instructions that this processor has.
///
/// What is inside must be inlined whole, or it is compiled for the oldest processor only. The
/// instruction set changes how many values go at once, never the order of operations on one of
/// them, so the bits are the same on every processor.
#[inline]
pub(crate) fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(body)
}

/// e^x to within two units in the last place, in a form that vectorises (Cephes `expf`: range
/// reduction by ln 2 in two parts, then a polynomial of degree six).
///
/// Below −87.3 it is e^−87.3, about 1e-38, and above 88 it is e^88: gradients need no denormals.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and taking away 1.5 · 2²³ rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.3, 88.0);
    let whole = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let rest = x - whole * LN2_HIGH - whole * LN2_LOW;
    let mut sum = 1.987_569_1e-4;
    sum = sum * rest + 1.398_199_9e-3;
    sum = sum * rest + 8.333_452e-3;
    sum = sum * rest + 4.166_579_6e-2;
    sum = sum * rest + 1.666_666_5e-1;
    sum = sum * rest + 5.0e-1;
    let power = f32::from_bits(((whole as i32 + 127) << 23) as u32);
    (sum * rest * rest + rest + 1.0) * power
}

/// ln(1 + x) of an x from 0 to 1, to within two units in the last place (Cephes `logf`).
#[inline(always)]
pub(crate) fn ln_1p(x: f32) -> f32 {
    // Above √2, ln(1 + x) is ln 2 more than that of half of it; both differences are exact.
    let large = x > std::f32::consts::SQRT_2 - 1.0;
    let z = if large { (x - 1.0) * 0.5 } else { x };
    let square = z * z;
    let mut sum = 7.037_683_6e-2;
    sum = sum * z - 1.151_461e-1;
    sum = sum * z + 1.167_699_87e-1;
    sum = sum * z - 1.242_014_1e-1;
    sum = sum * z + 1.424_932_3e-1;
    sum = sum * z - 1.666_805_8e-1;
    sum = sum * z + 2.000_071_5e-1;
    sum = sum * z - 2.499_999_4e-1;
    sum = sum * z + 3.333_333e-1;
    let logarithm = z - 0.5 * square + sum * z * square;
    if large { logarithm + std::f32::consts::LN_2 } else { logarithm }
}

/// cos 2πx to within 3e-7, in a form that vectorises: the turn nearest to it is taken away, and a
/// polynomial of the square does the rest (the Taylor series of cos 2πx, folded at a quarter turn).
#[inline(always)]
pub(crate) fn cos_turns(x: f32) -> f32 {
    // Adding and taking away 1.5 · 2²³ rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    // Beyond this a float32 has no parts of a turn left.
    let x = x.clamp(-4_194_304.0, 4_194_304.0);
    let x = (x - ((x + ROUND) - ROUND)).abs();
    // From a quarter turn on it is minus the cosine of what is left to the half.
    let far = x > 0.25;
    let folded = if far { 0.5 - x } else { x };
    let square = folded * folded;
    let mut sum = 7.903_536e0;
    sum = sum * square - 2.642_625_7e1;
    sum = sum * square + 6.024_464e1;
    sum = sum * square - 8.545_682e1;
    sum = sum * square + 6.493_939e1;
    sum = sum * square - 1.973_920_8e1;
    let cosine = sum * square + 1.0;
    if far { -cosine } else { cosine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_1p_is_within_two_units_in_the_last_place() {
        for step in 1..=10_000 {
            let x = step as f32 * 1e-4;
            let exact = f64::from(x).ln_1p();
            let error = (f64::from(ln_1p(x)) - exact).abs() / exact;
            assert!(error < 2.4e-7, "ln(1 + {x}) is off by {error}");
        }
        assert_eq!(ln_1p(0.0), 0.0);
    }

    #[test]
    fn cos_turns_is_within_three_ten_millionths() {
        for step in -20_000..20_000 {
            let x = step as f32 * 1e-3;
            let exact = (f64::from(x) * std::f64::consts::TAU).cos();
            let error = (f64::from(cos_turns(x)) - exact).abs();
            assert!(error < 3e-7, "cos({x} turns) is off by {error}");
        }
        assert!(cos_turns(f32::NAN).is_nan());
        assert!(cos_turns(1e30).abs() <= 1.0);
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in -8_700..8_800 {
            let x = step as f32 * 0.01;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.4e-7, "exp({x}) is off by {error}");
        }
        assert!(exp(-1e30) > 0.0 && exp(-1e30) < 2e-38);
        assert!(exp(1e30).is_finite());
    }
}
