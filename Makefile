# The few commands of the house. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
CASES ?= $(wildcard tests/conformance/cases)
ONLY ?=
N ?= 100
WORKLOAD ?= chat
KILLS ?= 2000
TRIALS ?= 2000
IMAGES ?= 5000

# The message goes to the program through its environment, word for word: nothing in it is read by make or a shell.
override MESSAGE := $(value MESSAGE)
export MESSAGE

.PHONY: help chat test test-kotlin test-swift docs scenarios simulate check bindings size conformance crash council-trials bench load soak profile wheels deny clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

chat: rust ## Talk to a model; MESSAGE="hello" for a single turn
	@cargo build -q --locked -p tertulia-examples --bin chat
	@cargo run -q --locked -p tertulia-examples --bin chat

test: python ## Run every test and check; ends with "N passed, N failed"
	@$(PYTHON) tools/run_tests.py

test-kotlin: rust python ## Run the tests in Kotlin alone; needs a JDK of 17 or newer and Maven
	@$(PYTHON) tools/run_tests.py kotlin

test-swift: rust python ## Run the tests in Swift alone; `tools/swift.py setup` fetches Swift 6
	@$(PYTHON) tools/run_tests.py swift

docs: rust python ## Write the pages of every language into target; whatever is wrong with them is a failure
	@$(PYTHON) tools/run_tests.py docs

scenarios: rust python ## Play the scenarios that all languages share; says for each how many passed
	@$(PYTHON) tools/run_tests.py scenarios

simulate: rust python ## Run the proofs by simulation alone: seeded faults, paused clocks
	@$(PYTHON) tools/run_tests.py simulate

bindings: rust python ## Write anew what is generated for the mobile border
	@$(PYTHON) tools/border.py write

size: rust python ## Say what the library for apps weighs, and whether phones load it
	@$(PYTHON) tools/run_tests.py environment
	@$(PYTHON) tools/mobile.py size

check: python ## Run the quick part: formatting, lints, floors
	@$(PYTHON) tools/run_tests.py check

conformance: rust ## Decode recorded replies: CASES=dir, ONLY=prefix of a case's name
	@cargo run -q --locked -p tertulia-conformance -- "$(CASES)" $(if $(ONLY),"$(ONLY)")

crash: rust ## Kill a writing process, cut its power: KILLS=20000 IMAGES=50000
	@cargo run -q --locked -p tertulia-crash -- all "$(KILLS)" "$(IMAGES)"

council-trials: rust ## Kill processes that work on runs: TRIALS=2000
	@cargo run -q --locked -p tertulia-trials -- "$(TRIALS)"

bench: rust python ## Measure speed beside bare clients; writes target/bench.json
	@cargo run --release -q --locked -p tertulia-bench
	@$(PYTHON) tools/run_tests.py environment
	@.venv/bin/maturin build -q --release --locked --out dist/release --interpreter .venv/bin/python
	@.venv/bin/python -m pip install -q --force-reinstall --no-deps --no-index --find-links dist/release tertulia
	@.venv/bin/python -m pip install -q -r bindings-python/bench/requirements.txt
	@$(PYTHON) -m venv target/clients
	@target/clients/bin/python -m pip install -q -r bindings-python/bench/clients.txt
	@target/clients/bin/python -m pip install -q --force-reinstall --no-deps --no-index --find-links dist/release tertulia
	@target/clients/bin/python -W ignore bindings-python/bench/clients.py target/bench.json
	@.venv/bin/python -W ignore bindings-python/bench/history.py target/bench.json
	@.venv/bin/python bindings-python/bench/start.py target/bench.json
	@cargo build --release -q --locked -p tertulia-ffi -p tertulia-simulator
	@$(PYTHON) tools/bench_apps.py target/bench.json

load: rust ## Many chats at once through the simulator: N=100, N=1000
	@cargo build --release -q --locked -p tertulia-simulator
	@cargo run --release -q --locked -p tertulia-load -- "$(N)"

soak: rust python ## Leave in the middle of replies, over and over: CANCELS=1000, CALLS=40000, STREAMS=10000, LANGUAGES="rust python"
	@$(PYTHON) tools/run_tests.py soak

profile: rust ## Name the 20 hottest functions, paint a flame graph: WORKLOAD=chat, stream or history
	@cargo run --profile profiling -q --locked -p tertulia-bench -- profile "$(WORKLOAD)"

wheels: rust python ## Build Python's wheels and its package of sources, into dist; on Linux for all of Linux
	@$(PYTHON) tools/run_tests.py environment
	@$(PYTHON) tools/wheels.py build
	@$(PYTHON) tools/wheels.py sources

deny: rust ## Check licences, advisories and sources; installs cargo-deny when it is missing, which takes minutes
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	@cargo deny --all-features check
	@cargo deny --manifest-path sqlcipher/Cargo.toml --config sqlcipher/deny.toml check

clean: ## Remove what was built
	@rm -rf target .venv dist

.PHONY: rust python
rust:
	@command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs" >&2; exit 1; }

python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.10 or newer is missing" >&2; exit 1; }
