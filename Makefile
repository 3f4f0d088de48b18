# dhow: `make help` lists what there is. The work is in scripts/ and in cargo.

PREFIX ?= /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share
# Builds and prints the binary's path.
RELEASE = bash -c '. scripts/common.sh && need_build && build_release'

.PHONY: help build try test fuzz check docs install ci

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 18

build: ## the static release binary
	@$(RELEASE)

try: ## install what is missing, build, and show dhow at work on examples/hello
	@scripts/try

test: ## the whole test suite, as an unprivileged user; FILTER=name for a part of it
	@scripts/test $(FILTER)

fuzz: ## coverage-guided fuzzing of one target: TARGET=tar TIME=600 (seconds); tests/fuzz/targets.rs has the names
	@scripts/fuzz $(TARGET) $(TIME)

check: ## format and lints
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

docs: ## write man/ and completions/ anew from the command line's own description
	rm -rf man completions && mkdir man completions
	cargo run --quiet --locked -- generate man man
	cargo run --quiet --locked -- generate completions completions

install: ## build, and install to PREFIX (/usr/local)
	dhow=$$($(RELEASE)) && install -D -m 755 "$$dhow" $(DESTDIR)$(PREFIX)/bin/dhow
	install -D -m 644 -t $(SHARE)/man/man1 man/*.1
	install -D -m 644 completions/dhow.bash $(SHARE)/bash-completion/completions/dhow
	install -D -m 644 -t $(SHARE)/zsh/site-functions completions/_dhow
	install -D -m 644 -t $(SHARE)/fish/vendor_completions.d completions/dhow.fish

ci: ## what every change must pass
	.ci/run
