# Linux, Python 3.11 or 3.12 and make are all it takes; everything else comes from Python packages pinned by hash.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
# Packages are installed uncompiled. Where no bytecode may be kept, each of the many processes that the tests start compiles
# TensorFlow and all else for itself, which takes longer than to load them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-test demo test test-slow lint bench lock
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.runtime
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-test.lock
	@touch $@

setup: $(VENV)/.runtime ## make .venv with everything Drape needs to run

setup-test: $(VENV)/.test ## the same, with what the tests need

demo: setup ## render a catalog, index it, search it four ways, write a result sheet
	$(BIN)/drape demo

test: setup-test ## run the tests (unit, contract, integration, end to end)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not benchmark and not slow" --durations=20

test-slow: setup-test ## run the tests that take long by themselves
	$(BIN)/python -m pytest -m "slow and not benchmark" --durations=10

lint: setup-test ## style, types, import direction, migration drift
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m migrations.drift

bench: setup-test ## measure speed and memory as ratios in one run
	$(BIN)/python -m pytest -m benchmark -s tests/benchmarks

lock: $(BIN)/uv ## resolve the dependencies anew and pin them by hash
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra cpu -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra gpu -c requirements.lock -o requirements-gpu.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra cpu --group test -c requirements.lock -o requirements-test.lock pyproject.toml
