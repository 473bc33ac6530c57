#!/usr/bin/env bash
# Runs every fuzz target under libFuzzer for FUZZ_SECONDS (600), as many at once as there are cores,
# or as FUZZ_JOBS says; `scripts/fuzz.sh NAME...` runs these targets only. What was found before is
# kept in the cache and is where the next run begins. It ends with a table, and with an error when
# there is a finding, whose bytes are kept.
set -euo pipefail
. "$(dirname "$0")/env.sh"

seconds=${FUZZ_SECONDS:-600}
jobs=${FUZZ_JOBS:-$(nproc)}
# Inputs that are kept for a target, at most; over it the corpus is reduced to what covers as much.
corpus_max=4000
logs=$cache/logs/fuzz
corpora=$cache/fuzz-corpus
seeds=$cache/fuzz-seeds
findings=$cache/fuzz-findings
mkdir -p "$logs" "$findings"

# What cargo-fuzz gives to rustc without a sanitizer: coverage of each edge, and of comparisons. The
# checks that a release leaves out are on. The flags make all units others than those of the other
# targets, so they have a folder of their own; with `--target` they spare build scripts.
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$cache/fuzz-target}
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true
export CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
echo "== building the fuzz targets"
cargo build --release --locked -p heliograph-fuzz --features libfuzzer --bins --target "$host"
binaries=$CARGO_TARGET_DIR/$host/release

rm -rf "$seeds"
mapfile -t targets < <("$binaries/fuzz-seeds" "$seeds")
[[ $# -eq 0 ]] || targets=("$@")

# fuzz TARGET: one run of libFuzzer, which ends early, with an error, at a finding; then, if too much is
# kept, the reduction.
fuzz() {
    local name=$1 corpus=$corpora/$1 binary=$binaries/fuzz-${1//_/-} longest=4096
    local dictionary=complement-tests/fuzz/words.dict
    [[ $name != events ]] || longest=70000
    mkdir -p "$corpus"
    trap 'kill $! 2>/dev/null; exit 1' TERM
    "$binary" -max_total_time="$seconds" -max_len="$longest" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -dict="$dictionary" -artifact_prefix="$findings/$name-" \
        "$corpus" "$seeds/$name" >"$logs/$name.log" 2>&1 &
    wait $! || return
    if [[ $(find "$corpus" -type f | wc -l) -gt $corpus_max ]]; then
        rm -rf "$corpus.new"
        mkdir "$corpus.new"
        "$binary" -merge=1 -max_len="$longest" -timeout=10 -rss_limit_mb=2048 \
            "$corpus.new" "$corpus" >"$logs/$name.merge.log" 2>&1 &
        wait $! || return
        rm -rf "$corpus"
        mv "$corpus.new" "$corpus"
    fi
}

# last TARGET PATTERN: the last number that follows a pattern in the log of a target.
last() {
    { grep -aoE "$2 *[0-9]+" "$logs/$1.log" || true; } | tail -n 1 | grep -oE '[0-9]+$' || echo 0
}

# progress TARGET: one line of how far it is.
progress() {
    printf '   %-12s %12s executions %7s edges %6s inputs\n' "$1" "$(last "$1" '^#')" \
        "$(last "$1" 'cov:')" "$(last "$1" 'corp:')"
}

declare -A running=()
failed=()
# reap: takes up the targets that have ended.
reap() {
    local name
    for name in "${!running[@]}"; do
        kill -0 "${running[$name]}" 2>/dev/null && continue
        wait "${running[$name]}" || failed+=("$name")
        unset "running[$name]"
        progress "$name"
    done
}
trap 'kill "${running[@]}" 2>/dev/null || true' EXIT

echo "== ${#targets[@]} targets, $seconds seconds each, $jobs at once"
for name in "${targets[@]}"; do
    while [[ ${#running[@]} -ge $jobs ]]; do
        sleep 1
        reap
    done
    : >"$logs/$name.log"
    echo "== $name"
    fuzz "$name" &
    running[$name]=$!
done
begin=$SECONDS
while [[ ${#running[@]} -gt 0 ]]; do
    sleep 1
    reap
    if [[ $((SECONDS - begin)) -ge 60 ]]; then
        begin=$SECONDS
        for name in "${!running[@]}"; do progress "$name"; done
    fi
done

printf '\n%-12s %12s %8s %8s %9s\n' target executions edges corpus findings
for name in "${targets[@]}"; do
    found=0
    [[ " ${failed[*]} " != *" $name "* ]] || found=1
    printf '%-12s %12s %8s %8s %9s\n' "$name" "$(last "$name" 'stat::number_of_executed_units:')" \
        "$(last "$name" 'cov:')" "$(find "$corpora/$name" -type f | wc -l)" "$found"
done
[[ ${#failed[@]} -eq 0 ]] && exit
for name in "${failed[@]}"; do
    printf '\n%s failed; its whole output is %s\n' "$name" "$logs/$name.log"
    grep -aE -A4 'panicked at|ERROR: libFuzzer|Test unit written to' "$logs/$name.log" | head -n 20 || true
done
exit 1
