#!/usr/bin/env bash
# Kills servers and cuts their power, by default as often as a release demands. What went well is
# remembered in the cache, so that a stopped run goes on from there; SOAK_STATE= begins anew.
set -euo pipefail
. "$(dirname "$0")/env.sh"

export SOAK_STATE=${SOAK_STATE-$cache/soak-state}
[[ -n $SOAK_STATE ]] || unset SOAK_STATE
cargo build --release --locked --workspace --bin heliograph --bin soak
HELIOGRAPH_BIN=$CARGO_TARGET_DIR/release/heliograph exec "$CARGO_TARGET_DIR/release/soak"
