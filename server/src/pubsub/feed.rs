//! Where a reactor's messages go: its connections' outputs.
//!
//! Why it exists: the queue in `local` knows slots and frames; what a connection does with a
//! frame, and when it has too many, is the connection's business.

use std::sync::Arc;

use protocol::Version;

use super::local::Feed;
use crate::admin::stats::ReactorStats;
use crate::connection::Connection;
use crate::settings::Settings;

/// The class of `client-output-buffer-limit` for who has subscriptions.
pub(crate) const PUBSUB_CLASS: usize = 2;

/// The outputs of one reactor's connections.
pub(crate) struct Outlets<'r> {
    /// All of them.
    pub(crate) connections: &'r mut slab::Slab<Connection>,
    /// Those to serve next.
    pub(crate) scheduled: &'r mut Vec<usize>,
    /// For the limit.
    pub(crate) settings: &'r Settings,
    /// To count who is over it.
    pub(crate) stats: &'r ReactorStats,
}

impl Feed for Outlets<'_> {
    fn version(&self, slot: usize) -> Option<Version> {
        let connection = self.connections.get(slot)?;
        let takes = !connection.killed && !connection.state.closing;
        takes.then_some(connection.state.version)
    }

    fn feed(&mut self, slot: usize, frame: &Arc<[u8]>) -> bool {
        let connection = &mut self.connections[slot];
        connection.output.push_shared(frame);
        // At once: a turn of messages is enough to run far beyond it.
        let hard_bytes = self.settings.output_limits[PUBSUB_CLASS].hard_bytes;
        let waiting = connection.output.len() as u64;
        if hard_bytes > 0 && waiting > hard_bytes {
            let peer = &connection.state.record.address;
            tracing::warn!("closing {peer}: {waiting} bytes of messages wait, over the limit");
            self.stats.clients_over_limit.add(1);
            connection.killed = true;
        }
        let first = !connection.scheduled;
        if first {
            connection.scheduled = true;
            self.scheduled.push(slot);
        }
        first
    }
}
