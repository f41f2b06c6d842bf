//! Entries copied out of a stream.
//!
//! Why it exists: a command that changes a stream answers entries of it, and the reply is written
//! after the change, when the stream may be another's to change. Reading commands write from the
//! stream itself.
//!
//! ```text
//! bytes  | field | value | field | value | field | value |      ends: where each string ends
//! items  (id, 2 pairs)                   (id, 1 pair)    (id, removed)
//! ```

use super::{StreamId, write_id};
use crate::ReplySink;
use crate::structures::stream::{Element, Entry};

/// Copies of entries, in the order in which they are answered.
#[derive(Debug, Default)]
pub(super) struct Page {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    items: Vec<(StreamId, Option<usize>)>,
}

impl Page {
    /// Adds a copy.
    pub(super) fn push(&mut self, entry: &Entry<'_>) {
        for (field, value) in entry.pairs() {
            self.push_string(field);
            self.push_string(value);
        }
        self.items.push((entry.id(), Some(entry.field_count())));
    }

    /// Adds the id of an entry that was removed.
    pub(super) fn push_removed(&mut self, id: StreamId) {
        self.items.push((id, None));
    }

    fn push_string(&mut self, element: Element<'_>) {
        match element {
            Element::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
            Element::Int(number) => {
                self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
        self.ends.push(self.bytes.len());
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Writes an array of the entries.
    pub(super) fn write(&self, sink: &mut dyn ReplySink) {
        sink.array(self.items.len());
        let (mut ends, mut start) = (self.ends.iter(), 0);
        for (id, pairs) in &self.items {
            sink.array(2);
            write_id(sink, *id);
            let Some(pairs) = pairs else {
                sink.null_array();
                continue;
            };
            sink.array(2 * pairs);
            for end in ends.by_ref().take(2 * pairs) {
                sink.bulk(&self.bytes[start..*end]);
                start = *end;
            }
        }
    }
}
