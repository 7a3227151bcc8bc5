# What people and CI run. `make` alone lists it.

SUITES := bookworm trixie forky
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nixci/nix
empty :=
NIXCI_TEST_NIX ?= $(subst $(empty) ,:,$(SUITES:%=$(CACHE)/%))
export NIXCI_TEST_NIX

.NOTPARALLEL:
.PHONY: help demo test test-nix test-servers test-descriptions bench bench-serve fuzz deny completions

help: ## list this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: ## build nixci and see it on examples/matrix; installs a Nix of its own if there is none
	@dev/demo

test: test-nix test-servers test-descriptions ## run every test, those against three versions of Nix and real servers included
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
	cargo test --locked

test-nix: ## install the versions of Nix that the tests need, unless NIXCI_TEST_NIX names others
ifeq ($(origin NIXCI_TEST_NIX),file)
	@for suite in $(SUITES); do dev/install-nix $$suite || exit; done
endif

test-servers: ## install the ssh server, the S3 server and the bubblewrap that the tests need
	@dev/install-test-servers

test-descriptions: ## get what forges say of their interfaces, for tests that otherwise do without; in CI (NIXCI_CI) it must be there
	@dev/install-forge-descriptions || test -z "$$NIXCI_CI"

bench: ## measure nixci beside Nix on this machine and print a table
	cargo build --release --locked
	@dev/install-nix forky
	@dev/install-test-servers
	@dev/bench

bench-serve: ## measure the server on this machine, its webhooks beside Buildbot's, and print a table
	cargo build --release --locked
	@dev/install-nix forky
	@dev/install-test-servers --buildbot
	@dev/bench-serve

fuzz: ## run every fuzz target for a minute
	@dev/fuzz

deny: ## hold the licences and sources of the dependencies against .deny.toml
	@dev/cargo-tool deny check licenses bans sources

completions: ## write completions/ and man/ anew
	cargo run --quiet --locked -- generate .
