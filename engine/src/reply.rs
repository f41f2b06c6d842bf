//! Where a command writes its answer.
//!
//! Why it exists: the engine must not know the wire format, yet the hot path must not build a
//! tree of values only to flatten it. A handler calls the sink piece by piece; the network's
//! sink encodes, the embedded API's sink collects.
//!
//! Invariants
//! - R1: a handler that returns `Ok` has written exactly one reply; one that returns `Err` has
//!   written nothing.

use zumic_error::CommandError;

use crate::LargeString;

/// Receives one reply, piece by piece, in protocol order.
///
/// Aggregates announce their length first and then their elements. The sink applies the
/// downgrades of the connection's protocol version; a handler asks for [`ReplySink::version`]
/// only where Redis answers with another *shape* per version.
pub trait ReplySink {
    /// The protocol version of the receiver: 2, 3 or 4.
    fn version(&self) -> u8;
    /// HELLO chose another version: the reply to it is written in that one already.
    fn set_version(&mut self, version: u8);
    /// A status such as `OK`; without CR or LF.
    fn simple(&mut self, text: &str);
    /// A status that a script made: any bytes without CR or LF.
    fn status(&mut self, text: &[u8]) {
        self.simple(&String::from_utf8_lossy(text));
    }
    /// An error; the text is the variant's own.
    fn error(&mut self, error: &CommandError);
    /// A signed integer.
    fn integer(&mut self, number: i64);
    /// A binary-safe string, copied.
    fn bulk(&mut self, bytes: &[u8]);
    /// A large string, which the sink may refer to instead of copying it.
    fn bulk_large(&mut self, value: &LargeString);
    /// The null of version 3, the null bulk string of version 2.
    fn null(&mut self);
    /// The null of version 3, the null array of version 2.
    fn null_array(&mut self);
    /// An array of `len` elements follows.
    fn array(&mut self, len: usize);
    /// A map of `pairs` pairs follows; flat array of `2 * pairs` in version 2.
    fn map(&mut self, pairs: usize);
    /// A set of `len` elements follows; array in version 2.
    fn set(&mut self, len: usize);
    /// `len` members, each with its score, follow: in version 2 flat, in version 3 an array of
    /// pairs whose `array(2)` the caller writes, in version 4 the frame of sorted sets.
    fn sorted_set(&mut self, len: usize);
    /// An out-of-band push of `len` elements follows; array in version 2.
    fn push(&mut self, len: usize);
    /// `pairs` pairs that describe the reply behind them; not in version 2.
    fn attribute(&mut self, pairs: usize);
    /// A boolean; integer 0 or 1 in version 2.
    fn boolean(&mut self, value: bool);
    /// A double; bulk string in version 2.
    fn double(&mut self, value: f64);
    /// A double as a bulk string in every version.
    fn bulk_double(&mut self, value: f64);
    /// A double in these decimal digits; bulk string in version 2.
    fn decimal(&mut self, digits: &str);
    /// A number beyond 64 bits in decimal digits; bulk string in version 2.
    fn big_number(&mut self, digits: &str);
    /// Text with a three-letter format such as `txt`; bulk string in version 2.
    fn verbatim(&mut self, format: [u8; 3], text: &[u8]);
}

/// A sink that throws everything away, but for what its `error` does.
macro_rules! sink_of_errors_only {
    ($sink:ty, $error:item) => {
        impl ReplySink for $sink {
            fn version(&self) -> u8 {
                3
            }
            fn set_version(&mut self, _: u8) {}
            fn simple(&mut self, _: &str) {}
            $error
            fn integer(&mut self, _: i64) {}
            fn bulk(&mut self, _: &[u8]) {}
            fn bulk_large(&mut self, _: &LargeString) {}
            fn null(&mut self) {}
            fn null_array(&mut self) {}
            fn array(&mut self, _: usize) {}
            fn map(&mut self, _: usize) {}
            fn set(&mut self, _: usize) {}
            fn sorted_set(&mut self, _: usize) {}
            fn push(&mut self, _: usize) {}
            fn attribute(&mut self, _: usize) {}
            fn boolean(&mut self, _: bool) {}
            fn double(&mut self, _: f64) {}
            fn bulk_double(&mut self, _: f64) {}
            fn decimal(&mut self, _: &str) {}
            fn big_number(&mut self, _: &str) {}
            fn verbatim(&mut self, _: [u8; 3], _: &[u8]) {}
        }
    };
}

/// A sink that throws the reply away: for work without a client.
#[derive(Clone, Copy, Debug)]
pub struct Discard;

sink_of_errors_only!(Discard, fn error(&mut self, _: &CommandError) {});

/// A sink that keeps the first error and throws everything else away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures(pub(crate) Option<CommandError>);

sink_of_errors_only!(
    Failures,
    fn error(&mut self, error: &CommandError) {
        self.0.get_or_insert_with(|| error.clone());
    }
);
