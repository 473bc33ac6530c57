#!/usr/bin/env bash
# Clients that others wrote talk to each other through a server on a folder that is removed after.
# `HELIOGRAPH_BIN` names a server that is built already.
set -euo pipefail
. "$(dirname "$0")/env.sh"

scripts/clients.sh
if [[ -z ${HELIOGRAPH_BIN:-} ]]; then
    cargo build --release --locked --workspace --bin heliograph
fi
# A process group of its own: whatever it started ends with it, also when it fails half-way.
setsid "$HELIOGRAPH_CLIENTS/bin/python" complement-tests/clients/demo.py \
    "${HELIOGRAPH_BIN:-$CARGO_TARGET_DIR/release/heliograph}" "$HELIOGRAPH_CLIENTS" &
demo=$!
trap 'kill -- -$demo 2>/dev/null || true' EXIT
wait "$demo"
