//! Walks over the samples of a range, in both directions.
//!
//! Why it exists: the codes of a chunk can only be read from its front. Forwards that is the
//! walk itself; backwards each chunk is decoded as a whole and then handed out from its end.

use super::Sample;
use super::chunk::{Chunk, Samples};
use crate::structures::spine::Iter;

/// The samples of a range in order of time.
#[derive(Clone, Debug)]
pub struct Forward<'a> {
    chunks: Iter<'a, Chunk>,
    open: Option<Samples<'a>>,
    from: i64,
    to: i64,
}

impl<'a> Forward<'a> {
    /// `chunks` begins with the first that may hold something of the range.
    pub(super) fn new(chunks: Iter<'a, Chunk>, from: i64, to: i64) -> Self {
        Self { chunks, open: None, from, to }
    }
}

impl Iterator for Forward<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        loop {
            let Some(samples) = &mut self.open else {
                let chunk = self.chunks.next()?;
                self.open = Some(chunk.samples());
                continue;
            };
            let from = self.from;
            match samples.find(|sample| sample.time >= from) {
                Some(sample) if sample.time <= self.to => return Some(sample),
                Some(_) => {
                    // Later ones are later still.
                    self.chunks = Iter::default();
                    self.open = None;
                }
                None => self.open = None,
            }
        }
    }
}

/// The samples of a range against the order of time.
#[derive(Clone, Debug)]
pub struct Backward<'a> {
    chunks: Iter<'a, Chunk>,
    open: Vec<Sample>,
    from: i64,
    to: i64,
}

impl<'a> Backward<'a> {
    /// `chunks` ends with the last that may hold something of the range.
    pub(super) fn new(chunks: Iter<'a, Chunk>, from: i64, to: i64) -> Self {
        Self { chunks, open: Vec::new(), from, to }
    }
}

impl Iterator for Backward<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        loop {
            if let Some(sample) = self.open.pop() {
                return Some(sample);
            }
            let chunk = self.chunks.next_back()?;
            if chunk.last().time < self.from {
                self.chunks = Iter::default();
                return None;
            }
            let (from, to) = (self.from, self.to);
            let is_inside = |sample: &Sample| (from..=to).contains(&sample.time);
            self.open.extend(chunk.samples().filter(is_inside));
        }
    }
}
