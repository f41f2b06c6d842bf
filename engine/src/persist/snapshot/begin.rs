//! How a snapshot gets its instant.
//!
//! Why it exists: a cut needs all sessions outside their turns at once. Most turns are short, so a
//! try costs the sessions that are early a fraction of a millisecond; a turn that is long (a
//! command on millions of elements) makes the try fail, and the next one comes a little later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cut::Cut;
use crate::persist::meter::Meter;
use crate::shared::{Public, Shared};
use crate::sync::spin_hint;

/// The longest that one try keeps sessions out of their turns; the first tries are shorter.
const TRY_MAX: Duration = Duration::from_millis(2);
const TRY_MIN: Duration = Duration::from_micros(200);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(3);

/// How long one try after the other keeps the sessions waiting.
#[derive(Debug)]
pub(crate) struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(TRY_MIN)
    }
}

impl Patience {
    /// The patience of the next try: true while it lasts.
    pub(crate) fn next_try(&mut self) -> impl FnMut() -> bool + use<> {
        let end = Instant::now() + self.0;
        self.0 = (self.0 * 2).min(TRY_MAX);
        let mut spins = 0_u32;
        move || {
            spins += 1;
            if !spins.is_multiple_of(32) {
                spin_hint();
                return true;
            }
            std::thread::yield_now();
            Instant::now() < end
        }
    }
}

/// Begins a cut, however often that has to be tried; `None` when it is abandoned first. Runs
/// `under` at the instant of the cut.
///
/// Also answers for how long the sessions were kept waiting at the end.
pub(crate) fn begin(
    shared: &Shared,
    own: &Public,
    pending_bytes_max: u64,
    meter: &Meter,
    under: &mut dyn FnMut(&Shared),
) -> Option<(Arc<Cut>, Duration)> {
    let mut patience = Patience::default();
    while !meter.is_abandoned() {
        let began = Instant::now();
        let cut = shared.begin_cut(own, pending_bytes_max, patience.next_try(), &mut *under);
        if let Some(cut) = cut {
            return Some((cut, began.elapsed()));
        }
        std::thread::sleep(PAUSE);
    }
    None
}
