//! Loss scaling: how gradients are kept within what float16 can hold.
//!
//! The loss is multiplied by a scale before its gradient is taken, and the gradient divided by it after. A gradient that
//! isn't finite takes no step and halves the scale; many good ones in a row double it (Micikevicius et al., Mixed
//! Precision Training, 2018, section 3.2). Scales are powers of two, which multiply without rounding.

use serde::{Deserialize, Serialize};

use crate::engine::Precision;

/// What a run begins with: too large for most nets, and found out within a few steps.
const FIRST: f64 = 65_536.0;
/// Good steps that double it.
const GOOD_STEPS: u32 = 2000;
/// Beyond, float32 itself would run out of room.
const LARGEST: f64 = 16_777_216.0;
/// A gradient that doesn't fit by then is not the scale's fault.
const SMALLEST: f64 = 1.0 / 16_384.0;

/// A part of a run's progress: a resumed run goes on with the same one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    pub scale: f64,
    /// Steps since it was last changed.
    pub good_steps: u32,
}

impl LossScale {
    /// Where a run begins, if it needs one.
    pub(super) fn of(precision: Precision) -> Option<Self> {
        (precision == Precision::Float16).then_some(Self { scale: FIRST, good_steps: 0 })
    }

    /// A gradient fitted.
    pub(super) fn fitted(&mut self) {
        self.good_steps += 1;
        if self.good_steps == GOOD_STEPS {
            *self = Self { scale: (self.scale * 2.0).min(LARGEST), good_steps: 0 };
        }
    }

    /// A gradient didn't fit; false where a smaller scale wouldn't help.
    pub(super) fn overflowed(&mut self) -> bool {
        *self = Self { scale: self.scale / 2.0, good_steps: 0 };
        self.scale >= SMALLEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_halves_at_once_and_doubles_after_many_good_steps() {
        assert!(LossScale::of(Precision::Float32).is_none());
        assert!(LossScale::of(Precision::Bfloat16).is_none());
        let mut scale = LossScale::of(Precision::Float16).expect("one");
        assert!(scale.overflowed() && scale.overflowed());
        (1..GOOD_STEPS).for_each(|_| scale.fitted());
        assert_eq!(scale, LossScale { scale: 16_384.0, good_steps: GOOD_STEPS - 1 });
        scale.fitted();
        assert_eq!(scale, LossScale { scale: 32_768.0, good_steps: 0 });
        (0..100 * GOOD_STEPS).for_each(|_| scale.fitted());
        assert_eq!(scale.scale, LARGEST);
        let halved = (0..1000).take_while(|_| scale.overflowed()).count();
        assert_eq!(halved, 38, "2²⁴ to 2⁻¹⁴");
    }
}
