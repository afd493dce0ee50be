//! Weights of the members of a blend, from what they say of validation data.
//!
//! [`mixture`] is for members that answer with probabilities, [`greedy`] for any loss. Both are deterministic
//! and give weights of zero or more that add up to one.

use crate::error::{Error, Result};

/// How many validation rows each member has from the start, as in Laplace's rule of succession: with few
/// rows the weights stay close to a plain mean, with many the rows decide. More would weigh much: members
/// mostly agree, so that thousands of rows tell good weights from equal ones by a few nats.
const PRIOR_ROWS: f64 = 1.0;

/// Members with a smaller share than this are left out, and the others weighed anew.
const LEAST: f64 = 0.03;

/// Rounds of expectation and maximisation at most, and the change of weights that ends them.
const ROUNDS: usize = 2000;
const STILL: f64 = 1e-7;

/// The weighted sum of what members say, value by value.
pub(crate) fn together(members: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; members.first().map_or(0, Vec::len)];
    for (said, weight) in members.iter().zip(weights) {
        sums.iter_mut().zip(said).for_each(|(sum, own)| *sum += weight * own);
    }
    sums
}

/// The weights with which a mixture of the members makes the rows most likely, under a Dirichlet prior
/// (expectation maximisation: Dempster, Laird & Rubin 1977). `chances` holds, member by member, the probability
/// that was given to what each row turned out to be, `counts` by how much each row counts; the log loss is convex in the weights, so there is one answer.
pub(crate) fn mixture(chances: &[Vec<f64>], counts: Option<&[f64]>) -> Vec<f64> {
    let mut taken: Vec<usize> = (0..chances.len()).collect();
    loop {
        let own: Vec<&[f64]> = taken.iter().map(|&member| chances[member].as_slice()).collect();
        let weights = expectation_maximisation(&own, counts);
        let kept: Vec<usize> = (0..taken.len()).filter(|&at| weights[at] >= LEAST).collect();
        if kept.len() == taken.len() || kept.is_empty() {
            let mut all = vec![0.0; chances.len()];
            taken.iter().zip(weights).for_each(|(&member, weight)| all[member] = weight);
            return all;
        }
        taken = kept.into_iter().map(|at| taken[at]).collect();
    }
}

fn expectation_maximisation(chances: &[&[f64]], counts: Option<&[f64]>) -> Vec<f64> {
    let members = chances.len();
    let rows = chances.first().map_or(0, |first| first.len());
    let count = |row: usize| counts.map_or(1.0, |counts| counts[row]);
    let mut weights = vec![1.0 / members as f64; members];
    for _ in 0..ROUNDS {
        let mut shares = vec![PRIOR_ROWS; members];
        (0..rows).for_each(|row| {
            // A row that no member thought possible tells none from another.
            let chance = |member: usize| weights[member] * chances[member][row].max(1e-15);
            let total: f64 = (0..members).map(chance).sum();
            (0..members).for_each(|member| shares[member] += count(row) * chance(member) / total);
        });
        let total: f64 = shares.iter().sum();
        let next: Vec<f64> = shares.into_iter().map(|share| share / total).collect();
        let moved = weights.iter().zip(&next).map(|(one, other)| (one - other).abs());
        let moved = moved.fold(0.0, f64::max);
        weights = next;
        if moved < STILL {
            break;
        }
    }
    weights
}

/// Greedy ensemble selection with replacement (Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004):
/// from the best member on, the member is added whose addition makes `loss` of the weights least; the best of all
/// these blends is taken. The more rounds, the finer the weights.
pub(crate) fn greedy(
    members: usize,
    rounds: usize,
    mut loss: impl FnMut(&[f64]) -> Result<f64>,
) -> Result<Vec<f64>> {
    let mut counts = vec![0_usize; members];
    let mut best: Option<(f64, Vec<f64>)> = None;
    for round in 1..=rounds.max(1) {
        let mut least: Option<(f64, usize, Vec<f64>)> = None;
        for member in 0..members {
            counts[member] += 1;
            let weights: Vec<f64> =
                counts.iter().map(|&count| count as f64 / round as f64).collect();
            counts[member] -= 1;
            let value = loss(&weights)?;
            if !value.is_nan() && least.as_ref().is_none_or(|(known, ..)| value < *known) {
                least = Some((value, member, weights));
            }
        }
        let Some((value, member, weights)) = least else { break };
        counts[member] += 1;
        if best.as_ref().is_none_or(|(known, _)| value < *known) {
            best = Some((value, weights));
        }
    }
    best.map(|(_, weights)| weights).ok_or_else(|| Error::user("no member's loss is a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_loss(chances: &[Vec<f64>], weights: &[f64]) -> f64 {
        let rows = chances[0].len();
        let row = |row: usize| -> f64 {
            chances.iter().zip(weights).map(|(own, weight)| own[row] * weight).sum()
        };
        -(0..rows).map(|at| row(at).ln()).sum::<f64>() / rows as f64
    }

    /// Two members that are right of different rows, and one that is worse than either of them everywhere.
    fn members(rows: usize) -> Vec<Vec<f64>> {
        let of = |good: fn(usize) -> bool| {
            (0..rows).map(|row| if good(row) { 0.9 } else { 0.2 }).collect::<Vec<f64>>()
        };
        vec![of(|row| row % 3 == 0), of(|row| row % 3 != 0), vec![0.1; rows]]
    }

    #[test]
    fn a_mixture_beats_its_members_and_leaves_the_hopeless_out() {
        let chances = members(3000);
        let weights = mixture(&chances, None);
        assert_eq!(weights[2], 0.0);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let mixed = log_loss(&chances, &weights);
        for alone in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] {
            assert!(mixed < log_loss(&chances, &alone));
        }
        // No pair of weights is better by more than the prior's pull.
        let best = (0..=100)
            .map(|at| {
                log_loss(&chances, &[f64::from(at) / 100.0, 1.0 - f64::from(at) / 100.0, 0.0])
            })
            .fold(f64::INFINITY, f64::min);
        assert!(mixed < best + 1e-3, "{mixed} {best}");
    }

    #[test]
    fn few_rows_stay_near_the_mean_and_one_member_is_all() {
        let weights = mixture(&members(3)[..2], None);
        // The rows alone would say .24.
        assert!((0.3..0.5).contains(&weights[0]), "{weights:?}");
        assert_eq!(mixture(&[vec![0.0, 0.5]], None), [1.0]);
        assert!(
            mixture(&[vec![0.0; 4], vec![0.0; 4]], None).iter().all(|weight| weight.is_finite())
        );
    }

    #[test]
    fn greedy_selection_finds_what_helps() {
        let chances = members(300);
        let weights = greedy(3, 20, |weights| Ok(log_loss(&chances, weights))).expect("weights");
        assert_eq!(weights[2], 0.0);
        assert!(weights[1] > weights[0] && weights[0] > 0.0, "{weights:?}");
        assert_eq!(greedy(2, 5, |w| Ok(w[0])).expect("weights"), [0.0, 1.0]);
        assert!(greedy(2, 5, |_| Ok(f64::NAN)).is_err());
    }
}
