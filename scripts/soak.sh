#!/usr/bin/env bash
# Kills servers and cuts their power, by default as often as a release demands. A run that was
# stopped goes on from there, with the programs that it began with: what went well, and copies of
# them, are in a folder in the cache, which goes when all is done or something failed. SOAK_STATE=
# begins anew and remembers nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"

state=${SOAK_STATE-$cache/soak}
programs=${state:-$(mktemp -d)}
if [[ -x $programs/soak ]]; then
    echo "going on with the programs of $(date -r "$programs/soak"); rm -r $programs to begin anew"
else
    cargo build --release --locked --workspace --bin heliograph --bin soak
    mkdir -p "$programs"
    # The last one is what is looked for above.
    for program in heliograph soak; do
        cp "$CARGO_TARGET_DIR/release/$program" "$programs/$program.new"
        mv "$programs/$program.new" "$programs/$program"
    done
fi
SOAK_STATE=$programs HELIOGRAPH_BIN=$programs/heliograph exec "$programs/soak"
