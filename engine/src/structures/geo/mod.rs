//! Places on the earth: cells, their numbers, distances, and the ranges that cover an area.
//!
//! Why it exists: a geographic index is a sorted set whose scores are the numbers of cells, so
//! that what is near in space is near in the set. The numbers are Redis's, to the bit, because
//! the sets move between servers. Not here: the set itself.
//!
//! A cell of step `s` is one of `2^s * 2^s`; its number has the bits of its column and its row
//! in turns, the column's first (Morton's order). Scores are cells of step 26: 52 bits, which a
//! double holds. The rows reach from 85.05 degrees south to 85.05 north, as in Web Mercator maps.
//!
//! ```text
//!   row 1 │ 01 11      a cell of step 1 holds four of step 2, whose numbers begin with its own
//!   row 0 │ 00 10      and so on: a cell is a range of scores
//! ```

mod area;
mod distance;
pub mod properties;

pub use area::{Area, Ranges, Shape};
pub use distance::{haversine, vincenty};

/// Westernmost and easternmost longitude.
pub const LONGITUDE_MAX: f64 = 180.0;
/// Northernmost latitude of an index; the southernmost is its negative.
pub const LATITUDE_MAX: f64 = 85.051_128_78;
/// Step of the cells that are scores.
const STEP_MAX: u32 = 26;
const SCORE_BITS: u32 = 2 * STEP_MAX;

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

/// Spreads the bits of a number to the even positions.
fn spread(number: u32) -> u64 {
    let mut word = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        word = (word | word << shift) & mask;
    }
    word
}

/// The reverse; odd positions do not matter.
fn gather(word: u64) -> u32 {
    let mut word = word & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        word = (word | word >> shift) & mask;
    }
    u32::try_from(word).expect("32 bits are left")
}

/// Which of `2^step` parts of `-max..max` a coordinate is in. At the very end it is one beyond
/// the last, as in Redis.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2^26")]
fn part(coordinate: f64, max: f64, step: u32) -> u32 {
    let offset = (coordinate + max) / (max + max);
    (offset * f64::from(1_u32 << step)) as u32
}

/// Start of a part.
fn start_of(part: u32, max: f64, step: u32) -> f64 {
    -max + (f64::from(part) / f64::from(1_u32 << step)) * (max + max)
}

impl Point {
    /// The place, unless it is outside of what an index can hold.
    ///
    /// # Examples
    /// ```
    /// use engine::structures::geo::Point;
    /// assert!(Point::new(13.361389, 38.115556).is_some());
    /// assert!(Point::new(0.0, 86.0).is_none());
    /// ```
    #[must_use]
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let inside = longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX;
        inside.then_some(Self { longitude, latitude })
    }

    fn cell(self, latitude_max: f64, step: u32) -> u64 {
        let row = part(self.latitude, latitude_max, step);
        let column = part(self.longitude, LONGITUDE_MAX, step);
        spread(row) | spread(column) << 1
    }

    /// The score of the place in an index.
    ///
    /// # Examples
    /// ```
    /// use engine::structures::geo::Point;
    /// let palermo = Point::new(13.361389, 38.115556).expect("inside");
    /// assert_eq!(palermo.score(), 3_479_099_956_230_698);
    /// ```
    #[must_use]
    pub fn score(self) -> u64 {
        self.cell(LATITUDE_MAX, STEP_MAX)
    }

    /// The middle of the cell with this score. Any score is some place: what is none of an
    /// index's is taken as an x86 processor would convert it.
    #[must_use]
    pub fn of_score(score: f64) -> Self {
        let bits = cell_of_score(score);
        let middle = |part: u32, max: f64| {
            let next = start_of(part.wrapping_add(1), max, STEP_MAX);
            ((start_of(part, max, STEP_MAX) + next) / 2.0).clamp(-max, max)
        };
        Self {
            longitude: middle(gather(bits >> 1), LONGITUDE_MAX),
            latitude: middle(gather(bits), LATITUDE_MAX),
        }
    }

    /// The geohash string of eleven letters, of which the last is always `0`: 52 bits make ten.
    ///
    /// # Examples
    /// ```
    /// use engine::structures::geo::Point;
    /// let palermo = Point::of_score(3_479_099_956_230_698.0);
    /// assert_eq!(&palermo.geohash(), b"sqc8b49rny0");
    /// ```
    #[must_use]
    pub fn geohash(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        // The usual geohash reaches to the poles.
        let cell = self.cell(90.0, STEP_MAX);
        std::array::from_fn(|at| {
            let bits = match at {
                0..10 => cell >> (SCORE_BITS as usize - 5 * (at + 1)),
                _ => 0,
            };
            ALPHABET[usize::try_from(bits & 31).expect("five bits")]
        })
    }
}

/// A score as a cell: what is no such number becomes what the processors make of it on which
/// most of Redis runs.
#[expect(clippy::cast_possible_truncation, reason = "saturating, and then corrected")]
fn cell_of_score(score: f64) -> u64 {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    let signed = |number: f64| {
        if (-TWO_63..TWO_63).contains(&number) { number as i64 } else { i64::MIN }
    };
    if score < TWO_63 {
        signed(score).cast_unsigned()
    } else {
        signed(score - TWO_63).cast_unsigned() ^ 1 << 63
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_spread_and_gathered() {
        for number in [0, 1, 2, 0x5555_5555, 0x0123_4567, u32::MAX] {
            assert_eq!(gather(spread(number)), number);
            assert_eq!(gather(spread(number) | spread(!number) << 1), number);
        }
        assert_eq!(spread(0b111), 0b1_0101);
    }

    #[test]
    fn a_place_is_in_its_cell() {
        let mut seed = 5_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            f64::from(u32::try_from(seed >> 32).unwrap()) / f64::from(u32::MAX) * 2.0 - 1.0
        };
        for _ in 0..10_000 {
            let point = Point::new(random() * LONGITUDE_MAX, random() * LATITUDE_MAX).unwrap();
            let again = Point::of_score(point.score() as f64);
            assert!((point.longitude - again.longitude).abs() < 3e-6, "{point:?} {again:?}");
            assert!((point.latitude - again.latitude).abs() < 1.5e-6, "{point:?} {again:?}");
            assert_eq!(again.score(), point.score(), "{point:?}");
        }
    }

    #[test]
    fn no_place_is_missed_for_generated_bytes() {
        let mut seed = 29_u64;
        for _ in 0..3_000 {
            let mut bytes = vec![];
            while bytes.len() < 300 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.extend_from_slice(&(seed >> 32).to_le_bytes()[..4]);
            }
            properties::no_place_is_missed(&bytes);
        }
    }

    #[test]
    fn the_edges_of_the_map() {
        let score = |longitude, latitude| Point::new(longitude, latitude).unwrap().score();
        assert_eq!(score(-180.0, -LATITUDE_MAX), 0);
        // Beyond 52 bits, as redis-server 7.0.15 answers.
        assert_eq!(score(180.0, -LATITUDE_MAX), 1 << 53);
        assert_eq!(score(-180.0, LATITUDE_MAX), 1 << 52);
        assert_eq!(cell_of_score(-1.0), u64::MAX);
        assert_eq!(cell_of_score(f64::INFINITY), 0);
        assert_eq!(cell_of_score(f64::NEG_INFINITY), 1 << 63);
        assert_eq!(cell_of_score(1e19), 10_000_000_000_000_000_000);
        assert_eq!(cell_of_score(3.9), 3);
    }
}
