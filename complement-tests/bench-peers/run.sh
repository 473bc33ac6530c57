#!/usr/bin/env bash
# Measures this server beside Synapse and writes docs/bench-peers.md: 30 minutes, with QUICK=1 six.
set -euo pipefail
. "$(dirname "$0")/../../scripts/env.sh"

scripts/peers.sh
cargo build --release --locked --workspace --bin heliograph --bin heliograph-bench-peers
exec "$CARGO_TARGET_DIR/release/heliograph-bench-peers" "$CARGO_TARGET_DIR/release/heliograph" \
    "$HELIOGRAPH_SYNAPSE" "$MATRIX_SYNAPSE_VERSION" docs/bench-peers.md
