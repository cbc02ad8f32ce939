# Two commands matter: `make site` and `make test`. Each does its own set-up.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --no-input
PINS := runtime
PLOTLY := templates/vendor/plotly.min.js

# Hundreds of programs that tests start would each compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help site test setup setup-test venv cited golden bench pins clean

help:         ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1	/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "make %-11s %s\n", $$1, $$2}'

site: setup   ## benchmark this machine and build the report
	$(BIN)/sitegen collect --env local --quick
	$(BIN)/sitegen build

test: setup-test  ## lint, types, import contracts and every test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --dist worksteal

cited: venv   ## bring the published figures into archive/ (again is a no-op)
	$(BIN)/sitegen import archive/published-results.csv archive/phala-h200-raw.csv \
		--provenance cited --sources archive/published-sources.csv

golden: venv  ## write the expected pages and the schemas in docs/ again, to be read in the diff
	SITEGEN_GOLDEN=write $(BIN)/pytest -q tests/cases tests/test_schemas.py tests/test_config.py

bench: venv $(VENV)/pins-benchmarks  ## measure the build against its budgets
	$(BIN)/python -m benchmarks.build

setup:        ## system tools, .venv with the pinned dependencies of all collectors, plotly.js
	@tools/system.sh site "$(PYTHON)"
	@$(MAKE) --silent venv
	@$(MAKE) --silent $(VENV)/pins-collect || \
		echo "Some parts of the collectors do not install here. Going on without them."

setup-test:   ## the same with what the tests need
	@tools/system.sh test "$(PYTHON)"
	@$(MAKE) --silent venv PINS=dev
	@tools/browser.sh $(BIN)/playwright

venv: $(VENV)/editable $(PLOTLY)  ## .venv and the bundle only, no system tools

pins:         ## compile requirements/ again from pyproject.toml (needs uv)
	tools/pins.sh

clean:        ## remove everything that set-up and builds made; archive/ stays
	rm -rf $(VENV) site dist templates/vendor
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The files below record in .venv what has been done, so that the next time costs nothing.

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "sitegen needs Python 3.11 or newer; or name one: make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Of all that the tests need they import a tenth, which Python compiles as it comes to it.
$(VENV)/pins-dev: COMPILED := --no-compile

$(VENV)/pins-%: requirements/%.txt | $(BIN)/pip
	$(PIP) install $(COMPILED) --require-hashes -r $<
	@touch $@

$(VENV)/editable: pyproject.toml | $(VENV)/pins-$(PINS)
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(PLOTLY): tools/plotly_bundle.py tools/plotly-bundle.json | $(VENV)/pins-$(PINS)
	@$(BIN)/python tools/plotly_bundle.py
	@touch $@
