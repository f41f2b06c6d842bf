//! INFO persistence: Redis's fields, and what only this server has.

use std::time::Instant;

use engine::persist::Meter;

use super::{Durability, Purpose, lock};
use crate::settings::Settings;

/// What INFO is told through: a name and a value.
pub(crate) type Add<'a> = &'a mut dyn FnMut(&str, String);

fn word(ok: bool) -> String {
    if ok { "ok" } else { "err" }.to_owned()
}

fn flag(set: bool) -> String {
    u32::from(set).to_string()
}

/// Writes the section; without `durability` that of a server in memory mode. `saved_at_s` is the
/// time of the last snapshot or of the start, `changes` the writes so far.
pub(crate) fn write(
    durability: Option<&Durability>,
    settings: &Settings,
    saved_at_s: u64,
    changes: u64,
    add: Add<'_>,
) {
    let loading = durability.is_some_and(|durability| !durability.is_open());
    add("loading", flag(loading));
    // Redis loads a replica's data beside the old; there are no replicas.
    add("async_loading", flag(false));
    snapshots(durability, settings, saved_at_s, changes, add);
    if let Some(durability) = durability {
        log(durability, add);
        last_snapshot(durability, add);
        if loading {
            progress(durability, add);
        }
    }
}

/// The fields about snapshots and rewrites, which Redis always shows.
fn snapshots(
    durability: Option<&Durability>,
    settings: &Settings,
    saved_at_s: u64,
    changes: u64,
    add: Add<'_>,
) {
    let seconds = |time: Option<std::time::Duration>| {
        time.map_or("-1".to_owned(), |time| time.as_secs().to_string())
    };
    let books = durability.map(|durability| lock(&durability.books));
    let tally = |purpose| books.as_ref().map(|books| books.tally(purpose)).unwrap_or_default();
    let (save, rewrite) = (tally(Purpose::Save), tally(Purpose::Rewrite));
    let running = books.as_ref().and_then(|books| books.running(Instant::now()));
    let runs = |purpose| running.filter(|(running, _)| *running == purpose).map(|(_, time)| time);
    let meter = durability.map(|durability| &durability.meter).filter(|_| running.is_some());
    let keys = |of: fn(&Meter) -> u64| meter.map_or(0, of).to_string();
    add("current_save_keys_processed", keys(Meter::keys));
    add("current_save_keys_total", keys(Meter::keys_expected));
    let saved_changes = books.as_ref().map_or(0, |books| books.saved_changes());
    let scheduled = books.as_ref().and_then(|books| books.scheduled());
    add("rdb_changes_since_last_save", changes.saturating_sub(saved_changes).to_string());
    add("rdb_bgsave_in_progress", flag(runs(Purpose::Save).is_some()));
    add("rdb_last_save_time", saved_at_s.to_string());
    add("rdb_last_bgsave_status", word(save.ok));
    add("rdb_last_bgsave_time_sec", seconds(save.took));
    add("rdb_current_bgsave_time_sec", seconds(runs(Purpose::Save)));
    add("rdb_saves", save.done.to_string());
    add("aof_enabled", flag(settings.durability.is_persistent()));
    add("aof_rewrite_in_progress", flag(runs(Purpose::Rewrite).is_some()));
    add("aof_rewrite_scheduled", flag(scheduled == Some(Purpose::Rewrite)));
    add("aof_last_rewrite_time_sec", seconds(rewrite.took));
    add("aof_current_rewrite_time_sec", seconds(runs(Purpose::Rewrite)));
    add("aof_last_bgrewrite_status", word(rewrite.ok));
    add("aof_rewrites", rewrite.done.to_string());
    add("aof_rewrites_consecutive_failures", rewrite.failures.to_string());
    let fault = durability.and_then(Durability::fault);
    add("aof_last_write_status", word(fault.is_none()));
    if let Some(fault) = fault {
        add("aof_last_write_error", fault);
    }
}

/// The log's own figures.
fn log(durability: &Durability, add: Add<'_>) {
    let Some(persistence) = durability.persistence() else { return };
    let status = persistence.log_status();
    add("aof_current_size", status.log_bytes.to_string());
    add("aof_buffer_length", status.buffer_bytes.to_string());
    add("log_segments", status.segments.to_string());
    add("log_blocks", status.blocks.to_string());
    add("log_bytes_written", status.block_bytes.to_string());
    add("log_syncs", status.syncs.to_string());
    add("log_sync_us_last", status.sync_us_last.to_string());
    add("log_sync_us_max", status.sync_us_max.to_string());
    add("durable_epoch", status.durable_epoch.to_string());
    add("written_epoch", status.written_epoch.to_string());
    add("epoch_stall_us", status.epoch_wait_us_max.to_string());
}

/// What the last snapshot was like.
fn last_snapshot(durability: &Durability, add: Add<'_>) {
    add("aof_base_size", durability.base_bytes.get().to_string());
    let Some(last) = *lock(&durability.last) else { return };
    add("snapshot_epoch", last.header.epoch.to_string());
    add("snapshot_keys", last.summary.keys.to_string());
    add("snapshot_bytes", last.summary.file_bytes.to_string());
    add("snapshot_pause_us", last.pause.as_micros().to_string());
    add("snapshot_handed_over", last.handed_over.to_string());
}

/// How far recovery is.
fn progress(durability: &Durability, add: Add<'_>) {
    let Some(reading) = durability.loading.reading() else { return };
    add("loading_start_time", reading.began_at_s.to_string());
    add("loading_total_bytes", reading.bytes_total.to_string());
    add("loading_loaded_bytes", reading.bytes.to_string());
    add("loading_loaded_perc", format!("{:.2}", reading.percent()));
    add("loading_eta_seconds", reading.left_s.to_string());
    add("loading_entries", reading.entries.to_string());
}
