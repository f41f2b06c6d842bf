//! The one error family of Zumic.
//!
//! Why it exists: what a client reads, what an operator reads and what a process exits with are
//! written once, here, and every crate speaks of the same failures. Two kinds of failure, two
//! types: [`CommandError`] is the caller's mistake and becomes one line on the wire; [`Error`] is
//! the world's failure and carries a chain of context down to its source. Our own mistakes are
//! panics, and not in here. There is no catch-all variant.

mod bitmap;
mod command;
mod dump;
mod durability;
mod error;
mod geo;
mod hash;
mod hyperloglog;
mod protocol;
mod script;
mod stream;
mod time_series;

pub use bitmap::BitmapError;
pub use command::CommandError;
pub use dump::DumpError;
pub use durability::DurabilityError;
pub use error::{Error, ErrorKind, ResultExt, Status};
pub use geo::GeoError;
pub use hash::HashError;
pub use hyperloglog::HyperLogLogError;
pub use protocol::ProtocolError;
pub use script::ScriptError;
pub use stream::StreamError;
pub use time_series::TimeSeriesError;
