//! What a command on time series can fail with, in the words of RedisTimeSeries.

use std::fmt;

/// A failure of a TS command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is explained by its text below")]
pub enum TimeSeriesError {
    AggregationInvalid,
    AggregationUnknown,
    AlignEndImplicit,
    AlignStartImplicit,
    AlignUnknown,
    AlignWithoutAggregation,
    Blocked,
    BucketDurationNotPositive,
    BucketTimestampUnknown,
    ChunkSizeInvalid,
    ChunkSizeOutOfRange,
    CountInvalid,
    CountMissing,
    CountNegative,
    DuplicatePolicyInvalid,
    DuplicatePolicyUnknown,
    EncodingUnknown,
    FilterByTimeMissing,
    FilterByValueMissing,
    FromInvalid,
    KeyExists,
    LabelsInvalid,
    MaxInvalid,
    MinInvalid,
    NoSuchKey,
    NotASeries,
    OlderThanRetention,
    RetentionInvalid,
    ThirdArgument,
    TimeInvalid,
    TimeNegative,
    ToInvalid,
    ValueInvalid,
}

impl fmt::Display for TimeSeriesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ERR TSDB: ")?;
        f.write_str(match self {
            Self::AggregationInvalid => "Couldn't parse AGGREGATION",
            Self::AggregationUnknown => "Unknown aggregation type",
            Self::AlignEndImplicit => "end alignment can only be used with explicit end timestamp",
            Self::AlignStartImplicit => {
                "start alignment can only be used with explicit start timestamp"
            }
            Self::AlignUnknown => "unknown ALIGN parameter",
            Self::AlignWithoutAggregation => "ALIGN parameter can only be used with AGGREGATION",
            Self::Blocked => {
                "Error at upsert, update is not supported when DUPLICATE_POLICY is set to BLOCK \
                 mode"
            }
            Self::BucketDurationNotPositive => "bucketDuration must be greater than zero",
            Self::BucketTimestampUnknown => "unknown BUCKETTIMESTAMP parameter",
            Self::ChunkSizeInvalid => "Couldn't parse CHUNK_SIZE",
            Self::ChunkSizeOutOfRange => {
                "CHUNK_SIZE value must be a multiple of 8 in the range [48 .. 1048576]"
            }
            Self::CountInvalid => "Couldn't parse COUNT",
            Self::CountMissing => "COUNT argument is missing",
            Self::CountNegative => "Invalid COUNT value",
            Self::DuplicatePolicyInvalid => "Couldn't parse DUPLICATE_POLICY",
            Self::DuplicatePolicyUnknown => "Unknown DUPLICATE_POLICY",
            Self::EncodingUnknown => "unknown ENCODING parameter",
            Self::FilterByTimeMissing => "FILTER_BY_TS one or more arguments are missing",
            Self::FilterByValueMissing => "FILTER_BY_VALUE one or more arguments are missing",
            Self::FromInvalid => "wrong fromTimestamp",
            Self::KeyExists => "key already exists",
            Self::LabelsInvalid => "Couldn't parse LABELS",
            Self::MaxInvalid => "Couldn't parse MAX",
            Self::MinInvalid => "Couldn't parse MIN",
            Self::NoSuchKey => "the key does not exist",
            Self::NotASeries => "the key is not a TSDB key",
            Self::OlderThanRetention => "Timestamp is older than retention",
            Self::RetentionInvalid => "Couldn't parse RETENTION",
            Self::ThirdArgument => "wrong 3rd argument",
            Self::TimeInvalid => "invalid timestamp",
            Self::TimeNegative => "invalid timestamp, must be a nonnegative integer",
            Self::ToInvalid => "wrong toTimestamp",
            Self::ValueInvalid => "invalid value",
        })
    }
}

impl std::error::Error for TimeSeriesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_code_and_prefix_and_no_broken_literal() {
        for error in [TimeSeriesError::Blocked, TimeSeriesError::ChunkSizeOutOfRange] {
            let text = error.to_string();
            assert!(text.starts_with("ERR TSDB: ") && !text.contains("  "), "{text}");
        }
    }
}
