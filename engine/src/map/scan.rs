//! Walking and sampling the map in hash order.
//!
//! Why it exists: SCAN promises every element that is present from start to end (I4), at any
//! concurrency and across resizes. A cursor is a position in hash space; buckets are in hash
//! order (M2), so what is behind the position has been seen whatever became of the segments.
//!
//! Invariants
//! - C1: a cursor is the start of a bucket at the time it was made. A later bucket that contains it
//!   may begin before it; entries below the position are left out, for they were seen.

use super::bucket::{SLOTS, Walk, load};
use super::directory::GROUP_BITS;
use super::segment::{Resident, Segment};
use super::word::Word;
use super::{GROUPS, Map};

/// A position in hash space; `None` at the end.
pub type Cursor = Option<u64>;

impl Map {
    /// The current (or frozen and still current) segment for `position`, skipping empty groups.
    fn segment_at(&self, mut position: u64) -> Option<(u64, &Segment)> {
        loop {
            let group = usize::try_from(position >> (64 - GROUP_BITS)).expect("six bits");
            if let Some(mut segment) = self.groups[group].segment(position) {
                while let Some(next) = segment.successor(position) {
                    segment = next;
                }
                return Some((position, segment));
            }
            if group + 1 == GROUPS {
                return None;
            }
            position = (group as u64 + 1) << (64 - GROUP_BITS);
        }
    }

    /// Visits the entries of the bucket at `position` and returns where the next one starts.
    pub fn scan_bucket(
        &self,
        position: u64,
        resident: &impl Resident,
        mut visit: impl FnMut(Word),
    ) -> Cursor {
        let (position, segment) = self.segment_at(position)?;
        let index = segment.bucket_index(position);
        let partial = segment.bucket_start(index).is_some_and(|start| start < position);
        segment.buckets()[index].walk(|_, word| {
            if word.is_empty() || word.is_tentative() {
                return Walk::Go;
            }
            let word = word.thawed();
            if !partial || resident.hash(word) >= position {
                visit(word);
            }
            Walk::Go
        });
        segment.bucket_start(index + 1)
    }

    /// The entry in a random slot near `random`, or `None` if that slot is empty: call again.
    pub fn sample(&self, random: u64) -> Option<Word> {
        let (_, segment) = self.segment_at(random)?;
        let chain = segment.chain(random);
        let position = usize::try_from(random).expect("64-bit") % SLOTS;
        let word = load(chain.slot(position));
        if word.is_overflow() {
            let mut behind = Vec::new();
            chain.walk(|_, word| {
                behind.push(word);
                Walk::Go
            });
            let at = SLOTS - 1 + usize::try_from(random >> 8).expect("64-bit") % (SLOTS - 1);
            return behind.get(at).copied().filter(settled).map(Word::thawed);
        }
        settled(&word).then(|| word.thawed())
    }

    /// Visits every segment whose earliest deadline is at or before `now_ms`, in groups that have
    /// one; `sweep` returns the earliest deadline left in the segment, or `None` to stop there.
    ///
    /// `resume` is where the walk before this one stopped: the group it is in is walked from
    /// there, and once more from its start, for only a whole walk finds its earliest deadline.
    ///
    /// Returns whether everything due was visited. Cost: a load per group, and one per segment of
    /// a group with something due.
    pub fn sweep_due<'m>(
        &'m self,
        now_ms: u64,
        resume: &mut u64,
        mut sweep: impl FnMut(&'m Segment) -> Option<u64>,
    ) -> bool {
        for (first, group) in (0_u64..).map(|at| at << (64 - GROUP_BITS)).zip(&self.groups) {
            let last = first | (u64::MAX >> GROUP_BITS);
            while group.deadline.peek() <= now_ms {
                let from = if (first..=last).contains(resume) { *resume } else { first };
                *resume = first;
                let taken = group.deadline.take();
                let mut earliest = super::NEVER;
                let mut stopped = None;
                let mut visit = |segment: &'m Segment| {
                    if segment.deadline.peek() <= now_ms {
                        segment.deadline.take();
                        let left = sweep(segment);
                        segment.deadline.lower(left.unwrap_or(now_ms));
                        if left.is_none() {
                            stopped = Some(segment.prefix());
                            return false;
                        }
                    }
                    earliest = earliest.min(segment.deadline.peek());
                    true
                };
                group.segments(from, |segment| current_segments(segment, &mut visit));
                if let Some(position) = stopped {
                    *resume = position;
                    group.deadline.lower(taken);
                    return false;
                }
                if from == first {
                    group.deadline.lower(earliest);
                    break;
                }
                group.deadline.lower(taken);
            }
        }
        true
    }

    /// The earliest deadline of all groups.
    #[must_use]
    pub fn earliest_deadline(&self) -> u64 {
        self.groups.iter().map(|group| group.deadline.peek()).min().unwrap_or(super::NEVER)
    }
}

fn settled(word: &Word) -> bool {
    !word.is_empty() && !word.is_tentative() && !word.is_overflow()
}

/// Visits the current segments behind one that may be superseded, until `visit` says `false`;
/// whether it never did.
fn current_segments<'m>(segment: &'m Segment, visit: &mut impl FnMut(&'m Segment) -> bool) -> bool {
    match segment.successors() {
        None => visit(segment),
        Some((first, second)) => {
            current_segments(first, visit)
                && second.is_none_or(|second| current_segments(second, visit))
        }
    }
}
