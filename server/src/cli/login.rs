//! Entering a server: login, protocol version, database.
//!
//! Why it exists: the order matters (a database is chosen as a logged-in user), and every refusal
//! means something else. A wrong password ends it; a password that nobody asked for does not, since
//! it often comes from an environment that was set for another server. Not for keeping the
//! connection: see `session`.

use zumic_error::{Error, ErrorKind};

use super::connection::Connection;
use super::options::{Access, Protocol};
use super::reply::Reply;
use super::session::eprintln_line;

/// A connection that is ready for commands.
#[derive(Debug)]
pub struct Entered {
    /// The connection.
    pub connection: Connection,
    /// The protocol version in force.
    pub version: u8,
}

/// Connects and performs the handshake that `access` asks for.
///
/// # Errors
/// The server cannot be reached, or refuses the password, a required protocol version, or the
/// database.
pub fn enter(access: &Access) -> Result<Entered, Error> {
    let mut connection = Connection::open(&access.endpoint)?;
    authenticate(&mut connection, access)?;
    let version = agree_on_version(&mut connection, access.protocol)?;
    if access.database != 0 {
        let database = access.database.to_string();
        let reply = connection.ask(&["SELECT", &database])?;
        refusal(&reply, &format!("SELECT {database} failed"))?;
    }
    Ok(Entered { connection, version })
}

fn authenticate(connection: &mut Connection, access: &Access) -> Result<(), Error> {
    let Some(password) = &access.password else { return Ok(()) };
    let mut request: Vec<&[u8]> = vec![b"AUTH"];
    request.extend(access.user.as_deref());
    request.push(password);
    let reply = connection.ask(&request)?;
    match refusal(&reply, "AUTH failed") {
        Err(error) if !is_unasked_password(&reply) => Err(error),
        Err(error) => {
            eprintln_line(&error.to_string());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// `ERR AUTH <password> called without any password configured for the default user. ...`
fn is_unasked_password(reply: &Reply) -> bool {
    reply.error().is_some_and(|text| text.starts_with(b"ERR AUTH <password> called without any"))
}

fn agree_on_version(connection: &mut Connection, protocol: Protocol) -> Result<u8, Error> {
    let version = match protocol {
        Protocol::Initial => return Ok(2),
        Protocol::Required(version) | Protocol::Wished(version) => version,
    };
    let reply = connection.ask(&["HELLO", &version.to_string()])?;
    match refusal(&reply, &format!("HELLO {version} failed")) {
        Ok(()) => Ok(version),
        Err(error) if matches!(protocol, Protocol::Required(_)) => Err(error),
        Err(error) => {
            eprintln_line(&error.to_string());
            Ok(2)
        }
    }
}

/// An error reply as an error of kind `Connection`: there is none to work with.
fn refusal(reply: &Reply, what: &str) -> Result<(), Error> {
    match reply.error() {
        None => Ok(()),
        Some(text) => {
            let text = format!("{what}: {}", String::from_utf8_lossy(text));
            Err(Error::new(ErrorKind::Connection, text))
        }
    }
}
