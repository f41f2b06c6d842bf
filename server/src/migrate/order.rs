//! The arguments of MIGRATE.

use std::time::Duration;

use engine::commands::{MigrateOption, migrate_options};
use protocol::parse_integer;
use zumic_error::{CommandError, DumpError};

use crate::settings::Secret;

/// What Redis takes for a timeout that is none.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);

/// What a client asked for.
#[derive(Debug)]
pub(super) struct Order {
    /// The database here.
    pub(super) db: u16,
    pub(super) host: String,
    /// `None` for what is no port: connecting fails.
    pub(super) port: Option<u16>,
    /// The database there.
    pub(super) target_db: i64,
    /// The longest silence of the other server.
    pub(super) timeout: Duration,
    /// The keys stay.
    pub(super) copy: bool,
    /// Keys that are there already are replaced.
    pub(super) replace: bool,
    /// The words behind AUTH.
    pub(super) login: Option<Vec<Secret>>,
    pub(super) keys: Vec<Vec<u8>>,
}

impl Order {
    /// Reads `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password |
    /// AUTH2 user password] [KEYS key ...]`.
    ///
    /// # Errors
    /// As Redis's, in its order.
    pub(super) fn parse(db: u16, args: &[&[u8]]) -> Result<Self, CommandError> {
        let mut order = Self {
            db,
            host: String::from_utf8_lossy(args[1]).into_owned(),
            port: parse_integer(args[2]).and_then(|port| u16::try_from(port).ok()),
            target_db: 0,
            timeout: TIMEOUT_DEFAULT,
            copy: false,
            replace: false,
            login: None,
            keys: vec![args[3].to_vec()],
        };
        let secret = |word: &[u8]| Secret::new(word.to_vec());
        for (option, words) in migrate_options(args) {
            match (option, &args[words]) {
                (MigrateOption::Copy, _) => order.copy = true,
                (MigrateOption::Replace, _) => order.replace = true,
                (MigrateOption::Auth, [password]) => order.login = Some(vec![secret(password)]),
                (MigrateOption::Auth2, [user, password]) => {
                    order.login = Some(vec![secret(user), secret(password)]);
                }
                (MigrateOption::Keys, keys) => {
                    if !args[3].is_empty() {
                        return Err(DumpError::MigrateKeyAndKeys.into());
                    }
                    order.keys = keys.iter().map(|key| key.to_vec()).collect();
                }
                (MigrateOption::Auth | MigrateOption::Auth2 | MigrateOption::Unknown, _) => {
                    return Err(CommandError::Syntax);
                }
            }
        }
        let integer = |word| parse_integer(word).ok_or(CommandError::NotAnInteger);
        let timeout_ms = integer(args[5])?;
        order.target_db = integer(args[4])?;
        if let Ok(timeout_ms @ 1..) = u64::try_from(timeout_ms) {
            order.timeout = Duration::from_millis(timeout_ms);
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Order, CommandError> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        Order::parse(3, &words)
    }

    #[test]
    fn options_come_in_any_order_and_keys_come_last() {
        let order = parse("MIGRATE h 7 k 2 0").unwrap();
        assert_eq!((order.db, order.port, order.target_db), (3, Some(7), 2));
        assert_eq!((order.timeout, order.keys), (TIMEOUT_DEFAULT, vec![b"k".to_vec()]));
        let order = parse("migrate h 7  2 20 replace auth2 u keys copy keys copy auth").unwrap();
        assert!(order.copy && order.replace);
        assert_eq!(order.timeout, Duration::from_millis(20));
        assert_eq!(order.keys, [b"copy".to_vec(), b"auth".to_vec()]);
        assert_eq!(order.login.map(|words| words.len()), Some(2));
        assert_eq!(parse("MIGRATE h 65536 k 0 1").unwrap().port, None);
    }

    #[test]
    fn what_is_wrong_is_said_as_redis_does() {
        let syntax = Some(CommandError::Syntax);
        for line in ["MIGRATE h 1 k 0 1 AUTH", "MIGRATE h 1 k 0 1 AUTH2 u", "MIGRATE h 1 k 0 1 X"] {
            assert_eq!(parse(line).err(), syntax, "{line}");
        }
        let both = Some(DumpError::MigrateKeyAndKeys.into());
        assert_eq!(parse("MIGRATE h 1 k 0 x KEYS a").err(), both);
        assert_eq!(parse("MIGRATE h 1 k 0 x").err(), Some(CommandError::NotAnInteger));
        assert_eq!(parse("MIGRATE h 1 k x 1").err(), Some(CommandError::NotAnInteger));
    }
}
