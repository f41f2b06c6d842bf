//! Handlers: sorted sets whose scores are places. Searching is in `search`.
//!
//! Numbers are written as Redis does: distances with four digits, coordinates with up to
//! seventeen, because clients compare them as text.

pub(super) mod search;

use zumic_error::{CommandError, GeoError};

use super::sorted_sets::score::strict;
use super::sorted_sets::zadd;
use crate::structures::geo::{Point, haversine, vincenty};
use crate::values::sorted_set::SortedSet;
use crate::{Context, Halt, ReplySink};

type Outcome = Result<(), Halt>;
type Args<'a> = [&'a [u8]];

/// Longitude and latitude.
fn parse_place(longitude: &[u8], latitude: &[u8]) -> Result<Point, CommandError> {
    let parse = |text| strict(text).ok_or(CommandError::NotAFloat);
    let (longitude, latitude) = (parse(longitude)?, parse(latitude)?);
    let pair = || GeoError::PlaceInvalid(format!("{longitude:.6},{latitude:.6}"));
    Ok(Point::new(longitude, latitude).ok_or_else(pair)?)
}

/// Metres in a unit.
fn parse_unit(text: &[u8]) -> Result<f64, CommandError> {
    match text.to_ascii_uppercase().as_slice() {
        b"FT" => Ok(0.3048),
        b"KM" => Ok(1_000.0),
        b"M" => Ok(1.0),
        b"MI" => Ok(1_609.34),
        _ => Err(GeoError::UnitUnknown.into()),
    }
}

fn reply_distance(sink: &mut dyn ReplySink, distance: f64) {
    sink.bulk(format!("{distance:.4}").as_bytes());
}

fn reply_place(sink: &mut dyn ReplySink, place: Point) {
    sink.array(2);
    for coordinate in [place.longitude, place.latitude] {
        let text = format!("{coordinate:.17}");
        sink.decimal(text.trim_end_matches('0').trim_end_matches('.'));
    }
}

/// GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]
///
/// It is ZADD of the places' scores, with ZADD's errors.
pub(super) fn geoadd(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let is_option = |word: &&&[u8]| {
        [&b"NX"[..], b"XX", b"CH"].iter().any(|option| word.eq_ignore_ascii_case(option))
    };
    let options = args[2..].iter().take_while(is_option).count();
    let (head, places) = args.split_at(2 + options);
    let has = |option: &[u8]| head[2..].iter().any(|word| word.eq_ignore_ascii_case(option));
    let (places, []) = places.as_chunks::<3>() else { return Err(CommandError::Syntax.into()) };
    if has(b"NX") && has(b"XX") {
        return Err(CommandError::Syntax.into());
    }
    let mut scores = Vec::with_capacity(places.len());
    for [longitude, latitude, _] in places {
        let score = parse_place(longitude, latitude)?.score();
        scores.push(itoa::Buffer::new().format(score).as_bytes().to_vec());
    }
    let pairs = scores.iter().zip(places).flat_map(|(score, [_, _, member])| [&**score, *member]);
    let request: Vec<&[u8]> = head.iter().copied().chain(pairs).collect();
    zadd(context, &request)
}

/// The places of members; `None` for one that is not there.
fn places(
    context: &mut Context<'_>,
    key: &[u8],
    members: &[&[u8]],
) -> Result<Vec<Option<Point>>, Halt> {
    let set = context.view::<SortedSet>(key)?;
    let place = |member: &&[u8]| set.as_ref()?.get().score(member).map(Point::of_score);
    Ok(members.iter().map(place).collect())
}

/// GEOPOS key [member [member ...]]
pub(super) fn geopos(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let places = places(context, args[1], &args[2..])?;
    let sink = context.sink();
    sink.array(places.len());
    for place in places {
        match place {
            Some(place) => reply_place(sink, place),
            None => sink.null_array(),
        }
    }
    Ok(())
}

/// GEOHASH key [member [member ...]]
pub(super) fn geohash(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let places = places(context, args[1], &args[2..])?;
    let sink = context.sink();
    sink.array(places.len());
    for place in places {
        match place {
            Some(place) => sink.bulk(&place.geohash()),
            None => sink.null(),
        }
    }
    Ok(())
}

/// GEODIST key member1 member2 [M | KM | FT | MI] [METHOD HAVERSINE | VINCENTY]
///
/// METHOD is Zumic's own: Vincenty's formula is exact to a millimetre on the WGS84 ellipsoid.
pub(super) fn geodist(context: &mut Context<'_>, args: &Args<'_>) -> Outcome {
    let (unit, method) = match args[4..] {
        [] => (None, None),
        [unit] => (Some(unit), None),
        [word, method] if word.eq_ignore_ascii_case(b"METHOD") => (None, Some(method)),
        [unit, word, method] if word.eq_ignore_ascii_case(b"METHOD") => (Some(unit), Some(method)),
        _ => return Err(CommandError::Syntax.into()),
    };
    let unit = unit.map_or(Ok(1.0), parse_unit)?;
    let distance: fn(Point, Point) -> f64 = match method.map(<[u8]>::to_ascii_uppercase).as_deref()
    {
        None | Some(b"HAVERSINE") => haversine,
        Some(b"VINCENTY") => vincenty,
        Some(_) => return Err(CommandError::Syntax.into()),
    };
    match places(context, args[1], &args[2..4])?[..] {
        [Some(from), Some(to)] => reply_distance(context.sink(), distance(from, to) / unit),
        _ => context.sink().null(),
    }
    Ok(())
}
