#!/usr/bin/env bash
# Runs every fuzz target for so many seconds each; fails on the first crash, and leaves the input
# that crashed below fuzz/artifacts/.
#
# Usage: fuzz/run.sh SECONDS [TARGET]...
#
# Installs, when missing: the nightly toolchain (the fuzzer instruments code with flags that are
# not stable) and cargo-fuzz. Findings grow a corpus below fuzz/target/, which no one commits;
# fuzz/seeds/ holds the few inputs to start from, and every input that once broke something.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET]...}
shift

rustc +nightly --version >/dev/null 2>&1 ||
    rustup toolchain install nightly --profile minimal
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

targets=("$@")
if ((${#targets[@]} == 0)); then
    mapfile -t targets < <(cargo +nightly fuzz list --fuzz-dir .)
fi

# In a directory of its own whatever the caller builds in: another toolchain, another sanitizer.
export CARGO_TARGET_DIR="$PWD/target"
for target in "${targets[@]}"; do
    corpus="target/corpus/$target"
    mkdir -p "$corpus" "seeds/$target"
    printf '\n==> fuzz %s for %ss\n' "$target" "$seconds"
    # A single allocation above the limit, or an input that takes seconds, counts as a crash:
    # so would show a declared length that is believed.
    cargo +nightly fuzz run --fuzz-dir . "$target" "$corpus" "seeds/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -malloc_limit_mb=64 \
        -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1
done
