//! Where the server is, and the URLs that say so.
//!
//! Why it exists: `redis://user:pass@host:port/db` is how deployments hand out their address, and
//! Zumic takes the same with `zumic://`. Not for connecting: see `connection`.

use std::fmt;
use std::path::PathBuf;

/// The port that Zumic listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 6174;

/// The address of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// Host name or IP address, and port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "zumic {}", path.display()),
        }
    }
}

impl Endpoint {
    /// The address alone, for messages; a prompt has a word before a socket's path.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Tcp(..) => self.to_string(),
            Self::Unix(path) => path.display().to_string(),
        }
    }
}

/// What a URL says; `None` for what it leaves open.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Address {
    /// Host name or IP address, without brackets.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// User to authenticate as.
    pub user: Option<Vec<u8>>,
    /// Password to authenticate with.
    pub password: Option<Vec<u8>>,
    /// Database to select.
    pub database: Option<u32>,
}

/// Why a URL was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressError {
    /// What follows the slash is not a database number.
    Database,
    /// A `%` is not followed by two hexadecimal digits.
    Escape,
    /// The host is not UTF-8, or has an opening bracket without its closing one.
    Host,
    /// The port is not a number up to 65535.
    Port,
    /// The URL starts with neither `redis://` nor `zumic://`.
    Scheme,
    /// The URL asks for TLS, which this client does not speak.
    Tls,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "the path of the URL is not a database number",
            Self::Escape => "a '%' in the URL is not followed by two hexadecimal digits",
            Self::Host => "the host of the URL cannot be read",
            Self::Port => "the port of the URL is not a number up to 65535",
            Self::Scheme => "the URL starts with neither redis:// nor zumic://",
            Self::Tls => "TLS is not supported: use redis:// or zumic://",
        })
    }
}

impl std::error::Error for AddressError {}

/// Reads `redis://[[user:]password@]host[:port][/database]`, or the same with `zumic://`. User
/// and password may hold `%HH` escapes. A lone word before the `@` is the password, as `redis-cli`
/// takes it. Cost: O(url).
///
/// # Errors
/// The part that cannot be read, as an [`AddressError`].
///
/// # Examples
/// ```
/// use server::cli::endpoint::parse_url;
/// let address = parse_url("zumic://ann:p%40ss@db.example:7000/2")?;
/// assert_eq!(address.host.as_deref(), Some("db.example"));
/// assert_eq!(address.port, Some(7000));
/// assert_eq!(address.password.as_deref(), Some(&b"p@ss"[..]));
/// assert_eq!(address.database, Some(2));
/// # Ok::<(), server::cli::endpoint::AddressError>(())
/// ```
pub fn parse_url(url: &str) -> Result<Address, AddressError> {
    let (scheme, rest) = url.split_once("://").ok_or(AddressError::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "zumic" => {}
        "rediss" | "zumics" => return Err(AddressError::Tls),
        _ => return Err(AddressError::Scheme),
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut address = Address::default();
    let location = match authority.rsplit_once('@') {
        None => authority,
        Some((credentials, location)) => {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, password),
                None => ("", credentials),
            };
            address.user = Some(unescape(user)?).filter(|user| !user.is_empty());
            address.password = Some(unescape(password)?).filter(|text| !text.is_empty());
            location
        }
    };
    (address.host, address.port) = parse_location(location)?;
    if !path.is_empty() {
        address.database = Some(path.parse().map_err(|_| AddressError::Database)?);
    }
    Ok(address)
}

fn parse_location(location: &str) -> Result<(Option<String>, Option<u16>), AddressError> {
    let (host, port) = match location.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or(AddressError::Host)?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':').ok_or(AddressError::Host)?),
            };
            (host, port)
        }
        None => match location.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (location, None),
        },
    };
    let host = String::from_utf8(unescape(host)?).map_err(|_| AddressError::Host)?;
    let port = port.map(str::parse).transpose().map_err(|_| AddressError::Port)?;
    Ok((Some(host).filter(|host| !host.is_empty()), port))
}

/// Undoes `%HH` escapes.
fn unescape(text: &str) -> Result<Vec<u8>, AddressError> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or("").as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).ok_or(AddressError::Escape)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(AddressError::Escape);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| AddressError::Escape)?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressError, Endpoint, parse_url};

    #[test]
    fn every_part_may_be_left_out() {
        assert_eq!(parse_url("redis://"), Ok(Address::default()));
        let address = parse_url("redis://host").unwrap();
        assert_eq!((address.host.as_deref(), address.port), (Some("host"), None));
        let address = parse_url("REDIS://:secret@/5").unwrap();
        assert_eq!(address.password.as_deref(), Some(&b"secret"[..]));
        assert_eq!((address.user, address.host, address.database), (None, None, Some(5)));
    }

    #[test]
    fn a_lone_word_is_the_password() {
        let address = parse_url("redis://secret@host").unwrap();
        assert_eq!((address.user, address.password), (None, Some(b"secret".to_vec())));
    }

    #[test]
    fn a_password_may_hold_an_at_sign_and_any_byte() {
        let address = parse_url("redis://u:a@b%ff%00@host:1").unwrap();
        assert_eq!(address.password.as_deref(), Some(&b"a@b\xff\x00"[..]));
        assert_eq!(address.host.as_deref(), Some("host"));
    }

    #[test]
    fn version_six_addresses_stand_in_brackets() {
        let address = parse_url("zumic://[::1]:65535").unwrap();
        assert_eq!((address.host.as_deref(), address.port), (Some("::1"), Some(65535)));
        assert_eq!(Endpoint::Tcp("::1".into(), 1).to_string(), "[::1]:1");
        assert_eq!(Endpoint::Tcp("a".into(), 1).to_string(), "a:1");
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for (url, want) in [
            ("host:1", AddressError::Scheme),
            ("http://host", AddressError::Scheme),
            ("rediss://host", AddressError::Tls),
            ("redis://host:65536", AddressError::Port),
            ("redis://host:", AddressError::Port),
            ("redis://[::1", AddressError::Host),
            ("redis://[::1]7", AddressError::Host),
            ("redis://host/two", AddressError::Database),
            ("redis://%4@host", AddressError::Escape),
            ("redis://%+4@host", AddressError::Escape),
            ("redis://%\u{e9}@host", AddressError::Escape),
        ] {
            assert_eq!(parse_url(url), Err(want), "{url}");
        }
    }
}
