# Each target does its own set-up on a fresh machine. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow test-realdata test-slurm test-slurm-core test-gpu mutate lint bench bench-acquisition bench-startup bench-text bench-loader clean
export OMP_NUM_THREADS ?= 1
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
PAIR := -n 2 --dist worksteal # each begins with half of the tests in their order: what a module's share is made once

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-18s %s\n", $$1, $$2}'

setup: .venv/ready ## make .venv with the exact versions of constraints.txt

.venv/ready: pyproject.toml constraints.txt scripts/setup.sh
	@bash scripts/setup.sh

ifdef PYTHON # as in `make test PYTHON=python3.12`: what stands may be another's
.PHONY: .venv/ready
endif

run: setup ## play the CAL comparison on the bundled digits: one table, two figures
	@$(BIN)/calrun run -m experiment=digits
	@$(BIN)/calrun report outputs/digits

test: setup ## the quick tests
	@$(PYTEST) $(PAIR)

test-slow: setup ## tests that take minutes: kills, browser, large tables
	@$(PYTEST) $(PAIR) -m slow

test-realdata: setup ## tests on the data sets in ../shared/data
	@$(PYTEST) $(PAIR) -m realdata

test-slurm: setup ## runs as jobs of a real SLURM, started on this machine by scripts/slurm.py
	@$(PYTEST) -m slurm

test-slurm-core: setup ## two minutes of test-slurm
	@$(PYTEST) -m "slurm and core"

test-gpu: setup ## runs and selections on a GPU
	@$(PYTEST) -n 4 -m gpu

mutate: setup ## break calrun line by line and see whether the tests notice
	@$(BIN)/python scripts/mutate.py --jobs 2

lint: setup ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## a fit of ours against a bare PyTorch loop
	@$(BIN)/python scripts/bench_overhead.py

bench-acquisition: setup ## every selection kernel beside its literal version
	@$(BIN)/python scripts/bench_acquisition.py
	@$(BIN)/python scripts/bench_scores.py

bench-text: setup ## a pool of 2,000,000 reviews: TABLE=amazon_mdsd.parquet gives their lengths
	@$(BIN)/python scripts/bench_text.py $(TABLE)

bench-loader: setup ## pictures a second from JPEG files, against PIL and torchvision
	@$(BIN)/python scripts/bench_loader.py

bench-startup: setup ## seconds before the command does what it was asked for
	@$(BIN)/python scripts/bench_startup.py

clean: ## remove .venv and caches; outputs stay
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
