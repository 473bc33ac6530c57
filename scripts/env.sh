# shellcheck shell=bash
# Where builds and tests keep what can be made again. The other scripts source this file, and
# `make env` prints it. What is already set in the environment is left alone.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heliograph
rocksdb_version=$(awk '/^name = "librocksdb-sys"$/ { getline; gsub(/[^0-9.+]/, ""); print; exit }' "$root/Cargo.lock")
# shellcheck source=../complement-tests/versions.env
. "$root/complement-tests/versions.env"

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export ROCKSDB_LIB_DIR=${ROCKSDB_LIB_DIR:-$cache/rocksdb-$rocksdb_version/lib}
export ROCKSDB_STATIC=1
# `bin/python` with matrix-nio, `bin/node` with matrix-js-sdk; `scripts/clients.sh` makes it.
export HELIOGRAPH_CLIENTS=$cache/clients-$NODE_VERSION-$MATRIX_JS_SDK_VERSION-$MATRIX_NIO_VERSION
# Synapse; `scripts/peers.sh` makes it.
export HELIOGRAPH_SYNAPSE=$cache/synapse-$MATRIX_SYNAPSE_VERSION
cd "$root" || exit
