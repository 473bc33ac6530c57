# The commands of this repository. `docs/development.md` says what each needs and where it keeps it.
SHELL := bash

.PHONY: run test coverage lint demo bench bench-peers soak fuzz setup env

## Build the server and start it on the folder `data`, for this machine only
run: setup
	scripts/run.sh

## Every test suite, one after the other
test: setup
	scripts/test.sh

## Which behaviours of the specification's checklist a test asserts
coverage: setup
	cargo run --release --locked --quiet --workspace --bin coverage

## Format, lints, links of the documentation, our own rules
lint: setup
	scripts/lint.sh

## matrix-js-sdk and matrix-nio talk to each other through a server that restarts in the middle
demo: setup
	scripts/demo.sh

## What storing, state, push rules, sync, sends, starts, directory and presence cost, into docs/benchmarks.md
bench: setup
	scripts/bench.sh

## This server beside Synapse under the same load: 30 minutes, with QUICK=1 six
bench-peers: setup
	complement-tests/bench-peers/run.sh

## 300 kills and 200 power cuts; it goes on where it was stopped. SOAK_SEEDS=1..51 SOAK_CUTS=1..11 for fewer
soak: setup
	scripts/soak.sh

## Every parser and codec under libFuzzer, 10 minutes each; FUZZ_SECONDS=60 for less. RocksDB is not needed
fuzz:
	@scripts/setup.sh
	scripts/fuzz.sh

## Install what is missing and build RocksDB into the cache
setup:
	@scripts/setup.sh
	@scripts/rocksdb.sh

## The environment for calling cargo by hand: eval "$$(make -s env)"
env:
	@. scripts/env.sh && printf 'export %s=%s\n' CARGO_TARGET_DIR "$$CARGO_TARGET_DIR" \
		ROCKSDB_LIB_DIR "$$ROCKSDB_LIB_DIR" ROCKSDB_STATIC "$$ROCKSDB_STATIC"
