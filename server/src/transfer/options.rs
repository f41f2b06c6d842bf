//! The command line of `zumic import` and `zumic export`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use zumic_error::{Error, ErrorKind};

use crate::cli::endpoint::{DEFAULT_PORT, Endpoint, parse_url};
use crate::cli::options::{Access, Protocol};

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "zumic",
    version,
    after_help = "Exit status: 0 everything was moved; 1 parts were refused or left out; 64 wrong \
                  usage; 65 the source is damaged; 69 no connection, or it was lost; 74 input or \
                  output failed."
)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Write all keys of a running server into a dump file that Redis 7.0 and later read.
    ///
    /// The server goes on, and the file is of one instant. Of a server that gives no dump keys are
    /// read one after the other: then each is exact, the file as a whole is not of one instant,
    /// and that is said.
    Export(Export),
    /// Send a dump file, an append-only file or a directory of Redis to a running server.
    ///
    /// Keys that are there already are replaced; others stay.
    Import(Import),
}

/// `zumic import`.
#[derive(Args, Debug)]
pub struct Import {
    /// A dump file (dump.rdb), an append-only file, or Redis's directory of them (appendonlydir).
    pub source: PathBuf,
    /// The server.
    #[arg(long, value_name = "url", default_value = "zumic://127.0.0.1")]
    pub to: Place,
    /// Fill this data directory instead, which no server may be using. What was in it stays, and
    /// is as it was until everything was imported.
    #[arg(long, value_name = "directory", conflicts_with = "to")]
    pub dir: Option<PathBuf>,
    /// Number of databases, with --dir.
    #[arg(long, value_name = "count", default_value_t = 16, requires = "dir")]
    pub databases: u16,
}

/// `zumic export`.
#[derive(Args, Debug)]
pub struct Export {
    /// The file to write; one that is there is replaced when everything was written.
    #[arg(long, value_name = "file")]
    pub rdb: PathBuf,
    /// The server.
    #[arg(long, value_name = "url", default_value = "zumic://127.0.0.1")]
    pub from: Place,
    /// Read this data directory instead, which no server may be using.
    #[arg(long, value_name = "directory", conflicts_with = "from")]
    pub dir: Option<PathBuf>,
    /// Number of databases, with --dir.
    #[arg(long, value_name = "count", default_value_t = 16, requires = "dir")]
    pub databases: u16,
}

/// A server, as redis://user:password@host:port or with zumic://. A password may also be in the
/// environment: `ZUMICCLI_AUTH` or `REDISCLI_AUTH`.
#[derive(Clone, Debug)]
pub struct Place(String);

impl std::str::FromStr for Place {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Place {
    /// How to reach it.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the URL cannot be read.
    pub fn access(&self) -> Result<Access, Error> {
        let address = parse_url(&self.0).map_err(|error| {
            let what = format!("'{}'", self.0);
            Error::with_source(ErrorKind::Configuration, what, error)
        })?;
        let host = address.host.unwrap_or_else(|| "127.0.0.1".to_owned());
        let variable = |name| std::env::var_os(name).map(OsString::into_vec);
        let environment = || variable("ZUMICCLI_AUTH").or_else(|| variable("REDISCLI_AUTH"));
        Ok(Access {
            endpoint: Endpoint::Tcp(host, address.port.unwrap_or(DEFAULT_PORT)),
            user: address.user,
            password: address.password.or_else(environment),
            database: 0,
            protocol: Protocol::Initial,
        })
    }
}
