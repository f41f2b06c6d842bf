//! The errors that only commands on places answer with.

use std::fmt;

/// A failure of a geo command; a variant's `Display` is the line on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum GeoError {
    AnyWithoutCount,
    BoxNegative,
    CenterMissing(String),
    CountNotPositive,
    HeightInvalid,
    MemberMissing,
    PlaceInvalid(String),
    RadiusInvalid,
    RadiusNegative,
    ShapeMissing(String),
    StoreDetails(&'static str),
    UnitUnknown,
    WidthInvalid,
}

impl fmt::Display for GeoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnyWithoutCount => "ERR the ANY argument requires COUNT argument",
            Self::BoxNegative => "ERR height or width cannot be negative",
            Self::CenterMissing(what) => {
                return write!(
                    f,
                    "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {what}"
                );
            }
            Self::CountNotPositive => "ERR COUNT must be > 0",
            Self::HeightInvalid => "ERR need numeric height",
            Self::MemberMissing => "ERR could not decode requested zset member",
            Self::PlaceInvalid(what) => {
                return write!(f, "ERR invalid longitude,latitude pair {what}");
            }
            Self::RadiusInvalid => "ERR need numeric radius",
            Self::RadiusNegative => "ERR radius cannot be negative",
            Self::ShapeMissing(what) => {
                return write!(
                    f,
                    "ERR exactly one of BYRADIUS and BYBOX can be specified for {what}"
                );
            }
            Self::StoreDetails(what) => {
                return write!(
                    f,
                    "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                );
            }
            Self::UnitUnknown => "ERR unsupported unit provided. please use M, KM, FT, MI",
            Self::WidthInvalid => "ERR need numeric width",
        })
    }
}

impl std::error::Error for GeoError {}
