//! INFO: the server's figures, in Redis's sections under Redis's names.
//!
//! Why it exists: monitoring reads these fields by name. A field is here only if its value is
//! true of this server; what Zumic does not have (forks, replicas, scripts) is left out rather
//! than reported as zero, unless zero is the true answer that clients look for (`loading`).

use std::fmt::Write as _;

use engine::{Context, Halt, Stats};

use super::stats::Totals;
use super::{Admin, process, version};
use crate::durability;
use crate::pubsub::Space;
use crate::settings::Settings;

/// Sections in Redis's order, and whether a plain INFO shows them.
const SECTIONS: [(&str, bool, Writer); 13] = [
    ("server", true, server),
    ("clients", true, clients),
    ("memory", true, memory),
    ("persistence", true, persistence),
    ("stats", true, stats),
    ("replication", true, replication),
    ("cpu", true, cpu),
    ("modules", true, modules),
    ("commandstats", false, commandstats),
    ("errorstats", true, errorstats),
    ("latencystats", false, latencystats),
    ("cluster", true, cluster),
    ("keyspace", true, keyspace),
];

type Writer = fn(&mut Fields, &Reading<'_>);

/// Everything the sections are written from, read once so that they agree with each other.
struct Reading<'a> {
    admin: &'a Admin,
    settings: &'a Settings,
    totals: Totals,
    engine: Stats,
    resident: Option<u64>,
    now_ms: u64,
}

/// The text so far.
struct Fields(String);

impl Fields {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    fn add_bytes(&mut self, name: &str, bytes: u64) {
        self.add(name, bytes);
        self.add(&format!("{name}_human"), human_bytes(bytes));
    }
}

/// Answers `INFO [section ...]`.
pub(super) fn run(admin: &Admin, context: &mut Context<'_>, args: &[&[u8]]) -> Result<(), Halt> {
    let text = text(admin, &args[1..], context.now_ms());
    context.sink().verbatim(*b"txt", text.as_bytes());
    Ok(())
}

fn text(admin: &Admin, wanted: &[&[u8]], now_ms: u64) -> String {
    let asks = |word: &str| wanted.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let default = wanted.is_empty() || asks("default");
    let all = asks("all") || asks("everything");
    let settings = admin.settings().load();
    let reading = Reading {
        admin,
        settings: &settings,
        totals: admin.stats().totals(),
        engine: admin.engine().stats(),
        resident: process::resident_bytes(),
        now_ms,
    };
    let mut fields = Fields(String::new());
    for (name, in_default, write) in SECTIONS {
        if all || (default && in_default) || asks(name) {
            let gap = if fields.0.is_empty() { "" } else { "\r\n" };
            let capitals = if name == "cpu" { name.len() } else { 1 };
            let (first, rest) = name.split_at(capitals);
            let _ = write!(fields.0, "{gap}# {}{rest}\r\n", first.to_ascii_uppercase());
            write(&mut fields, &reading);
        }
    }
    fields.0
}

/// Bytes as people read them, in Redis's form: `1.04M`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    let units = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1_024 {
        return format!("{bytes}B");
    }
    let mut amount = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while amount >= 1_024.0 {
        amount /= 1_024.0;
        unit += 1;
    }
    format!("{amount:.2}{}", units[unit])
}

fn server(fields: &mut Fields, reading: &Reading<'_>) {
    let uptime = reading.admin.uptime().as_secs();
    fields.add("redis_version", version::REDIS);
    fields.add("zumic_version", version::ZUMIC);
    fields.add("zumic_git_commit", version::GIT_COMMIT);
    fields.add("redis_mode", "standalone");
    if let Some(name) = process::system_name() {
        fields.add("os", name);
    }
    fields.add("arch_bits", usize::BITS);
    fields.add("multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" });
    fields.add("process_id", std::process::id());
    fields.add("run_id", reading.admin.run_id());
    fields.add("tcp_port", reading.settings.port);
    fields.add("server_time_usec", super::unix_microseconds());
    fields.add("uptime_in_seconds", uptime);
    fields.add("uptime_in_days", uptime / 86_400);
    fields.add("reactor_threads", reading.settings.thread_count());
    if let Ok(path) = std::env::current_exe() {
        fields.add("executable", path.display());
    }
    fields.add("config_file", "");
}

fn clients(fields: &mut Fields, reading: &Reading<'_>) {
    fields.add("connected_clients", reading.totals.clients_connected);
    fields.add("maxclients", reading.settings.clients_max);
    fields.add("blocked_clients", reading.totals.clients_blocked);
    let [(name, clients), ..] = reading.admin.tracking.figures();
    fields.add(name, clients);
    fields.add("pubsub_clients", reading.admin.broker.subscribers());
}

fn memory(fields: &mut Fields, reading: &Reading<'_>) {
    let engine = &reading.engine;
    let used = engine.memory_used;
    fields.add_bytes("used_memory", used);
    if let Some(resident) = reading.resident {
        fields.add_bytes("used_memory_rss", resident);
    }
    fields.add_bytes("used_memory_peak", engine.memory_peak);
    fields.add("used_memory_peak_perc", percent(used, engine.memory_peak));
    fields.add("used_memory_overhead", engine.memory_index);
    fields.add("used_memory_dataset", engine.memory_records);
    fields.add("used_memory_dataset_perc", percent(engine.memory_records, used));
    scripts(fields, reading);
    if let Some(total) = process::machine_bytes() {
        fields.add_bytes("total_system_memory", total);
    }
    fields.add_bytes("maxmemory", reading.settings.memory_max);
    fields.add("maxmemory_policy", reading.settings.memory_policy.word());
    let allocator = reading.admin.allocator().read();
    // Redis's used_memory has everything the process allocated in it, so its ratio is about
    // that; ours is about the data alone.
    let allocated = allocator.map_or(used, |reading| reading.allocated);
    if let Some(resident) = reading.resident.filter(|_| allocated > 0) {
        let ratio = resident as f64 / allocated as f64;
        fields.add("mem_fragmentation_ratio", format_args!("{ratio:.2}"));
        fields.add("mem_fragmentation_bytes", i128::from(resident) - i128::from(allocated));
    }
    if let Some(allocator) = allocator {
        fields.add("allocator_allocated", allocator.allocated);
        fields.add("allocator_active", allocator.active);
        fields.add("allocator_resident", allocator.resident);
    }
    fields.add("mem_allocator", reading.admin.allocator().name());
}

/// Scripts and functions share their interpreters, so the parts are not told apart.
fn scripts(fields: &mut Fields, reading: &Reading<'_>) {
    let stats = reading.admin.engine().script_stats();
    fields.add("used_memory_lua", stats.vm_bytes);
    fields.add("used_memory_vm_eval", stats.vm_bytes);
    fields.add("used_memory_scripts_eval", stats.script_bytes);
    fields.add("number_of_cached_scripts", stats.scripts);
    fields.add("number_of_functions", stats.functions);
    fields.add("number_of_libraries", stats.libraries);
    fields.add_bytes("used_memory_vm_total", stats.vm_bytes);
    fields.add_bytes("used_memory_scripts", stats.script_bytes);
}

fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    format!("{share:.2}%")
}

fn persistence(fields: &mut Fields, reading: &Reading<'_>) {
    let admin = reading.admin;
    let (saved_at_s, changes) = (admin.saved_at_s(), admin.stats().changes());
    let durability = admin.durability.as_deref();
    let add = &mut |name: &str, value: String| fields.add(name, value);
    durability::write_info(durability, reading.settings, saved_at_s, changes, add);
}

fn stats(fields: &mut Fields, reading: &Reading<'_>) {
    let (totals, engine) = (&reading.totals, &reading.engine);
    let rates = reading.admin.stats().rates();
    fields.add("total_connections_received", totals.connections_received);
    fields.add("total_commands_processed", totals.commands_processed);
    fields.add("instantaneous_ops_per_sec", rates.commands);
    fields.add("total_net_input_bytes", totals.bytes_in);
    fields.add("total_net_output_bytes", totals.bytes_out);
    fields.add("instantaneous_input_kbps", format_args!("{:.2}", rates.kib_in));
    fields.add("instantaneous_output_kbps", format_args!("{:.2}", rates.kib_out));
    fields.add("rejected_connections", totals.connections_rejected);
    fields.add("expired_keys", engine.expired);
    fields.add("expire_lag_ms", engine.expire_lag_ms);
    fields.add("evicted_keys", engine.evicted);
    fields.add("keyspace_hits", engine.hits);
    fields.add("keyspace_misses", engine.misses);
    let broker = &reading.admin.broker;
    fields.add("pubsub_channels", broker.names(Space::Channel));
    fields.add("pubsub_patterns", broker.names(Space::Pattern));
    fields.add("pubsubshard_channels", broker.names(Space::Shard));
    for (name, figure) in &reading.admin.tracking.figures()[1..] {
        fields.add(name, figure);
    }
    fields.add("total_error_replies", totals.errors_total());
    fields.add("total_reads_processed", totals.reads);
    fields.add("total_writes_processed", totals.writes);
    fields.add("client_buffer_limit_disconnections", totals.clients_over_limit);
    fields.add("write_retries", engine.retries);
    fields.add("current_epoch", engine.epoch);
}

/// The history of this data begins with this process, so its id names the history too.
fn replication(fields: &mut Fields, reading: &Reading<'_>) {
    fields.add("role", "master");
    fields.add("connected_slaves", 0);
    fields.add("master_replid", reading.admin.run_id());
    fields.add("master_repl_offset", 0);
}

fn cpu(fields: &mut Fields, _: &Reading<'_>) {
    for (children, suffix) in [(false, ""), (true, "_children")] {
        if let Some(seconds) = process::cpu_seconds(children) {
            fields.add(&format!("used_cpu_sys{suffix}"), format_args!("{:.6}", seconds.system));
            fields.add(&format!("used_cpu_user{suffix}"), format_args!("{:.6}", seconds.user));
        }
    }
}

fn modules(_: &mut Fields, _: &Reading<'_>) {}

fn commandstats(fields: &mut Fields, reading: &Reading<'_>) {
    for (id, total) in reading.totals.commands.iter().enumerate() {
        if total.calls + total.rejected == 0 {
            continue;
        }
        let microseconds = total.nanoseconds / 1_000;
        let mean = match total.calls {
            0 => 0.0,
            calls => total.nanoseconds as f64 / 1_000.0 / calls as f64,
        };
        fields.add(
            &format!("cmdstat_{}", reading.admin.stats().name(id)),
            format_args!(
                "calls={},usec={microseconds},usec_per_call={mean:.2},rejected_calls={},\
                 failed_calls={}",
                total.calls, total.rejected, total.failed
            ),
        );
    }
}

fn errorstats(fields: &mut Fields, reading: &Reading<'_>) {
    for (code, count) in &reading.totals.errors {
        fields.add(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latencystats(fields: &mut Fields, reading: &Reading<'_>) {
    for (id, total) in reading.totals.commands.iter().enumerate() {
        if total.latencies.count() == 0 {
            continue;
        }
        let show = |percentile: &f64| {
            let microseconds = total.latencies.percentile(*percentile) as f64 / 1_000.0;
            format!("p{}={microseconds:.3}", crate::settings::show_percentile(*percentile))
        };
        let shown: Vec<String> = reading.settings.latency_percentiles.iter().map(show).collect();
        let name = format!("latency_percentiles_usec_{}", reading.admin.stats().name(id));
        fields.add(&name, shown.join(","));
    }
}

fn cluster(fields: &mut Fields, _: &Reading<'_>) {
    fields.add("cluster_enabled", 0);
}

fn keyspace(fields: &mut Fields, reading: &Reading<'_>) {
    for (index, database) in reading.engine.databases.iter().enumerate() {
        if database.keys == 0 {
            continue;
        }
        let ttl = database.ttl_average_ms(reading.now_ms);
        fields.add(
            &format!("db{index}"),
            format_args!("keys={},expires={},avg_ttl={ttl}", database.keys, database.expires),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_redis_prints_them() {
        let cases = [(0, "0B"), (1_023, "1023B"), (1_024, "1.00K"), (1_163_168, "1.11M")];
        for (bytes, text) in cases {
            assert_eq!(human_bytes(bytes), text);
        }
        assert_eq!(human_bytes(25_276_510_208), "23.54G");
        assert_eq!(human_bytes(u64::MAX), "16.00E");
    }

    #[test]
    fn shares_of_nothing_are_nothing() {
        assert_eq!(percent(1, 0), "0.00%");
        assert_eq!(percent(1, 3), "33.33%");
    }
}
