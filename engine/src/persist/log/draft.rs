//! A block while it is being built, in memory that a disk can be written from directly.
//!
//! Why it exists: the log is written past the system's cache, which costs a fifth of the processor
//! time and leaves no burst for the sync (docs/src/decisions/log.md). That asks for whole pages, at
//! a page's offset, from a page's address; blocks follow each other without gaps. So a draft keeps
//! room in front for what the block's first page holds already, and fills its last page up with
//! zeros, which the next block replaces.
//!
//! ```text
//! |lead: the end of what was written before|header|payload........................|zeros|
//! ^page                                    ^block                                 ^end  ^page
//! ```
//!
//! Invariants
//! - D1: `lead < PAGE_BYTES`, and `lead + BLOCK_HEADER_BYTES <= end <= PAGE_BYTES * pages.len()`.

use super::bytes::Gather;
use super::format::BLOCK_HEADER_BYTES;

/// What direct writes are made of: the largest unit that a common disk or file system asks for.
pub(crate) const PAGE_BYTES: usize = 4096;

#[derive(Clone)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES]);

const _: () = assert!(size_of::<Page>() == PAGE_BYTES, "pages lie without gaps");

/// See the file's header.
pub(crate) struct Draft {
    pages: Vec<Page>,
    lead: usize,
    end: usize,
}

impl Draft {
    /// An empty block.
    pub(crate) fn new() -> Self {
        let mut draft = Self { pages: Vec::new(), lead: 0, end: 0 };
        draft.begin(0);
        draft
    }

    /// Empties the block, which is to be written behind `lead` bytes of a page.
    pub(crate) fn begin(&mut self, lead: usize) {
        assert!(lead < PAGE_BYTES, "D1");
        self.lead = lead;
        self.end = lead + BLOCK_HEADER_BYTES;
        self.make_room(0);
    }

    /// Bytes of the block, its header included.
    pub(crate) fn len(&self) -> usize {
        self.end - self.lead
    }

    /// Whether there is no payload.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == BLOCK_HEADER_BYTES
    }

    /// Appends to the payload.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        let (start, end) = (self.end, self.end + bytes.len());
        self.memory_mut()[start..end].copy_from_slice(bytes);
        self.end = end;
    }

    /// Cuts the block to `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        assert!((BLOCK_HEADER_BYTES..=self.len()).contains(&len), "a block keeps its header");
        self.end = self.lead + len;
    }

    /// The block's bytes.
    pub(crate) fn block_mut(&mut self) -> &mut [u8] {
        let (lead, end) = (self.lead, self.end);
        &mut self.memory_mut()[lead..end]
    }

    /// The whole pages that hold `lead` and the block behind it. Cost: a move of the block when it
    /// was begun for another lead.
    pub(crate) fn pages(&mut self, lead: &[u8]) -> &[u8] {
        assert!(lead.len() < PAGE_BYTES, "D1");
        let len = self.len();
        self.make_room(PAGE_BYTES);
        let (from, to) = (self.lead, lead.len());
        let memory = self.memory_mut();
        if from != to {
            memory.copy_within(from..from + len, to);
        }
        memory[..to].copy_from_slice(lead);
        let end = to + len;
        let padded = end.next_multiple_of(PAGE_BYTES);
        memory[end..padded].fill(0);
        (self.lead, self.end) = (to, end);
        &self.memory_mut()[..padded]
    }

    /// What the page behind the block's last whole one begins with.
    pub(crate) fn tail(&mut self) -> &[u8] {
        let end = self.end;
        &self.memory_mut()[end - end % PAGE_BYTES..end]
    }

    /// Gives memory back that only an uncommonly long block needs.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if self.pages.len() * PAGE_BYTES > bytes {
            self.pages = Vec::new();
            self.begin(0);
        }
    }

    /// Makes room for `more` bytes behind the end.
    fn make_room(&mut self, more: usize) {
        let pages = (self.end + more).div_ceil(PAGE_BYTES);
        if self.pages.len() < pages {
            // Doubled by the vector, so that a block is moved a few times only.
            self.pages.resize(pages, Page([0; PAGE_BYTES]));
        }
    }

    fn memory_mut(&mut self) -> &mut [u8] {
        let bytes = self.pages.len() * PAGE_BYTES;
        let start = self.pages.as_mut_ptr().cast::<u8>();
        // SAFETY: the vector's pages, all of them initialised bytes without gaps, are borrowed as
        // long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(start, bytes) }
    }
}

impl Gather for Draft {
    fn gather(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn gathered(&self) -> usize {
        self.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from(at % 251).expect("below 256")).collect()
    }

    #[test]
    fn a_block_lies_behind_its_lead_in_whole_pages() {
        for lead in [0, 1, PAGE_BYTES - BLOCK_HEADER_BYTES, PAGE_BYTES - 1] {
            for len in [0, 1, 100, PAGE_BYTES - BLOCK_HEADER_BYTES, 3 * PAGE_BYTES + 7] {
                // As expected, and for another lead, which moves it.
                for begun in [lead, 96, PAGE_BYTES - 1] {
                    let mut draft = Draft::new();
                    draft.begin(begun);
                    assert!(draft.is_empty());
                    draft.push(&payload(len));
                    draft.block_mut()[..BLOCK_HEADER_BYTES].fill(7);
                    let before = vec![9; lead];
                    let pages = draft.pages(&before);
                    assert_eq!(pages.as_ptr().addr() % PAGE_BYTES, 0);
                    let mut wanted = before;
                    wanted.extend([7; BLOCK_HEADER_BYTES]);
                    wanted.extend(payload(len));
                    let end = wanted.len();
                    wanted.resize(end.next_multiple_of(PAGE_BYTES), 0);
                    assert!(pages == wanted, "lead {lead}, {len} bytes, begun at {begun}");
                    let tail = &wanted[end - end % PAGE_BYTES..end];
                    assert!(draft.tail() == tail, "lead {lead}, {len} bytes");
                    assert_eq!(draft.len(), BLOCK_HEADER_BYTES + len);
                }
            }
        }
    }

    #[test]
    fn what_an_earlier_block_left_is_not_written() {
        let mut draft = Draft::new();
        draft.push(&[0xff; 2 * PAGE_BYTES]);
        draft.truncate(BLOCK_HEADER_BYTES + 10);
        draft.block_mut().fill(1);
        assert!(draft.pages(&[])[BLOCK_HEADER_BYTES + 10..].iter().all(|&byte| byte == 0));
        draft.shrink_to(PAGE_BYTES);
        assert!(draft.is_empty());
    }
}
