#!/usr/bin/env bash
# Format, lints, links of the documentation, and the rules of our own that `heliograph-tidy` checks.
set -euo pipefail
. "$(dirname "$0")/env.sh"

step() {
    local begin=$SECONDS
    echo "== $*"
    "$@"
    echo "   $((SECONDS - begin)) s"
}
step cargo fmt --all --check
step cargo run --release --locked --quiet -p heliograph-tidy
step cargo clippy --release --locked --workspace --all-targets -- -D warnings
export RUSTDOCFLAGS='-D rustdoc::broken_intra_doc_links'
step cargo doc --release --locked --workspace --no-deps --quiet
