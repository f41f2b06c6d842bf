//! Sockets: listening, accepting, and the one type for TCP and Unix connections.

mod listener;
mod stream;

pub(crate) use listener::{Listener, listen, probe};
pub(crate) use stream::{Peer, Stream};
