//! MEMORY STATS, MALLOC-STATS and DOCTOR: where the memory went. (MEMORY USAGE is the
//! engine's.)
//!
//! Why it exists: fields keep Redis's names; those that would be invented are left out.

use engine::{Context, Halt};

use super::{Admin, process};

/// Below this there is nothing to examine, as in Redis.
const DOCTOR_BYTES_MIN: u64 = 5 << 20;

/// A field's value.
enum Field {
    Count(u64),
    Difference(i64),
    Share(f64),
}

/// Answers `MEMORY STATS`.
pub(super) fn stats(admin: &Admin, context: &mut Context<'_>) -> Result<(), Halt> {
    let engine = admin.engine().stats();
    let keys: u64 = engine.databases.iter().map(|database| database.keys).sum();
    let share = |part: u64, whole: u64| {
        Field::Share(if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
    };
    let mut fields = vec![
        ("peak.allocated", Field::Count(engine.memory_peak)),
        ("total.allocated", Field::Count(engine.memory_used)),
        ("overhead.total", Field::Count(engine.memory_index)),
        ("keys.count", Field::Count(keys)),
        ("keys.bytes-per-key", Field::Count(engine.memory_used.checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", Field::Count(engine.memory_records)),
        ("dataset.percentage", share(engine.memory_records, engine.memory_used)),
        ("peak.percentage", share(engine.memory_used, engine.memory_peak)),
    ];
    let allocator = admin.allocator().read();
    if let Some(allocator) = allocator {
        fields.extend([
            ("allocator.allocated", Field::Count(allocator.allocated)),
            ("allocator.active", Field::Count(allocator.active)),
            ("allocator.resident", Field::Count(allocator.resident)),
        ]);
        fields.extend(ratio(
            ["allocator-fragmentation.ratio", "allocator-fragmentation.bytes"],
            allocator.active,
            allocator.allocated,
        ));
        fields.extend(ratio(
            ["allocator-rss.ratio", "allocator-rss.bytes"],
            allocator.resident,
            allocator.active,
        ));
    }
    if let Some(resident) = process::resident_bytes() {
        let allocated = allocator.map_or(engine.memory_used, |reading| reading.allocated);
        fields.extend(ratio(["fragmentation", "fragmentation.bytes"], resident, allocated));
    }
    let sink = context.sink();
    sink.map(fields.len());
    for (name, value) in fields {
        sink.bulk(name.as_bytes());
        match value {
            Field::Count(count) => sink.integer(i64::try_from(count).unwrap_or(i64::MAX)),
            Field::Difference(bytes) => sink.integer(bytes),
            Field::Share(share) => sink.double(share),
        }
    }
    Ok(())
}

/// How much larger `whole` is than `part`, as a ratio and in bytes.
fn ratio(names: [&'static str; 2], whole: u64, part: u64) -> [(&'static str, Field); 2] {
    let ratio = if part == 0 { 0.0 } else { whole as f64 / part as f64 };
    let bytes = i64::try_from(i128::from(whole) - i128::from(part)).unwrap_or(i64::MAX);
    [(names[0], Field::Share(ratio)), (names[1], Field::Difference(bytes))]
}

/// Answers `MEMORY MALLOC-STATS`.
pub(super) fn malloc_stats(admin: &Admin, context: &mut Context<'_>) -> Result<(), Halt> {
    let report = admin.allocator().report();
    let report = report.unwrap_or_else(|| "Stats not supported for the current allocator".into());
    context.sink().verbatim(*b"txt", report.as_bytes());
    Ok(())
}

/// Answers `MEMORY DOCTOR`.
pub(super) fn doctor(admin: &Admin, context: &mut Context<'_>) -> Result<(), Halt> {
    let engine = admin.engine().stats();
    let report = diagnose(engine.memory_used, engine.memory_peak, process::resident_bytes());
    context.sink().verbatim(*b"txt", report.as_bytes());
    Ok(())
}

fn diagnose(used: u64, peak: u64, resident: Option<u64>) -> String {
    if used < DOCTOR_BYTES_MIN {
        return "Hi Sam, this instance is empty or is using very little memory, my issues detector \
                can't be used in these conditions. Please, leave for your mission on Earth and \
                fill it with some data. The new Sam and I will be back to our programming as soon \
                as I finished rebooting.\n"
            .to_owned();
    }
    let mut issues = Vec::new();
    if peak / 3 > used / 2 {
        issues.push(
            " * Peak memory: In the past this instance used more than 150% the memory that is \
             currently using. The allocator is normally not able to release memory after a peak, \
             so you can expect to see a big fragmentation ratio, however this is actually \
             harmless and is only due to the memory peak.\n\n",
        );
    } else if resident.is_some_and(|resident| resident / 7 > used / 5) {
        issues.push(
            " * High total RSS: This instance has a memory fragmentation and RSS overhead greater \
             than 1.4 (this means that the Resident Set Size of the process is much larger than \
             the sum of the logical allocations Zumic performed).\n\n",
        );
    }
    if issues.is_empty() {
        return "Hi Sam, I can't find any memory issue in your instance. I can only account for \
                what occurs on this base.\n"
            .to_owned();
    }
    format!(
        "Sam, I detected a few issues in this instance memory implants:\n\n{}I'm here to keep you \
         safe, Sam. I want to help you.\n",
        issues.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_tells_peaks_from_fragmentation() {
        let mb = 1 << 20;
        assert!(diagnose(4 * mb, 100 * mb, None).contains("very little memory"));
        assert!(diagnose(100 * mb, 100 * mb, Some(110 * mb)).contains("can't find any"));
        assert!(diagnose(100 * mb, 160 * mb, Some(160 * mb)).contains("Peak memory"));
        assert!(diagnose(100 * mb, 100 * mb, Some(150 * mb)).contains("High total RSS"));
    }
}
