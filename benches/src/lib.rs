//! Criterion benchmarks of Zumic beside its peers.
