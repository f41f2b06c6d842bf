//! The clock of the store: one global epoch, and each session's place in it.
//!
//! Why it exists: epochs say when everything written before some point is known: a tombstone may
//! go, a log block may close. Not a wall clock: an epoch lasts as long as its host lets it.
//!
//! Invariants
//! - E1: a session inside a turn stands at an epoch that was current at some time in the turn's
//!   beginning, and gives TIDs of that epoch or later.
//! - E2: `closed` is below the place of every session inside a turn, now and later: no TID at or
//!   below it will be given again.
//! - E3: while the barrier is held, the holder is the only session inside a turn (its host, which
//!   runs nothing meanwhile, excepted), and no turn is suspended.
//! - E4: a nested session (a script's) is in a turn only inside a turn of its host, on the same
//!   thread, or suspended, and counted as that before the host leaves. So its host stands for it,
//!   its own place is never used, and who has seen the host idle sees that it is outside, too, or
//!   counted.
//! - E5: no session outside a turn has given a TID of an epoch above the current one.
//!
//! Ordering edges
//! - `epoch-enter`: a session stores its place, fences, and looks at the epoch and the barrier
//!   again; the advancing thread (or the barrier's holder) stores, fences, and looks at the
//!   places. A store-load pair on two variables, so both sides need the SeqCst fence.
//! - `epoch-leave`: store of a place (Release), IDLE or that of the next turn -> load of it
//!   (Acquire). What a turn did, its log entries included, is visible to who finds it over.
//! - `epoch-closed`: store of `closed` -> load of it. Carries nothing but the number.

use crate::sync::{AtomicU64, Ordering, fence};

const IDLE: u64 = u64::MAX;
const NOBODY: u64 = 0;

/// The shared side.
#[derive(Debug)]
pub struct Epochs {
    current: AtomicU64,
    closed: AtomicU64,
    /// Up to where closed epochs count as settled.
    limit: AtomicU64,
    /// Who holds the barrier: a session's number, or `NOBODY`.
    barrier: AtomicU64,
    /// Turns that hold what they took but stand at no epoch.
    suspended: AtomicU64,
}

/// One session's place. Sessions are numbered from one.
#[derive(Debug)]
#[repr(align(128))]
pub struct Place {
    number: u64,
    /// The session whose turns this one's are nested in; itself for most.
    host: u64,
    epoch: AtomicU64,
}

impl Place {
    /// A place outside any turn.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self::nested(number, number)
    }

    /// A place of a session that runs inside the turns of another one (E4).
    #[must_use]
    pub fn nested(number: u64, host: u64) -> Self {
        assert!(number != NOBODY, "zero stands for nobody");
        assert!(host <= number, "a host is there first (E4)");
        Self { number, host, epoch: AtomicU64::new(IDLE) }
    }

    /// The session's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the place belongs to a nested session.
    #[must_use]
    pub fn is_nested(&self) -> bool {
        self.host != self.number
    }

    /// Leaves the turn.
    pub fn leave(&self) {
        // ORDER(epoch-leave): Release; what this turn did happens before another's sole reign.
        self.epoch.store(IDLE, Ordering::Release);
    }

    fn standing(&self) -> u64 {
        // ORDER(epoch-leave): Acquire; pairs with the Release of a session that left.
        self.epoch.load(Ordering::Acquire)
    }
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            current: AtomicU64::new(1),
            closed: AtomicU64::new(0),
            limit: AtomicU64::new(u64::MAX),
            barrier: AtomicU64::new(NOBODY),
            suspended: AtomicU64::new(0),
        }
    }
}

impl Epochs {
    /// Enters a turn, unless another session holds the barrier.
    ///
    /// Returns the epoch the session stands at.
    pub fn try_enter(&self, place: &Place) -> Option<u64> {
        loop {
            // ORDER(epoch-enter): Relaxed; checked again behind the fence.
            let epoch = self.current.load(Ordering::Relaxed);
            // ORDER(epoch-leave): Release; who sees this place sees what the turn before did. The
            // fence orders it before the loads below.
            place.epoch.store(epoch, Ordering::Release);
            // ORDER(epoch-enter): SeqCst; our place before our look at epoch and barrier.
            fence(Ordering::SeqCst);
            // ORDER(epoch-enter): Acquire; what the barrier's last holder did is visible.
            if self.barrier.load(Ordering::Acquire) != NOBODY {
                place.leave();
                return None;
            }
            // ORDER(epoch-enter): Relaxed; behind the fence.
            if self.current.load(Ordering::Relaxed) == epoch {
                return Some(epoch);
            }
        }
    }

    /// Leaves the epoch but not the turn of a nested session: what is held stays held, and TIDs
    /// will be of the epoch in which it resumes.
    pub fn suspend(&self, place: &Place) {
        debug_assert!(place.is_nested(), "only these have a host to come back in");
        // ORDER(epoch-leave): Relaxed; the host's leave publishes it.
        self.suspended.fetch_add(1, Ordering::Relaxed);
    }

    /// Goes on after [`Epochs::suspend`], inside a turn of the host.
    pub fn resume(&self, place: &Place) -> u64 {
        let epoch = self.enter_nested(place);
        // ORDER(epoch-leave): Relaxed; whoever takes the barrier waits for the host now.
        self.suspended.fetch_sub(1, Ordering::Relaxed);
        epoch
    }

    /// Enters a nested session's turn, inside a turn of its host, which stands for both (E4): no
    /// barrier is complete and no epoch of theirs closes before the host leaves.
    ///
    /// Returns the epoch of the turn.
    pub fn enter_nested(&self, place: &Place) -> u64 {
        debug_assert!(place.is_nested(), "others may meet the barrier");
        self.current()
    }

    /// The current epoch.
    #[must_use]
    pub fn current(&self) -> u64 {
        // ORDER: Relaxed (unpaired); the number alone matters. Who has seen another session's write
        // sees the epoch of that write here, or a later one (coherence).
        self.current.load(Ordering::Relaxed)
    }

    /// The last epoch in which no write can happen any more.
    #[must_use]
    pub fn closed(&self) -> u64 {
        // ORDER(epoch-closed): Relaxed; an old reading only delays.
        self.closed.load(Ordering::Relaxed)
    }

    /// Begins a new epoch; returns it. Places are looked at afterwards, by [`Epochs::close`].
    pub fn advance(&self) -> u64 {
        // ORDER(epoch-enter): Relaxed; the fence of `close` orders it. A read-modify-write, because
        // a snapshot's cut raises the epoch on another thread.
        self.current.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes the epoch `epoch` at least.
    pub fn raise_to(&self, epoch: u64) {
        // ORDER(epoch-enter): Relaxed; as in `advance`.
        self.current.fetch_max(epoch, Ordering::Relaxed);
    }

    /// Closes the epochs that every session has left; returns the last one. One thread calls this.
    ///
    /// `places` is called after the fence, so that it may leave out sessions that register later:
    /// they will see the epoch that is current now.
    pub fn close<'p, P: Iterator<Item = &'p Place>>(&self, places: impl FnOnce() -> P) -> u64 {
        // ORDER(epoch-enter): Relaxed; sessions that enter later stand at it or above.
        let current = self.current.load(Ordering::Relaxed);
        // ORDER(epoch-enter): SeqCst; the epoch before our look at the places.
        fence(Ordering::SeqCst);
        let earliest = places().map(Place::standing).min().unwrap_or(IDLE).min(current);
        // A session on its way in may show an older epoch for a moment, and see that it is old.
        let closed = self.closed().max(earliest - 1);
        // ORDER(epoch-closed): Relaxed; the number alone matters.
        self.closed.store(closed, Ordering::Relaxed);
        closed
    }

    /// The last epoch whose tombstones nobody needs: closed, and durable where replies wait for
    /// that.
    #[must_use]
    pub fn settled(&self) -> u64 {
        // ORDER(epoch-closed): Relaxed; an old reading only delays.
        self.closed().min(self.limit.load(Ordering::Relaxed))
    }

    /// Says up to where tombstones may go though more is closed; `u64::MAX` for no limit.
    pub fn set_settled(&self, limit: u64) {
        // ORDER(epoch-closed): Relaxed; the number alone matters.
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Ends the current epoch under the barrier, so that what was written lies in epochs up to the
    /// one returned, and what will be written lies behind it.
    ///
    /// `margin` epochs are left out: a session may have given TIDs that carried beyond its epoch.
    pub fn cut(&self, margin: u64) -> u64 {
        // ORDER(epoch-enter): Relaxed; the barrier's end publishes it.
        self.current.fetch_add(margin, Ordering::Relaxed) + margin - 1
    }

    /// Begins a new epoch, whose first TID is above all that were given so far (E5) and below all
    /// to come. Only the barrier's holder calls this, whose own last TID is of epoch `last`.
    pub fn begin_alone(&self, last: u64) -> u64 {
        self.raise_to(last);
        // ORDER(epoch-enter): Relaxed; who enters later has the barrier's release before it.
        self.current.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes the barrier, for a session inside a turn or for none, and waits until every other has
    /// left its own. False when another session has it or a turn is suspended (leave the turn and
    /// come again), or when
    /// `wait`, asked again and again meanwhile, has enough of it.
    ///
    /// `places` is asked for once the barrier is taken: a session that begins its first turn later
    /// sees it.
    pub fn take_barrier<P: std::ops::Deref<Target = Place>>(
        &self,
        own: &Place,
        places: impl FnOnce() -> Vec<P>,
        mut wait: impl FnMut() -> bool,
    ) -> bool {
        // ORDER(epoch-enter): AcqRel; one holder at a time, and what the last one did is visible.
        let taken =
            self.barrier.compare_exchange(NOBODY, own.number, Ordering::AcqRel, Ordering::Relaxed);
        if taken.is_err() {
            return false;
        }
        // ORDER(epoch-enter): SeqCst; the barrier before our look at the places.
        fence(Ordering::SeqCst);
        let others = |place: &&P| place.number != own.number && place.number != own.host;
        for place in places().iter().filter(others) {
            while place.standing() != IDLE {
                if !wait() {
                    self.drop_barrier();
                    return false;
                }
            }
        }
        // ORDER(epoch-leave): Relaxed; counted before its host was seen idle (E4).
        let undisturbed = self.suspended.load(Ordering::Relaxed) == 0;
        if !undisturbed {
            self.drop_barrier();
        }
        undisturbed
    }

    /// Gives the barrier back.
    pub fn drop_barrier(&self) {
        // ORDER(epoch-enter): Release; what the holder did is visible to who enters.
        self.barrier.store(NOBODY, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_closes_when_every_session_has_left_it() {
        let epochs = Epochs::default();
        let places = [Place::new(1), Place::new(2)];
        assert_eq!(epochs.try_enter(&places[0]), Some(1));
        epochs.advance();
        epochs.close(|| places.iter());
        assert_eq!((epochs.current(), epochs.closed()), (2, 0));
        assert_eq!(epochs.try_enter(&places[1]), Some(2));
        places[0].leave();
        epochs.advance();
        epochs.close(|| places.iter());
        assert_eq!(epochs.closed(), 1);
        places[1].leave();
        epochs.advance();
        epochs.close(|| places.iter());
        assert_eq!(epochs.closed(), 3);
    }

    #[test]
    fn the_barrier_keeps_others_out_and_has_one_holder() {
        let epochs = Epochs::default();
        let places = [Place::new(1), Place::new(2)];
        epochs.try_enter(&places[0]).unwrap();
        assert!(epochs.take_barrier(
            &places[0],
            || places.iter().collect(),
            || unreachable!("all idle")
        ));
        assert_eq!(epochs.try_enter(&places[1]), None);
        assert!(!epochs.take_barrier(
            &places[1],
            || places.iter().collect(),
            || unreachable!("not taken")
        ));
        epochs.drop_barrier();
        assert!(epochs.try_enter(&places[1]).is_some());
        assert!(
            !epochs.take_barrier(&places[0], || places.iter().collect(), || false),
            "one is inside"
        );
        places[1].leave();
        assert!(
            epochs.take_barrier(&places[0], || places.iter().collect(), || false),
            "it was given back"
        );
    }

    #[test]
    fn a_cut_leaves_what_was_written_behind() {
        let epochs = Epochs::default();
        assert_eq!(epochs.cut(10), 10);
        assert_eq!(epochs.current(), 11);
    }

    #[test]
    fn a_suspended_turn_holds_no_epoch_but_keeps_the_barrier_away() {
        let epochs = Epochs::default();
        let places = [Place::new(1), Place::nested(2, 1), Place::new(3)];
        epochs.try_enter(&places[0]).unwrap();
        assert_eq!(epochs.enter_nested(&places[1]), 1);
        epochs.suspend(&places[1]);
        places[0].leave();
        epochs.advance();
        epochs.close(|| places.iter());
        assert_eq!((epochs.current(), epochs.closed()), (2, 1));
        epochs.try_enter(&places[2]).unwrap();
        assert!(!epochs.take_barrier(
            &places[2],
            || places.iter().collect(),
            || panic!("none runs")
        ));
        places[2].leave();
        epochs.try_enter(&places[0]).unwrap();
        assert_eq!(epochs.resume(&places[1]), 2);
        // The host is in its turn, and runs nothing.
        assert!(epochs.take_barrier(&places[1], || places.iter().collect(), || panic!("all idle")));
        assert_eq!(epochs.try_enter(&places[2]), None);
    }

    #[test]
    fn an_epoch_begun_alone_is_above_all_that_were_used() {
        let epochs = Epochs::default();
        assert_eq!((epochs.begin_alone(1), epochs.current()), (2, 2));
        epochs.raise_to(9);
        assert_eq!((epochs.begin_alone(4), epochs.begin_alone(40)), (10, 41));
        epochs.raise_to(3);
        assert_eq!(epochs.current(), 41, "never backwards");
    }
}
