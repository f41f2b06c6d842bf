//! Telling a client which keys to forget.
//!
//! Why it exists: the news comes to the reactor of the client that tracks. Only there is known
//! whether it still does, and whether it wants the news itself or has redirected it to another
//! connection, perhaps on another reactor.

use std::sync::Arc;

use protocol::{Encoder, Version};

use super::{Invalidation, Stale};
use crate::connection::Connection;
use crate::reactor::Core;
use crate::shared::Message;

/// The channel for connections of version 2.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Passes news on to a client of this reactor; true when its output has grown.
pub(crate) fn invalidate_here(
    core: &Core,
    connection: &mut Connection,
    news: &Invalidation,
) -> bool {
    let state = &mut connection.state;
    let id = state.record.id;
    let Some(tracking) = &mut state.tracking else { return false };
    let other_kind = news.broadcast.is_some_and(|broadcast| broadcast != tracking.broadcast);
    // FLUSHALL is told to everybody, as in Redis.
    let own = tracking.no_loop && news.keys.is_some() && news.origin == Some(id);
    if other_kind || own {
        return false;
    }
    let Some(target) = tracking.redirect else {
        return write(connection, &news.keys, false);
    };
    if let Some(record) = core.shared.clients.find(target) {
        let message = Message::Redirected(target, news.keys.clone());
        core.shared.reactors[record.reactor].send(message);
        return false;
    }
    tracking.broken = true;
    tracking.publish(&state.record);
    if state.version == Version::Two {
        return false;
    }
    let mut encoder = Encoder::new(connection.output.tail(), state.version);
    encoder.push(2);
    encoder.bulk(b"tracking-redir-broken");
    encoder.integer(target.cast_signed());
    true
}

/// News that another client has redirected to this one; true when its output has grown.
pub(crate) fn redirected(connection: &mut Connection, keys: &Stale) -> bool {
    write(connection, keys, true)
}

fn write(connection: &mut Connection, keys: &Stale, is_redirected: bool) -> bool {
    let state = &connection.state;
    if connection.killed || state.closing {
        return false;
    }
    let listens = is_redirected && !state.subscriptions.is_empty();
    if state.version == Version::Two && !listens {
        return false;
    }
    let mut encoder = Encoder::new(connection.output.tail(), state.version);
    if state.version == Version::Two {
        encoder.push(3);
        encoder.bulk(b"message");
        encoder.bulk(CHANNEL);
    } else {
        encoder.push(2);
        encoder.bulk(b"invalidate");
    }
    write_keys(&mut encoder, keys.as_ref());
    true
}

fn write_keys(encoder: &mut Encoder<'_>, keys: Option<&Arc<[Box<[u8]>]>>) {
    match keys {
        None => encoder.null(),
        Some(keys) => {
            encoder.array(keys.len());
            keys.iter().for_each(|key| encoder.bulk(key));
        }
    }
}
