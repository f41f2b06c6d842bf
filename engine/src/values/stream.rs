//! The stream as a value: always an object, and there even without entries.
//!
//! Why it exists: a stream remembers its last id and its groups when it has no entries, so it is
//! never empty in the sense that its key should go; and it is made to be appended to, so packing
//! it into its record would only be undone.

use crate::Kind;
use crate::collection::Collection;
use crate::structures::stream::Stream;

impl Collection for Stream {
    const KIND: Kind = Kind::Stream;
    type Ref<'a> = &'a Self;

    fn as_ref(&self) -> &Self {
        self
    }

    fn is_empty(&self) -> bool {
        false
    }

    fn memory(&self) -> usize {
        self.memory()
    }

    fn packed(&self) -> Option<(u8, &[u8])> {
        None
    }

    fn unpack(code: u8, _: &[u8]) -> Self {
        unreachable!("streams are never packed, so nobody stored encoding {code}")
    }

    fn view(code: u8, _: &[u8]) -> &Self {
        unreachable!("streams are never packed, so nobody stored encoding {code}")
    }

    fn encoding(_: &Self) -> &'static str {
        "stream"
    }
}
