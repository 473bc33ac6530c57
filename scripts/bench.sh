#!/usr/bin/env bash
# Runs every benchmark and writes docs/benchmarks.md: about seven minutes besides building. The
# stores with much in them are made at the first run and kept in the cache.
set -euo pipefail
. "$(dirname "$0")/env.sh"

cargo build --release --locked --workspace --bins
cargo bench --locked --workspace --no-run --bench commit --bench state --bench delta --bench rules

curves=$cache/bench
mkdir -p "$curves"
# curve FILE BENCHMARK: what the benchmark prints, shown and kept
curve() {
    echo "== $2"
    cargo bench --locked --workspace --quiet --bench "$2" | tee "$curves/$1"
}
curve commit commit
curve state state
curve sync delta
curve push rules

echo "== starts, sends and syncs"
release=$CARGO_TARGET_DIR/release
exec "$release/heliograph-bench" "$release/heliograph-bench-floor" "$curves" docs/benchmarks.md
