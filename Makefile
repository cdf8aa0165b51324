# vecloom: `make demo`, `make test`. Everything is made in .venv from requirements/lock.txt; nothing else is touched.
PYTHON ?= python3

BIN := .venv/bin
READY := .venv/ready
BENCH_READY := .venv-bench/ready
ENVIRONMENT := $(READY) # what a target needs that runs something
DEMO := demo.index
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

.PHONY: help install demo test test-slow lint format bench docs clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(ENVIRONMENT) ## make .venv

# Made where it is missing, brought up to date when the pins change.
$(READY): requirements/lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "vecloom needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(BENCH_READY): requirements/bench.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements/bench.txt
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(ENVIRONMENT) ## index the docstrings of Python's standard library and ask three questions
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh $(DEMO)

test: $(ENVIRONMENT) ## run the tests (with VECLOOM_DATA set also those on public collections)
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(ENVIRONMENT) ## run the tests that take minutes, and all properties with random examples (SEED=N: those of a run before)
	VECLOOM_TEST_SEED=$(SEED) $(BIN)/python -m pytest -m "slow or hypothesis"

lint: $(ENVIRONMENT) ## ruff, mypy --strict, the import contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(ENVIRONMENT) ## let ruff put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(BENCH_READY) ## measure speed and memory beside other libraries; takes an hour, on a machine that does nothing else
	.venv-bench/bin/python benchmarks/encode.py
	.venv-bench/bin/python benchmarks/memory.py
	.venv-bench/bin/python benchmarks/search.py
	.venv-bench/bin/python benchmarks/static.py

docs: $(ENVIRONMENT) ## build the pages into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean: ## remove what the other targets made, .venv aside
	rm -rf site dist build $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks experiments scripts -name __pycache__ -type d -prune -exec rm -rf {} +
