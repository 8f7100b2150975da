# `make help` lists the targets. Everything runs in .venv, which `make setup` fills from
# requirements.lock (exact versions with hashes).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bench-sigma soak results docs lock clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## Make .venv with everything that building and testing need

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Hauberk needs Python 3.11 or newer; this is $$($(PYTHON) --version). Set PYTHON=..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@touch $(STAMP)

demo: setup  ## Emulate one day of a small company, scan it, print the incidents, write the report
	@rm -rf demo && mkdir -p demo
	@$(BIN)/hauberk emulate --out demo --seed 7 --users 25 --days 1 --campaign ransomware
	@status=0; $(BIN)/hauberk scan demo/logs --home demo/home --html demo/report.html || status=$$?; \
	  test $$status -eq 0 -o $$status -eq 10

test: setup  ## Run every test
	@$(BIN)/python -m pytest -n auto

check: setup  ## Lint, format, types, floors, rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m hauberk.detect.sigma.check src/hauberk/detect/sigma/rules

bench: setup  ## Measure speed and memory against a bare parse; append to benchmarks/history.jsonl
	@$(BIN)/python -m benchmarks.run

bench-sigma: setup  ## Compare Sigma matching with pySigma on SQLite: speed, then hit by hit
	@$(BIN)/python -m benchmarks.sigma
	@$(BIN)/python -m benchmarks.sigma --oracle

soak: setup  ## Run a whole system for an hour and kill its parts; write docs/soak.md
	@$(BIN)/python -m benchmarks.soak --minutes 60 --rate 10000 --people 10 --kills 20 --page

results: setup  ## Measure detection on every set of ../shared/data, and the models; write docs/*results.md
	@$(BIN)/python -m benchmarks.results
	@$(BIN)/python -m benchmarks.models

docs: setup  ## Generate the tables in docs/ from the code
	@$(BIN)/python docs/generate.py

lock: $(STAMP)  ## Resolve dependencies anew into requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --all-extras --group dev pyproject.toml -o requirements.lock

clean:  ## Remove what building and testing left
	@rm -rf $(VENV) demo dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
