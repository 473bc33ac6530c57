#!/usr/bin/env bash
# What run.sh prints into docs/complement.md, from the results that it left in the folder that is
# the argument. COMMIT is Complement's, RUNS how often it was run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=$1

cat <<TEXT
# Complement

What [Complement](https://github.com/matrix-org/complement), the test suite of the Matrix protocol that starts servers in
containers, says of this server. \`complement-tests/image/run.sh\` writes this file; how to run it stands in the \`README.md\`
beside it, and which tests are run in \`tests.tsv\`. In short, where there is no Docker:

    COMPLEMENT_DIR=<checkout of Complement> PROCESS_ENGINE=<program> complement-tests/image/run.sh

Complement is of commit \`$COMMIT\`. It ran $RUNS times, with new servers for each test. Behind a result is the number of
subtests that had it.

TEXT

awk -F '\t' -v runs="$RUNS" -v results="$results" '
    function load(package, run,    name, file, line, part, top) {
        name = package
        gsub("/", "-", name)
        file = results "/" name "." run ".results"
        while ((getline line < file) > 0) {
            split(line, part, "\t")
            top = part[2]
            sub("/.*", "", top)
            if (top == part[2]) whole[package, top, run] = part[3]
            else count[package, top, run, part[3]]++
        }
        close(file)
    }
    function cell(package, test, run,    result, text, n) {
        result = whole[package, test, run]
        if (result == "") return "-"
        text = result
        n = count[package, test, run, result]
        if (n) text = text " (" n ")"
        n = count[package, test, run, "skip"]
        if (n && result != "skip") text = text ", " n " skipped by Complement"
        if (result == "pass") passed[run]++
        return text
    }
    NR == 1 { next }
    !($1 in seen) { seen[$1]; for (run = 1; run <= runs; run++) load($1, run) }
    $3 != "" { left[++lefts] = "| " $1 " | " $2 " | " $3 " |"; if ($2 !~ "/") without++; next }
    {
        row = "| " $1 " | " $2 " |"
        for (run = 1; run <= runs; run++) row = row " " cell($1, $2, run) " |"
        rows[++all] = row
    }
    END {
        printf "## Results\n\n%d tests are run; passed:", all
        for (run = 1; run <= runs; run++) printf "%s %d in run %d", (run > 1 ? "," : ""), passed[run], run
        printf ".\n\n| package | test |"
        for (run = 1; run <= runs; run++) printf " run %d |", run
        printf "\n| --- | --- |"
        for (run = 1; run <= runs; run++) printf " --- |"
        printf "\n"
        for (n = 1; n <= all; n++) print rows[n]
        printf "\n## Not run\n\n%d tests, and parts of tests that are run, need what this server does not have yet, or never will.\n\n", without
        print "| package | test | needs |\n| --- | --- | --- |"
        for (n = 1; n <= lefts; n++) print left[n]
    }' "$here/tests.tsv"
