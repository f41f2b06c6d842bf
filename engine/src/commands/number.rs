//! stub
use zumic_error::CommandError;
/// x
pub fn parse_integer(text: &[u8]) -> Result<i64, CommandError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.parse::<i64>().ok().filter(|n| n.to_string() == t))
        .ok_or(CommandError::NotAnInteger)
}
