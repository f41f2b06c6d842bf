//! Handlers: members within a circle or a box (GEOSEARCH, GEORADIUS and their kin).
//!
//! One parser serves all of them, because their options are the same words; which of them a
//! command takes is its [`Dialect`]. The order of checks is Redis's: the type of the key, then
//! the words from left to right, then what must not go together.

use zumic_error::{CommandError, GeoError};

use super::{parse_place, parse_unit, reply_distance, reply_place};
use crate::commands::number::parse_integer;
use crate::commands::sorted_sets::range::store;
use crate::commands::sorted_sets::score::strict;
use crate::structures::geo::{Area, Point, Shape};
use crate::structures::listpack::Entry;
use crate::values::sorted_set::{Rules, SortedSet, SortedSetRef};
use crate::{Context, Halt};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// Sets up to this size are looked at whole.
const SCANNED_MAX: u64 = 1_024;
/// The first circle in which the nearest members are looked for, in metres; each of the next ones
/// has this many times the radius.
const NEAR_RADIUS: f64 = 1.0;
const RADIUS_GROWTH: f64 = 4.0;

/// Which words a command takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Dialect {
    /// The centre is a member and the radius a fixed argument; may STORE, unless read-only.
    ByMember { stores: bool },
    /// Centre and radius are fixed arguments; may STORE, unless read-only.
    Radius { stores: bool },
    /// All is said in words.
    Search,
    /// The same, and the first key is where the result goes.
    SearchStore,
}

impl Dialect {
    fn searches(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Self::ByMember { stores: true } | Self::Radius { stores: true })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Ascending,
    Descending,
}

/// What is wanted of the members that are found.
#[derive(Clone, Copy, Debug, Default)]
struct Query<'a> {
    /// The centre: `Some(None)` for that of a member of a key that is not there.
    center: Option<Option<Point>>,
    by_member: bool,
    shape: Option<Shape>,
    /// Metres in the unit of distances.
    unit: f64,
    any: bool,
    count: Option<usize>,
    order: Option<Order>,
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    store: Option<&'a [u8]>,
    stores_distance: bool,
}

fn parse_radius(radius: &[u8], unit: &[u8]) -> Result<(Shape, f64), CommandError> {
    let radius = strict(radius).ok_or(GeoError::RadiusInvalid)?;
    if radius < 0.0 {
        return Err(GeoError::RadiusNegative.into());
    }
    let unit = parse_unit(unit)?;
    Ok((Shape::Circle { radius: radius * unit }, unit))
}

fn parse_box(width: &[u8], height: &[u8], unit: &[u8]) -> Result<(Shape, f64), CommandError> {
    let width = strict(width).ok_or(GeoError::WidthInvalid)?;
    let height = strict(height).ok_or(GeoError::HeightInvalid)?;
    if width < 0.0 || height < 0.0 {
        return Err(GeoError::BoxNegative.into());
    }
    let unit = parse_unit(unit)?;
    Ok((Shape::Rectangle { width: width * unit, height: height * unit }, unit))
}

/// The place of a member, if there is a set at all.
fn center_of(set: Option<SortedSetRef<'_>>, member: &[u8]) -> Result<Option<Point>, CommandError> {
    let Some(set) = set else { return Ok(None) };
    let score = set.score(member).ok_or(GeoError::MemberMissing)?;
    Ok(Some(Point::of_score(score)))
}

impl<'a> Query<'a> {
    /// The fixed arguments of a dialect, and the words behind them.
    fn parse_fixed<'r>(
        &mut self,
        args: &'r Args<'a>,
        dialect: Dialect,
        set: Option<SortedSetRef<'_>>,
    ) -> Result<&'r Args<'a>, CommandError> {
        match dialect {
            Dialect::Search => Ok(&args[2..]),
            Dialect::SearchStore => {
                self.store = Some(args[1]);
                Ok(&args[3..])
            }
            Dialect::Radius { .. } => {
                self.center = Some(Some(parse_place(args[2], args[3])?));
                self.set_shape(parse_radius(args[4], args[5])?);
                Ok(&args[6..])
            }
            Dialect::ByMember { .. } => {
                self.center = Some(center_of(set, args[2])?);
                // Without a set, Redis does not look at the radius.
                if set.is_some() {
                    self.set_shape(parse_radius(args[3], args[4])?);
                }
                Ok(&args[5..])
            }
        }
    }

    fn set_shape(&mut self, (shape, unit): (Shape, f64)) {
        (self.shape, self.unit) = (Some(shape), unit);
    }

    /// Takes one of the words that every dialect has; what is left, or `None` if it is none.
    fn parse_common<'r>(
        &mut self,
        args: &'r Args<'a>,
        dialect: Dialect,
    ) -> Result<Option<&'r Args<'a>>, CommandError> {
        let [word, rest @ ..] = args else { return Ok(None) };
        match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"WITHDIST", _) => self.with_distance = true,
            (b"WITHHASH", _) => self.with_hash = true,
            (b"WITHCOORD", _) => self.with_place = true,
            (b"ANY", _) => self.any = true,
            (b"ASC", _) => self.order = Some(Order::Ascending),
            (b"DESC", _) => self.order = Some(Order::Descending),
            (b"COUNT", [count, rest @ ..]) => {
                let count = parse_integer(count)?;
                if count <= 0 {
                    return Err(GeoError::CountNotPositive.into());
                }
                self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
                return Ok(Some(rest));
            }
            (name @ (b"STORE" | b"STOREDIST"), [key, rest @ ..]) if dialect.may_store() => {
                self.store = Some(key);
                self.stores_distance = name == b"STOREDIST";
                return Ok(Some(rest));
            }
            (b"STOREDIST", _) if dialect == Dialect::SearchStore => self.stores_distance = true,
            _ => return Ok(None),
        }
        Ok(Some(rest))
    }

    /// Takes one of the words that say where to search.
    fn parse_where<'r>(
        &mut self,
        args: &'r Args<'a>,
        set: Option<SortedSetRef<'_>>,
    ) -> Result<&'r Args<'a>, CommandError> {
        let from_place = self.center.is_some() && !self.by_member;
        let is_circle = matches!(self.shape, Some(Shape::Circle { .. }));
        let is_box = matches!(self.shape, Some(Shape::Rectangle { .. }));
        let [word, rest @ ..] = args else { return Ok(args) };
        match (word.to_ascii_uppercase().as_slice(), rest) {
            (b"FROMMEMBER", [member, rest @ ..]) if !from_place => {
                self.center = Some(center_of(set, member)?);
                self.by_member = true;
                Ok(rest)
            }
            (b"FROMLONLAT", [longitude, latitude, rest @ ..]) if !self.by_member => {
                self.center = Some(Some(parse_place(longitude, latitude)?));
                Ok(rest)
            }
            (b"BYRADIUS", [radius, unit, rest @ ..]) if !is_box => {
                self.set_shape(parse_radius(radius, unit)?);
                Ok(rest)
            }
            (b"BYBOX", [width, height, unit, rest @ ..]) if !is_circle => {
                self.set_shape(parse_box(width, height, unit)?);
                Ok(rest)
            }
            _ => Err(CommandError::Syntax),
        }
    }

    fn parse(
        args: &Args<'a>,
        dialect: Dialect,
        set: Option<SortedSetRef<'_>>,
    ) -> Result<Self, CommandError> {
        let mut query = Self { unit: 1.0, ..Self::default() };
        let mut rest = query.parse_fixed(args, dialect, set)?;
        while !rest.is_empty() {
            rest = match query.parse_common(rest, dialect)? {
                Some(rest) => rest,
                None if dialect.searches() => query.parse_where(rest, set)?,
                None => return Err(CommandError::Syntax),
            };
        }
        let name = || String::from_utf8_lossy(args[0]).into_owned();
        let details = query.with_distance || query.with_hash || query.with_place;
        if query.store.is_some() && details {
            let search = dialect == Dialect::SearchStore;
            let what = if search { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(GeoError::StoreDetails(what).into());
        }
        if dialect.searches() && query.center.is_none() {
            return Err(GeoError::CenterMissing(name()).into());
        }
        if dialect.searches() && query.shape.is_none() {
            return Err(GeoError::ShapeMissing(name()).into());
        }
        if query.any && query.count.is_none() {
            return Err(GeoError::AnyWithoutCount.into());
        }
        // The nearest are wanted, unless any will do.
        if query.count.is_some() && !query.any {
            query.order = query.order.or(Some(Order::Ascending));
        }
        Ok(query)
    }

    /// The members that are wanted, in the order that is wanted; distances in metres.
    fn run<'s>(&self, set: SortedSetRef<'s>) -> Vec<Found<'s>> {
        let (Some(Some(center)), Some(shape)) = (self.center, self.shape) else {
            return Vec::new();
        };
        let area = Area { center, shape };
        let mut all: Vec<_> = match (self.count, self.order) {
            (Some(count), _) if self.any => members(set, &area).take(count).collect(),
            (Some(count), Some(Order::Ascending)) if set.len() > SCANNED_MAX => {
                nearest(set, &area, count)
            }
            _ => members(set, &area).collect(),
        };
        match self.order {
            Some(Order::Ascending) => {
                all.sort_by(|a: &Found<'_>, b| a.distance.total_cmp(&b.distance));
            }
            Some(Order::Descending) => all.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
            None => {}
        }
        all.truncate(self.count.unwrap_or(usize::MAX));
        all
    }
}

/// A member that was found.
#[derive(Clone, Copy, Debug)]
struct Found<'s> {
    member: Entry<'s>,
    score: f64,
    place: Point,
    distance: f64,
}

/// The members of an area, range by range.
fn members<'s>(set: SortedSetRef<'s>, area: &Area) -> impl Iterator<Item = Found<'s>> {
    area.ranges().into_iter().flat_map(move |range| {
        let (start, end) = ranks(set, range);
        set.range(start, end).filter_map(move |(member, score)| {
            let place = Point::of_score(score);
            area.distance(place).map(|distance| Found { member, score, place, distance })
        })
    })
}

/// The members of an area that are nearest to its centre, `count` of them if there are as many,
/// and some more; in no order.
///
/// Circles grow until one of them holds enough: who is in it is nearer than who is not. How many
/// members there are in the ranges of a circle is told by their ranks, so nothing is looked at
/// that does not promise enough, nor if looking at the whole area is about as cheap. Cost:
/// O(log n) per circle, of which there are 14 at most, and O(count) where members are spread
/// evenly around the centre.
fn nearest<'s>(set: SortedSetRef<'s>, area: &Area, count: usize) -> Vec<Found<'s>> {
    let looked_at = |area: &Area| -> u64 {
        area.ranges().into_iter().map(|range| ranks(set, range)).map(|(from, to)| to - from).sum()
    };
    let in_area = looked_at(area);
    let mut radius = NEAR_RADIUS;
    loop {
        let circle = Area { shape: Shape::Circle { radius }, ..*area };
        let in_circle = looked_at(&circle);
        if in_circle >= in_area / 2 {
            return members(set, area).collect();
        }
        if in_circle >= count as u64 {
            let is_wanted = |found: &Found<'_>| area.distance(found.place).is_some();
            let found: Vec<_> = members(set, &circle).filter(is_wanted).collect();
            if found.len() >= count {
                return found;
            }
        }
        radius *= RADIUS_GROWTH;
    }
}

/// The ranks of the members with scores in `start..end`.
fn ranks(set: SortedSetRef<'_>, (start, end): (u64, u64)) -> (u64, u64) {
    // Exact: below 2^54 and multiples of four from 2^53 on.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let rank = |bound: u64| set.count_while(|score, _| score < bound as f64);
    (rank(start), rank(end))
}

fn search(context: &mut Context<'_>, args: &Args<'_>, source: usize, dialect: Dialect) -> Outcome {
    let set = context.view::<SortedSet>(args[source])?;
    let members = set.as_ref().map(|set| set.get());
    let query = Query::parse(args, dialect, members)?;
    let found = members.map_or_else(Vec::new, |set| query.run(set));
    if let Some(key) = query.store {
        let pairs = pairs(&found, &query);
        drop(set);
        let seed = context.random();
        let rules = Rules::new(&context.thresholds(), seed);
        let event = if dialect.searches() { "geosearchstore" } else { "georadiusstore" };
        return store(context, key, SortedSet::from_sorted(&pairs, &rules), event);
    }
    let details = [query.with_distance, query.with_hash, query.with_place];
    let details = details.into_iter().filter(|wanted| *wanted).count();
    let sink = context.sink();
    sink.array(found.len());
    for Found { member, score, place, distance } in found {
        if details > 0 {
            sink.array(1 + details);
        }
        member.write(sink);
        if query.with_distance {
            reply_distance(sink, distance / query.unit);
        }
        if query.with_hash {
            #[expect(clippy::cast_possible_truncation, reason = "saturating, as for any score")]
            sink.integer(score as i64);
        }
        if query.with_place {
            reply_place(sink, place);
        }
    }
    Ok(())
}

/// What is stored: members with their scores or distances, in the order of a sorted set.
fn pairs(found: &[Found<'_>], query: &Query<'_>) -> Vec<(Vec<u8>, f64)> {
    let score = |found: &Found<'_>| {
        if query.stores_distance { found.distance / query.unit } else { found.score }
    };
    let pair = |found: &Found<'_>| (found.member.to_bytes().into_owned(), score(found));
    let mut pairs: Vec<_> = found.iter().map(pair).collect();
    pairs.sort_by(|(a, x), (b, y)| x.total_cmp(y).then_with(|| a.cmp(b)));
    pairs
}

/// GEOSEARCH key FROMMEMBER | FROMLONLAT ... BYRADIUS | BYBOX ... [options]
pub(in crate::commands) fn geosearch(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(context, args, 1, Dialect::Search)
}

/// GEOSEARCHSTORE destination source, as GEOSEARCH, [STOREDIST]
pub(in crate::commands) fn geosearchstore(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(context, args, 2, Dialect::SearchStore)
}

/// GEORADIUS key longitude latitude radius unit [options] [STORE key | STOREDIST key]
pub(in crate::commands) fn georadius(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(context, args, 1, Dialect::Radius { stores: true })
}

/// GEORADIUS_RO key longitude latitude radius unit [options]
pub(in crate::commands) fn georadius_ro(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    search(context, args, 1, Dialect::Radius { stores: false })
}

/// GEORADIUSBYMEMBER key member radius unit [options] [STORE key | STOREDIST key]
pub(in crate::commands) fn georadiusbymember(
    context: &mut Context<'_>,
    args: &Args<'_>,
) -> Outcome {
    search(context, args, 1, Dialect::ByMember { stores: true })
}

/// GEORADIUSBYMEMBER_RO key member radius unit [options]
pub(in crate::commands) fn georadiusbymember_ro(
    context: &mut Context<'_>,
    args: &Args<'_>,
) -> Outcome {
    search(context, args, 1, Dialect::ByMember { stores: false })
}

/// The keys of GEORADIUS and GEORADIUSBYMEMBER: the set, and wherever one may be stored. The
/// last STORE counts, and the key specifications of COMMAND know of the first alone.
pub(in crate::commands) fn radius_keys<'a>(
    db: u16,
    args: &[&'a [u8]],
    keys: &mut Vec<(u16, &'a [u8])>,
) {
    keys.extend(args.get(1).map(|key| (db, *key)));
    for pair in args.windows(2).skip(4) {
        if [&b"STORE"[..], b"STOREDIST"].iter().any(|word| pair[0].eq_ignore_ascii_case(word)) {
            keys.push((db, pair[1]));
        }
    }
}
