//! Payloads of DUMP: a value with a version and a checksum, so that it can travel.
//!
//! Why it exists: RESTORE must refuse what was cut or changed on the way, and what a later version
//! wrote. The log keeps whole values in the same form.
//!
//! ```text
//! type 1 | value … | RDB version, 2 bytes | CRC-64 of all before, 8 bytes      little-endian
//! ```
//!
//! The version is the lowest that has the value's type, so that older servers take it as well.

use crc::{CRC_64_REDIS, Crc, Table};
use zumic_error::DumpError;

use super::value::{Style, VERSION_MAX, ValueRef, encode, type_byte, version_of};

/// Version and checksum.
pub(super) const FOOTER_BYTES: usize = 10;
const CRC_BYTES: usize = 8;

/// Redis's checksum ("Jones"): sixteen bytes a step, 32 KiB of tables.
static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// Redis's 64-bit checksum of bytes.
///
/// # Examples
/// ```
/// assert_eq!(engine::persist::rdb::checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
/// ```
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    CRC.checksum(bytes)
}

/// The same of bytes that come in pieces.
#[derive(Clone)]
pub struct Checksum(crc::Digest<'static, u64, Table<16>>);

impl Default for Checksum {
    fn default() -> Self {
        Self(CRC.digest())
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checksum")
    }
}

impl Checksum {
    /// Adds a piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all pieces so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.clone().finalize()
    }
}

/// The payload of a value.
///
/// Cost: O(bytes); the payload is in memory as a whole.
#[must_use]
pub fn seal(value: ValueRef<'_>, style: Style) -> Vec<u8> {
    let type_byte = type_byte(value, style);
    let mut payload = vec![type_byte];
    encode(value, style, &mut payload);
    payload.extend_from_slice(&version_of(type_byte).to_le_bytes());
    let checksum = checksum(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// The type and the bytes of the value in a payload.
///
/// # Errors
/// [`DumpError::Payload`] when it is cut, changed, or of a version that is not known.
pub fn open(payload: &[u8]) -> Result<(u8, &[u8]), DumpError> {
    let Some((body, footer)) = payload.split_last_chunk::<FOOTER_BYTES>() else {
        return Err(DumpError::Payload);
    };
    let [v0, v1, crc @ ..] = *footer;
    let checked = &payload[..payload.len() - CRC_BYTES];
    let sound =
        u16::from_le_bytes([v0, v1]) <= VERSION_MAX && checksum(checked) == u64::from_le_bytes(crc);
    match body {
        [type_byte, value @ ..] if sound => Ok((*type_byte, value)),
        // Redis finds no type in it, which is another error.
        [] if sound => Err(DumpError::BadFormat),
        _ => Err(DumpError::Payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;

    #[test]
    fn a_payload_of_redis_is_made_and_opened() {
        // DUMP of SET key 10, as in Redis's documentation, but of version 6.
        let payload = seal(ValueRef::Text(Text::Int(10)), Style::REDIS);
        assert_eq!(payload[..5], [0, 0xc0, 10, 6, 0]);
        assert_eq!(open(&payload), Ok((0, &[0xc0, 10][..])));
        let of_redis = b"\x00\xc0\n\t\x00\xbem\x06\x89Z(\x00\n";
        assert_eq!(open(of_redis), Ok((0, &b"\xc0\n"[..])), "version 9");
    }

    #[test]
    fn what_was_cut_or_changed_is_refused() {
        let payload = seal(ValueRef::Text(Text::Slice(b"some text")), Style::OWN);
        for cut in 0..payload.len() {
            assert_eq!(open(&payload[..cut]), Err(DumpError::Payload), "{cut}");
        }
        for at in 0..payload.len() {
            let mut bad = payload.clone();
            bad[at] ^= 1;
            assert_eq!(open(&bad), Err(DumpError::Payload), "{at}");
        }
        let mut newer = payload[..payload.len() - FOOTER_BYTES].to_vec();
        newer.extend_from_slice(&(VERSION_MAX + 1).to_le_bytes());
        newer.extend_from_slice(&checksum(&newer).to_le_bytes());
        assert_eq!(open(&newer), Err(DumpError::Payload), "a version to come");
    }
}
