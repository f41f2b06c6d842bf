//! The ranges of scores that cover a circle or a box.
//!
//! Why it exists: a search must look at few members and miss none. As in Redis it looks at the
//! cell of the centre and the eight around it, in the same order, which is the order of results
//! that nobody asked to sort. Unlike there, the size of the cells follows from the exact bounds of
//! the shape: across the date line, and where it holds a pole, nothing is missed.
//!
//! Invariants
//! - A1: every place of the shape that an index can hold is in one of the ranges.
//! - A2: the ranges do not overlap.

use smallvec::SmallVec;

use super::distance::{RADIUS, haversine};
use super::{LATITUDE_MAX, LONGITUDE_MAX, Point, SCORE_BITS, STEP_MAX, part, spread, start_of};

/// What is searched around a centre, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All places within a distance.
    Circle {
        /// The distance.
        radius: f64,
    },
    /// All places whose distances north or south, and east or west along their own parallel, are
    /// within half of the sides.
    Rectangle {
        /// Side from west to east.
        width: f64,
        /// Side from south to north.
        height: f64,
    },
}

/// A shape around a centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its centre.
    pub center: Point,
    /// Its shape.
    pub shape: Shape,
}

/// How far the shape reaches, in degrees from the equator and from the centre's meridian.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    south: f64,
    north: f64,
    /// Both to the west and to the east; 180 when all longitudes are within.
    aside: f64,
}

/// Ranges of scores, `start..end`: nine cells and the edges of the map at most.
pub type Ranges = SmallVec<[(u64, u64); 11]>;

/// Added to bounds, in degrees, against rounding: ten centimetres.
const MARGIN: f64 = 1e-6;

impl Area {
    /// Distance from the centre, if the place is in the area. The test is Redis's.
    #[must_use]
    pub fn distance(&self, place: Point) -> Option<f64> {
        let distance = haversine(self.center, place);
        let inside = match self.shape {
            Shape::Circle { radius } => distance <= radius,
            Shape::Rectangle { width, height } => {
                let along = Point { longitude: self.center.longitude, ..place };
                let across = Point { latitude: self.center.latitude, ..place };
                haversine(place, along) <= width / 2.0 && haversine(place, across) <= height / 2.0
            }
        };
        inside.then_some(distance)
    }

    fn bounds(&self) -> Bounds {
        let (reach, half_width) = match self.shape {
            Shape::Circle { radius } => (radius / RADIUS, None),
            Shape::Rectangle { width, height } => {
                (height / 2.0 / RADIUS, Some(width / 2.0 / RADIUS))
            }
        };
        let degrees = reach.to_degrees() + MARGIN;
        let (south, north) = (self.center.latitude - degrees, self.center.latitude + degrees);
        let whole = Bounds { south, north, aside: 180.0 };
        let sine = match half_width {
            // The meridians that touch the circle.
            None if south <= -90.0 || north >= 90.0 => return whole,
            None => reach.sin() / self.center.latitude.to_radians().cos(),
            // Half of the chord along the parallel that is nearest to a pole.
            Some(half) if half >= std::f64::consts::PI => return whole,
            Some(half) => {
                let steepest = south.abs().max(north.abs()).min(90.0).to_radians().cos();
                (half / 2.0).sin() / steepest
            }
        };
        if sine >= 1.0 {
            return whole;
        }
        let angle = if half_width.is_some() { 2.0 * sine.asin() } else { sine.asin() };
        Bounds { aside: (angle.to_degrees() + MARGIN).min(180.0), ..whole }
    }

    /// The ranges of scores in which all places of the area are (A1, A2).
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        let bounds = self.bounds();
        let mut step = first_step(self.extent(), self.center.latitude);
        while step > 1 && !Grid::new(self.center, step).covers(&bounds) {
            step -= 1;
        }
        Grid::new(self.center, step).ranges(&bounds)
    }

    /// Distance of the farthest place from the centre, as Redis estimates it.
    fn extent(&self) -> f64 {
        match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Rectangle { width, height } => (width / 2.0).hypot(height / 2.0),
        }
    }
}

/// The step with which Redis begins: cells about as large as the area, larger towards the poles.
fn first_step(mut extent: f64, latitude: f64) -> u32 {
    const MERCATOR_MAX: f64 = 20_037_726.37;
    if extent == 0.0 {
        return STEP_MAX;
    }
    let mut step: u32 = 1;
    while extent < MERCATOR_MAX && step < 2 * STEP_MAX {
        extent *= 2.0;
        step += 1;
    }
    let flatter = u32::from(latitude.abs() > 66.0) + u32::from(latitude.abs() > 80.0);
    step.saturating_sub(2 + flatter).clamp(1, STEP_MAX)
}

/// The cell of a place and the eight around it. Columns go round the globe.
#[derive(Clone, Copy, Debug)]
struct Grid {
    row: u32,
    column: u32,
    step: u32,
    center: Point,
}

impl Grid {
    fn new(center: Point, step: u32) -> Self {
        let cells = 1 << step;
        let within = |part: u32| part.min(cells - 1);
        Self {
            row: within(part(center.latitude, LATITUDE_MAX, step)),
            column: within(part(center.longitude, LONGITUDE_MAX, step)),
            step,
            center,
        }
    }

    fn last(&self) -> u32 {
        (1 << self.step) - 1
    }

    /// Degrees from the centre to the western and to the eastern edge of its cell.
    fn edges(&self) -> (f64, f64) {
        let start = |column| start_of(column, LONGITUDE_MAX, self.step);
        let center = self.center.longitude;
        (center - start(self.column), start(self.column + 1) - center)
    }

    fn south(&self) -> f64 {
        start_of(self.row, LATITUDE_MAX, self.step)
    }

    fn north(&self) -> f64 {
        start_of(self.row + 1, LATITUDE_MAX, self.step)
    }

    /// Whether no place within the bounds is outside of the nine cells.
    fn covers(&self, bounds: &Bounds) -> bool {
        let height = self.north() - self.south();
        let width = 360.0 / f64::from(1_u32 << self.step);
        let (west, east) = self.edges();
        let round = self.step == 1;
        (self.row == 0 || self.south() - height <= bounds.south)
            && (self.row == self.last() || self.north() + height >= bounds.north)
            && (round || bounds.aside <= west + width && bounds.aside <= east + width)
    }

    /// The cells that may hold something within the bounds, in Redis's order.
    fn ranges(&self, bounds: &Bounds) -> Ranges {
        const OFFSETS: [(i32, i32); 9] =
            [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)];
        let (west, east) = self.edges();
        // With cells of half the globe, a neighbour is so on both sides.
        let all = self.step == 1;
        let wanted = |(north, aside): (i32, i32)| {
            all || (north <= 0 || self.north() <= bounds.north)
                && (north >= 0 || self.south() >= bounds.south)
                && (aside <= 0 || east <= bounds.aside)
                && (aside >= 0 || west <= bounds.aside)
        };
        let mut ranges = Ranges::new();
        for offset in OFFSETS.into_iter().filter(|offset| wanted(*offset)) {
            let Some(row) = self.row.checked_add_signed(offset.0) else { continue };
            if row > self.last() {
                continue;
            }
            let column = self.column.wrapping_add_signed(offset.1) & self.last();
            let cell = spread(row) | spread(column) << 1;
            let shift = SCORE_BITS - 2 * self.step;
            let range = (cell << shift, (cell + 1) << shift);
            if !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        self.push_edges(bounds, &mut ranges);
        ranges
    }

    /// Places on the northern edge of the map and on its eastern one, the date line, are one row
    /// or column beyond the last, and so are their scores.
    fn push_edges(&self, bounds: &Bounds, ranges: &mut Ranges) {
        const NORTH: u64 = 1 << SCORE_BITS;
        const EAST: u64 = NORTH << 1;
        if bounds.north >= LATITUDE_MAX {
            ranges.push((NORTH, EAST));
        }
        if self.center.longitude.abs() + bounds.aside >= LONGITUDE_MAX {
            ranges.push((EAST, EAST << 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        /// Evenly from -1 to 1.
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX) * 2.0 - 1.0
        }

        fn pick<T: Copy>(&mut self, all: &[T]) -> T {
            self.next();
            all[usize::try_from(self.0 >> 40).unwrap() % all.len()]
        }

        /// Somewhere, with a liking for edges, poles and the date line.
        fn place(&mut self) -> Point {
            let longitude = match self.pick(&[0, 1, 2, 3]) {
                0 => self.pick(&[-180.0, 180.0, 0.0, 90.0]),
                1 => self.pick(&[-179.99, 179.99]) + self.next() * 0.01,
                _ => self.next() * 180.0,
            };
            let latitude = match self.pick(&[0, 1, 2, 3]) {
                0 => self.pick(&[-LATITUDE_MAX, LATITUDE_MAX, 0.0, 66.0]),
                1 => self.pick(&[-84.9, 84.9]) + self.next() * 0.1,
                _ => self.next() * LATITUDE_MAX,
            };
            Point::new(longitude, latitude).expect("within the map")
        }

        fn area(&mut self) -> Area {
            let sizes =
                [0.0, 1.0, 1e3, 5e4, 3e5, 1e6, 3e6, 6e6, 1e7, 1.5e7, 2.1e7, 5e7, f64::INFINITY];
            let mut size = || self.pick(&sizes) * (1.0 + self.next());
            let circle = Shape::Circle { radius: size() };
            let rectangle = Shape::Rectangle { width: size(), height: size() };
            let center = self.place();
            Area { center, shape: self.pick(&[circle, rectangle]) }
        }
    }

    fn holds(ranges: &Ranges, score: u64) -> usize {
        ranges.iter().filter(|(start, end)| (*start..*end).contains(&score)).count()
    }

    /// Random places against random areas: nothing of the area is outside of its ranges.
    #[test]
    fn no_place_is_missed() {
        let mut random = Random(17);
        let (mut inside, mut looked) = (0, 0);
        for step in 0..4_000 {
            let area = random.area();
            let ranges = area.ranges();
            for _ in 0..50 {
                let mut place = random.place();
                if random.next() > 0.0 {
                    // Near the centre, at the area's own scale.
                    let scale = (area.extent() / 1e5).min(180.0);
                    let longitude = area.center.longitude + random.next() * scale;
                    let latitude = area.center.latitude + random.next() * scale;
                    place = Point {
                        longitude: (longitude + 540.0).rem_euclid(360.0) - 180.0,
                        latitude: latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX),
                    };
                }
                let score = place.score();
                let place = Point::of_score(score as f64);
                let found = holds(&ranges, score);
                assert!(found <= 1, "step={step} {area:?}: overlapping ranges");
                looked += found;
                if area.distance(place).is_some() {
                    inside += 1;
                    assert_eq!(found, 1, "step={step} {area:?} {place:?}");
                }
            }
        }
        assert!(inside > 20_000 && looked < 5 * inside, "{inside} {looked}: a test of nothing");
    }

    #[test]
    fn small_areas_have_small_ranges() {
        for latitude in [0.0, 50.0, 70.0, 84.0, -84.0] {
            for longitude in [0.0, 179.999, -180.0, 45.0] {
                let center = Point::new(longitude, latitude).unwrap();
                let area = Area { center, shape: Shape::Circle { radius: 1_000.0 } };
                let ranges = area.ranges();
                let total: u64 = ranges
                    .iter()
                    .filter(|(start, _)| *start < 1 << SCORE_BITS)
                    .map(|(start, end)| end - start)
                    .sum();
                assert!(total < 1 << (SCORE_BITS - 14), "{center:?} {ranges:?}");
            }
        }
    }
}
