#!/usr/bin/env bash
# Clients that others wrote talk to each other through a server on a folder that is removed after.
set -euo pipefail
. "$(dirname "$0")/env.sh"

scripts/clients.sh
cargo build --release --locked --workspace --bin heliograph
exec "$HELIOGRAPH_CLIENTS/bin/python" complement-tests/clients/demo.py \
    "$CARGO_TARGET_DIR/release/heliograph" "$HELIOGRAPH_CLIENTS"
