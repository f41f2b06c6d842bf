//! What must hold for any input: shared by the tests here and the fuzz target.

use super::{Loaded, Rules, Style, decode, encode, type_byte};
use crate::Thresholds;

/// Bytes are refused, or make a value that is sound: it can be written and read again, and is the
/// same then.
///
/// # Panics
/// If that does not hold.
pub fn decodes_or_is_refused(kind: u8, bytes: &[u8]) {
    let rules = Rules { thresholds: Thresholds::default(), seed: 3 };
    let Ok(loaded) = decode(kind, bytes, &rules) else { return };
    let written = |loaded: &Loaded<'_>, style| {
        loaded.with_ref(|value| {
            let mut written = Vec::new();
            encode(value, style, &mut written);
            (type_byte(value, style), written)
        })
    };
    let (kind, own) = written(&loaded, Style::OWN);
    let again = decode(kind, &own, &rules).expect("what we wrote is sound");
    assert!(written(&again, Style::OWN) == (kind, own), "type {kind} changed on the way");
    // For Redis, a set may take a form that it would not have here.
    let (kind, theirs) = written(&loaded, Style::REDIS);
    assert!(decode(kind, &theirs, &rules).is_ok(), "type {kind} is sound");
}
