# recolte: what people do with this repository, a word each. `make help` lists the words.

CARGO  ?= cargo
PREFIX ?= /usr/local
BIN    := target/release/recolte
share   = $(DESTDIR)$(PREFIX)/share

# The build is always there, whatever the caller's environment says.
export CARGO_TARGET_DIR := $(CURDIR)/target
# For the recipe of `run`, as they were typed.
export JOB HOSTS ARGS

.PHONY: help demo test check fmt lint doc shell rules run build install clean bench soak
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

demo: ## the whole job on twelve real hosts that live as long as the demo (as root)
	@scripts/setup demo
	@$(CARGO) build --release --locked --quiet
	@scripts/demo/run

test: ## install what the tests need, then check and run all tests (as root)
	@scripts/setup test
	@$(MAKE) --no-print-directory check
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} $(CARGO) test --locked

check: fmt lint doc shell rules ## the rules that a machine can keep (make -k check: all that is wrong at once)

fmt:
	$(CARGO) fmt --check
lint:
	$(CARGO) clippy --locked --all-targets --quiet -- -D warnings
doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items --quiet
shell:
	grep -rlZE '^#!/(usr/bin/env |bin/)(ba)?sh|^# shellcheck shell=' scripts .ci | xargs -0 shellcheck -x
rules:
	scripts/rules

run: build ## run a job: make run JOB=job.toml HOSTS='machine[1-3] test1' ARGS=--no-mail
	@$(BIN) run $${HOSTS:+--hosts "$$HOSTS"} $$ARGS $${JOB:+"$$JOB"}

build: ## the release binary, target/release/recolte
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

bench: ## the figures: recolte beside others that do the same job, into docs/bench (as root; 50 minutes)
	@scripts/setup bench
	@$(CARGO) build --release --locked --quiet
	@scripts/bench --recolte $(BIN) --write docs/bench --all

soak: ## ten runs on 200 hosts, then 50 killed and resumed: nothing leaks, nothing is lost (as root; 15 minutes)
	@scripts/setup soak
	@$(CARGO) build --release --locked --quiet
	@scripts/soak fleet
	@scripts/soak kills

clean: ## remove what was built
	$(CARGO) clean
