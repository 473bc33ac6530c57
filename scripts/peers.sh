#!/usr/bin/env bash
# Installs Synapse, which `make bench-peers` measures beside this server, into the cache.
set -euo pipefail
. "$(dirname "$0")/env.sh"

[[ -e $HELIOGRAPH_SYNAPSE/complete ]] && exit 0
echo "Installing Synapse $MATRIX_SYNAPSE_VERSION"
rm -rf "$HELIOGRAPH_SYNAPSE"
python3 -m venv "$HELIOGRAPH_SYNAPSE"
"$HELIOGRAPH_SYNAPSE/bin/pip" install --quiet --disable-pip-version-check "matrix-synapse==$MATRIX_SYNAPSE_VERSION"
touch "$HELIOGRAPH_SYNAPSE/complete"
