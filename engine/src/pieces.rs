//! The bytes of a string where they lie, and a string that is being changed.
//!
//! Why it exists: the commands on bits read and write a few bytes, or walk over all of them, of
//! strings that are numbers, slices or lists of chunks; here that is one thing, without copies.
//! Not for replies: [`Text`] is written as it is.

use crate::large::LARGE_BYTES_MIN;
use crate::{LargeString, NewText, Text};

/// A string's bytes in contiguous pieces.
///
/// The pieces of all strings begin at the same offsets, so what combines strings walks over all
/// of them at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pieces<'a> {
    Flat(&'a [u8]),
    Large(&'a LargeString),
}

impl<'a> Pieces<'a> {
    /// The bytes of a string; `digits` is room for those of a number.
    pub(crate) fn of(text: Text<'a>, digits: &'a mut itoa::Buffer) -> Self {
        match text {
            Text::Int(number) => Self::Flat(digits.format(number).as_bytes()),
            Text::Large(large) => Self::Large(large),
            Text::Slice(bytes) => Self::Flat(bytes),
        }
    }

    /// Length in bytes.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Flat(bytes) => bytes.len(),
            Self::Large(large) => large.len(),
        }
    }

    /// The bytes from `offset` up to the end of their piece; empty at and behind the end.
    pub(crate) fn at(self, offset: usize) -> &'a [u8] {
        match self {
            Self::Flat(bytes) => bytes.get(offset..).unwrap_or_default(),
            Self::Large(large) => large.piece_at(offset),
        }
    }

    /// One byte; zero behind the end.
    pub(crate) fn byte(self, offset: usize) -> u8 {
        self.at(offset).first().copied().unwrap_or_default()
    }

    /// The pieces from `start` up to `end`, or up to the end of the string.
    pub(crate) fn range(self, start: usize, end: usize) -> impl Iterator<Item = &'a [u8]> {
        let mut at = start;
        std::iter::from_fn(move || {
            let piece = self.at(at);
            let piece = &piece[..piece.len().min(end.saturating_sub(at))];
            at += piece.len();
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// A copy of a string that is being changed; of a large one, only what changes is copied.
#[derive(Debug)]
pub(crate) enum Draft {
    Flat(Vec<u8>),
    Large(LargeString),
}

impl Draft {
    /// A draft of at least `len_min` bytes, zeros behind those that `text` has.
    pub(crate) fn of(text: Option<Text<'_>>, len_min: usize) -> Self {
        match text {
            Some(Text::Large(large)) => Self::Large(large.grown(len_min)),
            short => {
                let bytes = short.map_or_else(Vec::new, |text| text.to_bytes().into_owned());
                if len_min >= LARGE_BYTES_MIN {
                    return Self::Large(LargeString::from_slice(&bytes).grown(len_min));
                }
                let mut bytes = bytes;
                bytes.resize(bytes.len().max(len_min), 0);
                Self::Flat(bytes)
            }
        }
    }

    /// What it holds by now.
    pub(crate) fn pieces(&self) -> Pieces<'_> {
        match self {
            Self::Flat(bytes) => Pieces::Flat(bytes),
            Self::Large(large) => Pieces::Large(large),
        }
    }

    /// Changes bytes that are there.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        match self {
            Self::Flat(all) => all[offset..offset + bytes.len()].copy_from_slice(bytes),
            Self::Large(large) => large.set_within(offset, bytes),
        }
    }

    /// The string to be stored.
    pub(crate) fn into_text(self) -> NewText<'static> {
        match self {
            Self::Flat(bytes) => NewText::Owned(bytes),
            Self::Large(large) => NewText::Large(large),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * LARGE_BYTES_MIN + 7).collect();
        let large = LargeString::from_slice(&bytes);
        for pieces in [Pieces::Large(&large), Pieces::Flat(&bytes)] {
            let edges = [0, 1, LARGE_BYTES_MIN - 1, LARGE_BYTES_MIN, bytes.len() - 1, bytes.len()];
            for start in edges {
                for end in edges {
                    let joined: Vec<u8> = pieces.range(start, end).flatten().copied().collect();
                    assert!(joined == bytes[start..end.max(start)], "{start} {end}");
                }
                assert_eq!(pieces.byte(start), bytes.get(start).copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn drafts_become_large_at_the_limit() {
        for text in [None, Some(Text::Int(12)), Some(Text::Slice(b"12"))] {
            for len in [0, 1, 3, LARGE_BYTES_MIN - 1, LARGE_BYTES_MIN, LARGE_BYTES_MIN + 1] {
                let mut draft = Draft::of(text, len);
                let old = text.map_or(0, Text::len);
                assert_eq!(draft.pieces().len(), len.max(old));
                if len > 2 {
                    draft.write(len - 2, b"ab");
                    assert_eq!(draft.pieces().at(len - 1).first(), Some(&b'b'));
                }
                let large = matches!(draft.into_text(), NewText::Large(_));
                assert_eq!(large, len >= LARGE_BYTES_MIN, "{len}");
            }
        }
    }
}
