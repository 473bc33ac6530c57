#!/usr/bin/env bash
# Builds the server and starts it on the folder `data`, with a configuration for this machine only.
set -euo pipefail
. "$(dirname "$0")/env.sh"

# With the features of the whole workspace, as the tests build it.
cargo build --release --locked --workspace --bin heliograph
config=$root/data/heliograph.toml
if [[ ! -e $config ]]; then
    mkdir -p "$root/data"
    cat >"$config" <<'TOML'
# For trying Heliograph out on one machine: it listens on the loopback interface only, and whoever
# reaches it may register. `conf/heliograph.toml` explains every key; start a real server from that.
[server]
name = "localhost"
public_base_url = "http://localhost:8008"
listeners = [{ address = "127.0.0.1:8008", tls = false }]

[storage]
path = "data/store"

[registration]
enabled = true
open_to_everyone = true
TOML
    echo "Wrote $config"
fi
exec "$CARGO_TARGET_DIR/release/heliograph" serve --config "$config"
