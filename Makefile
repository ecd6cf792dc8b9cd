# Everything starts from a plain clone with python3 (3.11 or later), git and make.
#   make demo [DIR=folder]     build the example workspace and run the whole pipeline on it
#   make test [PYTEST=options] run the test suite
#   make lint                  ruff, mypy, import-linter
PYTHON ?= python3
PYTEST ?=
DIR ?=
BIN := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format clean

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@.ci/setup

demo: setup
	@$(BIN)/flakesync demo $(DIR)

test: setup
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --timeout 300 $(PYTEST)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
