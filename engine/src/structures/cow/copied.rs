//! What unsharing has copied on this thread, for tests that bound it.

use std::cell::Cell;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn note(bytes: usize) {
    BYTES.set(BYTES.get() + bytes);
}

/// Bytes since this was asked last.
pub(crate) fn take() -> usize {
    BYTES.take()
}
