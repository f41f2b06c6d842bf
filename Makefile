# The few commands a contributor needs. Each is one line that can also be typed by hand.

.PHONY: help run test tidy lint format docs loom fuzz bench ci

help: ## List the commands.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/'

run: ## Start the server on port 6174 (memory mode).
	cargo run --release --bin zumic

test: ## Install what the tests need, then run them all.
	scripts/test

tidy: ## The house rules only (seconds).
	cargo tidy

lint: ## Formatting and clippy, as the gate runs them.
	cargo fmt --all --check
	cargo lint

format: ## Format Rust and TOML.
	cargo fmt --all
	scripts/toml

docs: ## API documentation, warnings denied.
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

loom: ## Models of the lock-free protocols.
	scripts/loom

fuzz: ## Every fuzz target for a minute.
	fuzz/run.sh 60

bench: ## All benchmarks, in full.
	cargo bench --package zumic-benches

ci: ## Everything that a change must pass.
	.ci/run
