# The commands for working on recolte. `make help` lists them.

CARGO  ?= cargo
PREFIX ?= /usr/local
BIN    := target/release/recolte
share   = $(DESTDIR)$(PREFIX)/share

# Builds go to target/, whatever the environment of the caller says.
export CARGO_TARGET_DIR := $(CURDIR)/target
# The recipe of `run` reads these from its environment, so that no shell expands what was typed.
export JOB HOSTS ARGS

.PHONY: help demo test test-all check fmt lint doc shell rules run build install clean bench soak
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: ## run the whole job on twelve real hosts, which end with the demo (as root; 1 minute and the build)
	@scripts/setup demo
	@$(CARGO) build --release --locked --quiet
	@scripts/demo/run

test: ## install what the tests need, then all checks and tests, as CI does (as root; 10 minutes on two cores)
	@scripts/setup test
	@$(MAKE) --no-print-directory check
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} $(CARGO) test --locked

test-all: ## make test, then what takes longer than CI may: make soak, make demo (as root; 30 minutes)
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory soak
	@$(MAKE) --no-print-directory demo

check: fmt lint doc shell rules ## format, lints, docs, shellcheck, scripts/rules (make -k check: report all faults at once)

fmt:
	$(CARGO) fmt --check
lint:
	$(CARGO) clippy --locked --all-targets --quiet -- -D warnings
doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items --quiet
shell:
	grep -rlZE '^#!/(usr/bin/env |bin/)(ba)?sh|^# shellcheck shell=' scripts .ci src/remote/sh | xargs -0 shellcheck -x
rules:
	scripts/rules

run: build ## build, then run a job: make run JOB=job.toml HOSTS='machine[1-3] test1' ARGS=--no-mail
	@$(BIN) run $${HOSTS:+--hosts "$$HOSTS"} $$ARGS $${JOB:+"$$JOB"}

build: ## build the release binary, target/release/recolte
	@$(CARGO) build --release --locked --quiet

install: ## install binary, manual page and completions: make install PREFIX=/usr/local
	@test -x $(BIN) || $(MAKE) --no-print-directory build
	install -D -m 755 $(BIN) '$(DESTDIR)$(PREFIX)/bin/recolte'
	install -d '$(share)/man/man1' '$(share)/bash-completion/completions' \
	    '$(share)/zsh/site-functions' '$(share)/fish/vendor_completions.d'
	$(BIN) man > '$(share)/man/man1/recolte.1'
	$(BIN) completions bash > '$(share)/bash-completion/completions/recolte'
	$(BIN) completions zsh > '$(share)/zsh/site-functions/_recolte'
	$(BIN) completions fish > '$(share)/fish/vendor_completions.d/recolte.fish'

bench: ## measure recolte beside other tools that do the same job, into docs/bench (as root; 50 minutes)
	@scripts/setup bench
	@$(CARGO) build --release --locked --quiet
	@scripts/bench --recolte $(BIN) --write docs/bench --all

soak: ## ten runs on 200 hosts, then 50 runs killed and resumed: no leak, no loss (as root; 15 minutes)
	@scripts/setup soak
	@$(CARGO) build --release --locked --quiet
	@scripts/soak fleet
	@scripts/soak kills

clean: ## remove what was built
	$(CARGO) clean
