#!/usr/bin/env bash
# Runs Complement against the server, twice, and writes what came of it to docs/complement.md.
# Ends with 1 if anything failed. `tests.tsv` says what is run, and what the rest needs.
#
#   COMPLEMENT_DIR   a checkout of Complement
#   PROCESS_ENGINE   the program that runs containers as processes; without it, Docker runs them
#   HELIOGRAPH_BIN   the server, if it is not where cargo builds it (for the process engine)
#   RUNS             how often (2)
#   ONLY             packages to run (all); the document is written only if all of them were run
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../scripts/env.sh"

: "${COMPLEMENT_DIR:?is to name a checkout of Complement}"
export HELIOGRAPH_BIN=${HELIOGRAPH_BIN:-$CARGO_TARGET_DIR/release/heliograph}
export COMPLEMENT_BASE_IMAGE=complement-heliograph:latest
runs=${RUNS:-2}
out=$cache/complement
mkdir -p "$out"
rm -f "$out"/*.results

# On a tmpfs, where there is one, what containers write costs nothing.
state=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" heliograph-XXXXXX)
trap 'rm -rf "$state"' EXIT

# regex LINES: a pattern of go test for whole names, each level by itself.
regex() {
    sed 's|^|^|; s|/|$/^|g; s|$|$|' | paste -sd '|'
}

# In the order of the list: packages, the tests of one that are run, and those that are not.
packages() { awk -F '\t' 'NR > 1 && !seen[$1]++ { print $1 }' "$here/tests.tsv"; }
chosen() { awk -F '\t' -v p="$1" '$1 == p && $3 == "" { print $2 }' "$here/tests.tsv"; }
left_out() { awk -F '\t' -v p="$1" '$1 == p && $3 != "" { print $2 }' "$here/tests.tsv"; }

failed=0
for package in ${ONLY:-$(packages)}; do
    tests=$(chosen "$package" | regex)
    [[ -n $tests ]] || continue
    name=${package//\//-}
    (cd "$COMPLEMENT_DIR" && go test -c -o "$out/$name.test" "./$package")
    for ((run = 1; run <= runs; run++)); do
        command=("$out/$name.test" -test.v -test.timeout 60m -test.run "$tests")
        skipped=$(left_out "$package" | regex)
        [[ -z $skipped ]] || command+=(-test.skip "$skipped")
        if [[ -n ${PROCESS_ENGINE:-} ]]; then
            command=("$PROCESS_ENGINE" run --image "$here" --state "$state" -- "${command[@]}")
        fi
        log=$out/$name.$run.log
        "${command[@]}" >"$log" 2>&1 || failed=1
        # PACKAGE, TEST, RESULT
        grep -aoE -- '--- (PASS|FAIL|SKIP): [^ ]+ \(' "$log" |
            awk -v p="$package" '{ sub(":", "", $2); print p "\t" $3 "\t" tolower($2) }' >"$out/$name.$run.results"
        echo "$package, run $run: $(cut -f 3 "$out/$name.$run.results" | sort | uniq -c | xargs); $log"
        awk -F '\t' '$3 == "fail" { print "  failed: " $2 }' "$out/$name.$run.results"
    done
done
if [[ -z ${ONLY:-} ]]; then
    commit=$(git -C "$COMPLEMENT_DIR" rev-parse HEAD)
    COMMIT=$commit RUNS=$runs "$here/report.sh" "$out" >"$root/docs/complement.md"
    echo "wrote docs/complement.md"
fi
exit "$failed"
