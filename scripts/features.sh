#!/usr/bin/env bash
# Features of the server as clients that others wrote see them, on a folder that is removed after.
# `HELIOGRAPH_BIN` names a server that is built already; ONLY=words runs tests with these words in their names.
set -euo pipefail
. "$(dirname "$0")/env.sh"

scripts/clients.sh
if [[ -z ${HELIOGRAPH_BIN:-} ]]; then
    cargo build --release --locked --workspace --bin heliograph
fi
# A process group of its own: whatever it started ends with it, also when it fails half-way.
setsid "$HELIOGRAPH_CLIENTS/bin/python" complement-tests/clients/features.py \
    "${HELIOGRAPH_BIN:-$CARGO_TARGET_DIR/release/heliograph}" "$HELIOGRAPH_CLIENTS" &
features=$!
trap 'kill -- -$features 2>/dev/null || true' EXIT
wait "$features"
