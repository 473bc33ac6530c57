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

# suite NAME COMMAND...: a command that ends badly without naming a failed test counts as one.
suite() {
    local name=$1 begin=$SECONDS code=0 log=$logs/$1.log ok bad
    shift
    echo "== $name: $*"
    "$@" 2>&1 </dev/null | tee "$log" | grep --line-buffered -vE '^test .* \.\.\. ok$|^running [0-9]+ tests?$|^$' || code=${PIPESTATUS[0]}
    ok=$(awk '/^test result: / { n += $4 } END { print n + 0 }' "$log")
    bad=$(awk '/^test result: / { n += $6 } END { print n + 0 }' "$log")
    if [[ $code -ne 0 && $bad -eq 0 ]]; then
        bad=1
        echo "$name ended with $code; all it said: $log"
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    table+=$(printf '%-12s %5d passed %3d failed %5d s' "$name" "$ok" "$bad" $((SECONDS - begin)))$'\n'
}

# All suites build with the features of the whole workspace, so nothing is built twice.
suite build cargo test --release --locked --workspace --no-run
suite unit cargo test --release --locked --workspace --lib --bins --no-fail-fast

printf '\n%s%-12s %29d s\n' "$table" total "$SECONDS"
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
