#!/usr/bin/env bash
# Format, the rules of our own that `heliograph-tidy` checks, lints, and links of the documentation.
# Every step runs, also after one that failed.
set -euo pipefail
. "$(dirname "$0")/env.sh"

failed=()
step() {
    local begin=$SECONDS
    echo "== $*"
    "$@" || failed+=("$*")
    echo "   $((SECONDS - begin)) s"
}
step cargo fmt --all --check
step cargo run --release --locked --quiet -p heliograph-tidy
step cargo clippy --release --locked --workspace --all-targets --keep-going -- -D warnings
export RUSTDOCFLAGS='-D rustdoc::broken_intra_doc_links'
step cargo doc --release --locked --workspace --no-deps --quiet

[[ ${#failed[@]} -eq 0 ]] && exit
printf 'failed: %s\n' "${failed[@]}" >&2
exit 1
