#!/usr/bin/env bash
# Runs every test suite, one after the other, and ends with one line: how many tests passed and
# failed. The whole output of a suite stays in the cache; what passed is left out on the screen.
set -euo pipefail
. "$(dirname "$0")/env.sh"

logs=$cache/logs
mkdir -p "$logs"
passed=0
failed=0
table=""

finish() {
    printf '\n%s%-10s %27d s\n' "$table" all "$SECONDS"
    echo "$passed passed, $failed failed"
    [[ $failed -eq 0 ]]
    exit
}

# suite NAME COMMAND...: adds up the results that cargo prints. A command that prints none is one
# test, and one that ends badly without naming a failed test has failed one.
suite() {
    local name=$1 begin=$SECONDS code=0 log=$logs/$1.log ok bad
    shift
    echo "== $name: $*"
    "$@" </dev/null 2>&1 | tee "$log" | grep --line-buffered -vE '^test .* \.\.\. ok$|^running [0-9]+ tests?$|^$' ||
        code=${PIPESTATUS[0]}
    ok=$(awk '/^test result: / { n += $4 } END { print n + 0 }' "$log")
    bad=$(awk '/^test result: / { n += $6 } END { print n + 0 }' "$log")
    if [[ $code -ne 0 && $bad -eq 0 ]]; then
        bad=1
        echo "$name ended with $code; its whole output is $log"
    elif [[ $code -eq 0 ]] && ! grep -q '^test result: ' "$log"; then
        ok=1
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    table+=$(printf '%-10s %5d passed %3d failed %5d s' "$name" "$ok" "$bad" $((SECONDS - begin)))$'\n'
}

# Every build is one of the whole workspace: with other features, dependencies would be built again.
echo "== building"
begin=$SECONDS
if ! cargo build --release --locked --workspace --bins --tests; then
    failed=1
    finish
fi
table+=$(printf '%-10s %27d s' building $((SECONDS - begin)))$'\n'

suite unit cargo test --release --locked --workspace --lib --bins --no-fail-fast
if [[ -d complement-tests/tests ]]; then
    suite blackbox cargo test --release --locked --workspace --test it --no-fail-fast
fi
# The rest comes alone: clients, peers and the server share the machine with nothing else.
scripts/peers.sh
suite peers cargo test --release --locked --workspace --test peers --no-fail-fast
HELIOGRAPH_BIN=$CARGO_TARGET_DIR/release/heliograph suite clients scripts/demo.sh
HELIOGRAPH_BIN=$CARGO_TARGET_DIR/release/heliograph suite features scripts/features.sh
finish
