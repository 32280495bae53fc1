# Two commands: `make demo` plays the main job on embedded parts, `make test` runs the tests. Each sets up what it needs.
# A second run installs nothing again: the stamps below carry the requirements they were made from.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: bench triage-report demo test test-real chaos lint messages help requirements clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(VENV)/.dev ## Play the main job; ONCE=1 plays it to its end and stops, PORT=9000 takes 9000 to 9002, TENANT=exchange_online asks Microsoft 365
	$(BIN)/m365-unblock demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT)) $(if $(TENANT),--tenant $(TENANT))

test: $(VENV)/.dev ## Run the linters, the type checker and the tests that need only Python
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not real"

test-real: $(VENV)/.real $(VENV)/.oidc ## Run the tests that need Debian packages (a browser, Request Tracker, PostgreSQL); installs them where it may
	$(BIN)/python -m pytest -m real

chaos: $(VENV)/.dev ## Play lives full of faults and deaths; SEEDS=5000 for more, SEED=1234 tells one step by step
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000) --first $(or $(FIRST),1))

triage-report: $(VENV)/.dev ## Print how well triage does on the labelled tickets, by language and kind
	@$(BIN)/python -m tests.triage.scoring

bench: $(VENV)/.dev ## Measure speed and memory beside a bare Flask endpoint; ONLY=acks,notes for parts, FULL=1 fills the databases whole, PROFILE=folder draws what costs
	@$(BIN)/python -m tests.benchmarks.speed $(if $(ONLY),--only $(ONLY)) $(if $(FULL),--full) $(if $(PROFILE),--profile $(PROFILE))

lint: $(VENV)/.dev ## Format and lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

messages: $(VENV)/.dev ## Collect the texts of the pages for translators, into plugin/translations/messages.pot
	$(BIN)/pybabel --quiet extract --mapping=babel.cfg --keywords=kept --keywords=lazy_gettext --keywords=NotAllowed \
	  --no-location --sort-output --omit-header --output-file=plugin/translations/messages.pot .

requirements: ## Renew the hashed requirements files (needs uv)
	for set in main: dev:--extra=dev real:"--extra=dev --extra=real"; do \
	  uv pip compile pyproject.toml $${set#*:} --generate-hashes --no-header --no-emit-index-url --universal \
	    --python-version 3.11 --quiet --upgrade --output-file requirements/$${set%%:*}.txt; done

clean: ## Remove the environment and the demo's files
	rm -rf $(VENV) .demo

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || $(MAKE) --no-print-directory venv-by-apt

# Debian's python3 has no ensurepip until python3-venv is installed.
.PHONY: venv-by-apt
venv-by-apt:
	rm -rf $(VENV)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv; \
	else echo "Python's venv module is missing: run  sudo apt-get install python3-venv  and try again"; exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.real: requirements/real.txt tests/real/debian-packages $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/real.txt
	tests/real/debian-packages
	@touch $@

# The identity provider that people sign in at in the tests; it needs Node.js.
$(VENV)/.oidc: tests/real/oidc/package.json tests/real/oidc/package-lock.json $(VENV)/.real
	@command -v node >/dev/null && command -v npm >/dev/null || \
	  { echo "Node.js is missing: run  sudo apt-get install --no-install-recommends nodejs npm  and try again"; exit 1; }
	@mkdir -p $(VENV)/oidc && cp tests/real/oidc/package.json tests/real/oidc/package-lock.json $(VENV)/oidc/
	cd $(VENV)/oidc && npm ci --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved=true --loglevel=error
	@touch $@
