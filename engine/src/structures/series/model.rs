//! The series against a `BTreeMap`: what must hold for any input.
//!
//! Why it exists: one property serves the tests here and the fuzz target.

/// What must hold for any input.
pub mod properties {
    use std::collections::BTreeMap;
    use std::ops::Bound;

    use crate::structures::series::{Blocked, DuplicatePolicy, Sample, Series};

    /// Every twelve bytes are an operation: what to do, a time (mostly near the last one) and a
    /// value.
    ///
    /// # Panics
    /// When the series does not answer as a `BTreeMap`.
    pub fn agrees_with_a_tree(input: &[u8]) {
        let Some((&size, ops)) = input.split_first() else { return };
        let mut series = Series::new(48 + usize::from(size) * 8);
        let (mut model, mut clock) = (BTreeMap::new(), 1_000_i64);
        let mut kept = Vec::new();
        for (step, op) in ops.chunks_exact(12).enumerate() {
            let time = i64::from(i16::from_le_bytes([op[1], op[2]]));
            let raw = u64::from_le_bytes(op[4..].try_into().expect("eight bytes"));
            let value = value(raw, op[3]);
            match op[0] & 15 {
                0..8 => {
                    clock += time.abs() >> (op[0] >> 4);
                    add(&mut series, &mut model, clock, value, DuplicatePolicy::Last);
                }
                8..12 => {
                    let time = clock - (time.abs() >> (op[0] >> 5));
                    add(&mut series, &mut model, time, value, policy(op[3]));
                }
                12 => {
                    let from = clock - (time.abs() >> (op[0] >> 6));
                    let to = from + i64::from(op[3]);
                    let removed = series.remove_range(from, to);
                    let before = model.len();
                    model.retain(|&time, _: &mut f64| time < from || time > to);
                    assert_eq!(removed, before - model.len(), "step {step}");
                }
                13 => {
                    let time = clock - time.abs() * 16;
                    series.drop_before(time);
                    // Whole chunks only: the model follows what the series kept.
                    let first = series.first_time().unwrap_or(i64::MAX);
                    assert!(model.range(time..).next().is_none_or(|(&t, _)| t >= first));
                    model.retain(|&time, _| time >= first);
                }
                14 if op[3] < 64 => {
                    // One of the two is edited from now on, the other must stay as it is.
                    let clone = series.clone();
                    let stays = op[3] & 1 == 0;
                    let other = if stays { clone } else { std::mem::replace(&mut series, clone) };
                    kept.push((other, model.clone()));
                }
                _ => check(&series, &model, clock - time.abs(), clock - time.abs() / 2),
            }
        }
        check(&series, &model, i64::MIN, i64::MAX);
        for (clone, was) in kept {
            check(&clone, &was, i64::MIN, i64::MAX);
        }
    }

    fn policy(byte: u8) -> DuplicatePolicy {
        use DuplicatePolicy::{Block, First, Last, Max, Min, Sum};
        [Block, First, Last, Max, Min, Sum][usize::from(byte) % 6]
    }

    /// Values as sensors have them, and any at all, but no NaN, which equals nothing.
    fn value(raw: u64, kind: u8) -> f64 {
        match kind & 3 {
            0 => 20.0,
            1 => f64::from(u32::from(raw.to_le_bytes()[0])) / 4.0,
            2 => f64::from(i32::from_le_bytes(raw.to_le_bytes()[..4].try_into().expect("four"))),
            _ => Some(f64::from_bits(raw)).filter(|value| !value.is_nan()).unwrap_or(0.5),
        }
    }

    fn add(
        series: &mut Series,
        model: &mut BTreeMap<i64, f64>,
        time: i64,
        value: f64,
        policy: DuplicatePolicy,
    ) {
        let want = match (model.get(&time).copied(), policy) {
            (None, _) | (Some(_), DuplicatePolicy::Last) => Ok(value),
            (Some(_), DuplicatePolicy::Block) => Err(Blocked),
            (Some(old), DuplicatePolicy::First) => Ok(old),
            (Some(old), DuplicatePolicy::Max) => Ok(old.max(value)),
            (Some(old), DuplicatePolicy::Min) => Ok(old.min(value)),
            // Infinities of both signs have no sum.
            (Some(old), DuplicatePolicy::Sum) if (old + value).is_nan() => return,
            (Some(old), DuplicatePolicy::Sum) => Ok(old + value),
        };
        assert_eq!(series.add(time, value, policy), want, "{time} {value} {policy:?}");
        if let Ok(value) = want {
            model.insert(time, value);
        }
    }

    fn check(series: &Series, model: &BTreeMap<i64, f64>, from: i64, to: i64) {
        assert_eq!(series.len(), model.len());
        assert_eq!(series.first_time(), model.keys().next().copied());
        let last = model.last_key_value().map(|(&time, &value)| Sample { time, value });
        assert_eq!(series.last(), last);
        let range = (Bound::Included(from), Bound::Included(to));
        let samples = || model.range(range).map(|(&time, &value)| Sample { time, value });
        assert!(series.range(from, to).eq(samples()), "{from}..={to}");
        assert!(series.range_back(from, to).eq(samples().rev()), "{from}..={to} back");
    }
}

#[cfg(test)]
mod tests {
    use super::properties::agrees_with_a_tree;

    #[test]
    fn random_operations_agree_with_a_tree() {
        for seed in 0..60_u64 {
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_le_bytes()[6]
            };
            let input: Vec<u8> = (0..1 + 12 * 600).map(|_| byte()).collect();
            eprintln!("SEED={seed}");
            agrees_with_a_tree(&input);
        }
    }
}
