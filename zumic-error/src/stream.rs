//! What can be wrong with a command on streams, and its exact text.
//!
//! Why it exists: streams have more texts of their own than all other types together, and they
//! are read together with the commands that answer them. Not for errors that other types have
//! as well: those are [`CommandError`](crate::CommandError)'s.

use std::fmt;

/// A stream command's failure; see [`CommandError::Stream`](crate::CommandError::Stream).
///
/// # Examples
/// ```
/// use zumic_error::{CommandError, StreamError};
///
/// let error = CommandError::from(StreamError::BusyGroup);
/// assert_eq!(error.code(), "BUSYGROUP");
/// assert_eq!(error.to_string(), "BUSYGROUP Consumer Group name already exists");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum StreamError {
    AddedNegative,
    AddedSmall,
    AutoclaimCount,
    AutoclaimIdleMin,
    BusyGroup,
    ClaimIdle,
    ClaimIdleMin,
    ClaimOptionUnknown(Vec<u8>),
    ClaimRetryCount,
    ClaimTime,
    EntriesReadInvalid,
    EntryTooLarge,
    Exhausted,
    GroupOption,
    IdInvalid,
    IdSmall,
    IdZero,
    IntervalEnd,
    IntervalStart,
    KeyMissing,
    LastIdBelowDeleted,
    LastIdBelowGivenDeleted,
    LastIdBelowTop,
    LimitNegative,
    LimitWithoutApproximation,
    LimitWithoutTrim,
    MaxlenNegative,
    NewIdOfGroup,
    NoAckOption,
    NoGroup { key: Vec<u8>, group: Vec<u8> },
    NoGroupForKey { key: Vec<u8>, group: Vec<u8> },
    NoGroupToRead { key: Vec<u8>, group: Vec<u8> },
    NoTrim,
    TopIdOfGroup,
    TrimTwice,
    UnbalancedRead,
    UnbalancedReadGroup,
    UndeliveredId,
    WithoutGroup,
}

impl StreamError {
    /// The first word of the text.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::BusyGroup => "BUSYGROUP",
            Self::NoGroup { .. } | Self::NoGroupForKey { .. } | Self::NoGroupToRead { .. } => {
                "NOGROUP"
            }
            _ => "ERR",
        }
    }

    /// Appends the text, with the client's own bytes as they came.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut join = |parts: &[&[u8]]| out.extend(parts.iter().copied().flatten());
        match self {
            Self::ClaimOptionUnknown(option) => {
                join(&[b"ERR Unrecognized XCLAIM option '", option, b"'"]);
            }
            Self::NoGroup { key, group } => {
                join(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"]);
            }
            Self::NoGroupForKey { key, group } => {
                join(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"]);
            }
            Self::NoGroupToRead { key, group } => join(&[
                b"NOGROUP No such key '",
                key,
                b"' or consumer group '",
                group,
                b"' in XREADGROUP with GROUP option",
            ]),
            other => out.extend_from_slice(other.fixed().as_bytes()),
        }
    }

    fn fixed(&self) -> &'static str {
        match self {
            Self::AutoclaimCount => "ERR COUNT must be > 0",
            Self::AutoclaimIdleMin => "ERR Invalid min-idle-time argument for XAUTOCLAIM",
            Self::BusyGroup => "BUSYGROUP Consumer Group name already exists",
            Self::ClaimIdle => "ERR Invalid IDLE option argument for XCLAIM",
            Self::ClaimIdleMin => "ERR Invalid min-idle-time argument for XCLAIM",
            Self::ClaimRetryCount => "ERR Invalid RETRYCOUNT option argument for XCLAIM",
            Self::ClaimTime => "ERR Invalid TIME option argument for XCLAIM",
            Self::EntriesReadInvalid => "ERR value for ENTRIESREAD must be positive or -1",
            Self::IdInvalid => "ERR Invalid stream ID specified as stream command argument",
            Self::IntervalEnd => "ERR invalid end ID for the interval",
            Self::IntervalStart => "ERR invalid start ID for the interval",
            Self::KeyMissing => {
                "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may \
                 want to use the MKSTREAM option to create an empty stream automatically."
            }
            other => other.fixed_read().unwrap_or_else(|| other.fixed_write()),
        }
    }

    const fn fixed_read(&self) -> Option<&'static str> {
        Some(match self {
            Self::GroupOption => {
                "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
            }
            Self::NewIdOfGroup => {
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the \
                 history of this consumer by specifying a proper ID, or use the > ID to get new \
                 messages. The $ ID would just return an empty result set."
            }
            Self::NoAckOption => {
                "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
            }
            Self::TopIdOfGroup => {
                "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the \
                 history of this consumer by specifying a proper ID, or use the > ID to get new \
                 messages. The + ID would just return an empty result set."
            }
            Self::UnbalancedRead => {
                "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be \
                 specified."
            }
            Self::UnbalancedReadGroup => {
                "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' \
                 must be specified."
            }
            Self::UndeliveredId => {
                "ERR The > ID can be specified only when calling XREADGROUP using the GROUP \
                 <group> <consumer> option."
            }
            Self::WithoutGroup => "ERR Missing GROUP option for XREADGROUP",
            _ => return None,
        })
    }

    const fn fixed_write(&self) -> &'static str {
        match self {
            Self::AddedNegative => "ERR entries_added must be positive",
            Self::AddedSmall => {
                "ERR The entries_added specified in XSETID is smaller than the target stream length"
            }
            Self::EntryTooLarge => "ERR Elements are too large to be stored",
            Self::Exhausted => {
                "ERR The stream has exhausted the last possible ID, unable to add more items"
            }
            Self::IdSmall => {
                "ERR The ID specified in XADD is equal or smaller than the target stream top item"
            }
            Self::IdZero => "ERR The ID specified in XADD must be greater than 0-0",
            Self::LastIdBelowDeleted => {
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
            }
            Self::LastIdBelowGivenDeleted => {
                "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
            }
            Self::LastIdBelowTop => {
                "ERR The ID specified in XSETID is smaller than the target stream top item"
            }
            Self::LimitNegative => "ERR The LIMIT argument must be >= 0.",
            Self::LimitWithoutApproximation => {
                "ERR syntax error, LIMIT cannot be used without the special ~ option"
            }
            Self::LimitWithoutTrim => {
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
            }
            Self::MaxlenNegative => "ERR The MAXLEN argument must be >= 0.",
            Self::NoTrim => "ERR syntax error, XTRIM must be called with a trimming strategy",
            Self::TrimTwice => {
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
            }
            _ => panic!("every variant without data has a fixed text"),
        }
    }
}

/// The text for people; what a client gets has the client's own bytes.
impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_first_word_of_the_text() {
        use StreamError as E;
        let (key, group) = (b"k".to_vec(), b"g".to_vec());
        let errors = [
            E::AddedNegative,
            E::AddedSmall,
            E::AutoclaimCount,
            E::AutoclaimIdleMin,
            E::BusyGroup,
            E::ClaimIdle,
            E::ClaimIdleMin,
            E::ClaimOptionUnknown(b"\xff".to_vec()),
            E::ClaimRetryCount,
            E::ClaimTime,
            E::EntriesReadInvalid,
            E::EntryTooLarge,
            E::Exhausted,
            E::GroupOption,
            E::IdInvalid,
            E::IdSmall,
            E::IdZero,
            E::IntervalEnd,
            E::IntervalStart,
            E::KeyMissing,
            E::LastIdBelowDeleted,
            E::LastIdBelowGivenDeleted,
            E::LastIdBelowTop,
            E::LimitNegative,
            E::LimitWithoutApproximation,
            E::LimitWithoutTrim,
            E::MaxlenNegative,
            E::NewIdOfGroup,
            E::NoAckOption,
            E::NoGroup { key: key.clone(), group: group.clone() },
            E::NoGroupForKey { key: key.clone(), group: group.clone() },
            E::NoGroupToRead { key, group },
            E::NoTrim,
            E::TopIdOfGroup,
            E::TrimTwice,
            E::UnbalancedRead,
            E::UnbalancedReadGroup,
            E::UndeliveredId,
            E::WithoutGroup,
        ];
        for error in errors {
            let text = error.to_string();
            assert_eq!(text.split(' ').next(), Some(error.code()), "{text}");
            assert!(!text.contains("  "), "a broken literal: {text}");
        }
    }
}
