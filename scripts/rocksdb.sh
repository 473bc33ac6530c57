#!/usr/bin/env bash
# Builds RocksDB once, as a static library in the cache, by the version in Cargo.lock. Every build
# of the server then only links it. Takes about eight minutes on two idle cores.
set -euo pipefail
. "$(dirname "$0")/env.sh"

[[ -e $ROCKSDB_LIB_DIR/librocksdb.a ]] && exit 0
target=$ROCKSDB_LIB_DIR
build=$cache/rocksdb-build-$$
trap 'rm -rf "$build"' EXIT
cargo fetch --locked
total=$(cat "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/librocksdb-sys-"$rocksdb_version"/rocksdb_lib_sources.txt | wc -l)

echo "Building RocksDB $rocksdb_version, once: about eight minutes on two idle cores."
mkdir -p "$build" "$target"
env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC \
    cargo build --release --locked -p librocksdb-sys --target-dir "$build" >"$build/log" 2>&1 &
cargo=$!
trap 'kill "$cargo" 2>/dev/null || true; rm -rf "$build"' EXIT
while kill -0 "$cargo" 2>/dev/null; do
    for _ in {1..20}; do
        kill -0 "$cargo" 2>/dev/null || break
        sleep 1
    done
    compiled=$(find "$build" -path '*/librocksdb-sys-*/out/*.o' | wc -l)
    printf '  %s of %s files, %d s\n' "$compiled" "$total" "$SECONDS"
done
if ! wait "$cargo"; then
    tail -n 40 "$build/log" >&2
    exit 1
fi
library=$(find "$build" -name librocksdb.a -print -quit)
# Under another name first, so that a copy cut short is never taken for the library.
cp "$library" "$target/librocksdb.a.part"
mv "$target/librocksdb.a.part" "$target/librocksdb.a"
echo "RocksDB is in $target"
