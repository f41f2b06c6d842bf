//! ZSP, the protocol of Zumic: bytes to frames and requests, and back.
//!
//! Why it exists: server, client and tools must agree to the byte, and the code that reads what
//! strangers send must be small enough to be fuzzed whole. It does no I/O, reads no clock, has no
//! unsafe code, and knows nothing of keys.
//!
//! Reading order: [`version`], [`limits`], [`request`] (the server reads), [`encode`] (the server
//! writes), [`frame`] and [`decode`] (the client reads), [`inline`] (words and quoting),
//! [`properties`] (what must hold for any input; tests and fuzz targets call it).

#![forbid(unsafe_code)]

pub mod decode;
pub mod encode;
pub mod frame;
pub mod inline;
pub mod limits;
mod number;
pub mod properties;
pub mod request;
pub mod version;

pub use decode::{DecodeError, Decoder};
pub use encode::{Encoder, encode_request};
pub use frame::Frame;
pub use limits::Limits;
pub use number::{parse_integer, write_double};
pub use request::{RequestParser, Step};
pub use version::Version;
