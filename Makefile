# Everything starts from a plain clone with python3 (3.11 or later), git and make.
#   make demo [DIR=folder]     build the example workspace and run the whole pipeline on it
#   make test [PYTEST=options] run the test suite, without the tests marked slow
#   make slow [PYTEST=options] run the tests marked slow: whole journeys, and what is rare
#   make fidelity [GRAPHS=n]   compare with real Nix on 5,000 random workspaces, flake.nix files and commits, for each version
#   make kill [EVERY=n]        cut commands off at every (n-th) moment at which they change a file or send something
#   make fuzz [MINUTES=n] [SEED=n]
#                              give new random input, ten minutes of it, to all that reads what others write
#   make mutants [SAMPLE=n] [SEED=n] [MODULES=globs] [RECORD=--record]
#                              look for mistakes that no test would notice; a night's job (docs/mutants.md)
#   make browser               look at the report page in Chromium
#   make site                  build the documentation into .cache/site, and check it
#   make reference             write docs/reference from the program: commands, keys of the manifest, recipes
#   make packaging             build, install and check what is shipped: wheel, man pages, units, recipes
#   make deploy-check          look at the cluster files: kustomize and helm agree, and Kubernetes takes what they make
#   make image                 build the container image on Debian as root, and try it; not for every day (docs/image.md)
#   make bounds [BOUNDS=names] run tests with the lowest dependencies that pyproject.toml allows (BOUNDS="lowest newest")
#   make pythons [PYTHONS=versions]
#                              run the test suite, without real Nix, with Debian's Python 3.13 and 3.14
#   make lint                  ruff, mypy, import-linter
#   make bench [HUGE=1]        measure speed, as ratios (on a quiet machine); with HUGE at 50,000 repos, too
PYTHON ?= python3
PYTEST ?=
GRAPHS ?= 5000
MINUTES ?= 10
EVERY ?= 1
SAMPLE ?= 200
SEED ?=
MODULES ?=
RECORD ?=
DIR ?=
BOUNDS ?= lowest
HUGE ?=
PYTHONS ?= 3.13 3.14
BIN := .venv/bin
RUN_TESTS := $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal --timeout 900
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup tools demo test slow fidelity kill browser site reference packaging image deploy-check bounds pythons fuzz mutants lint bench format clean

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@.ci/setup

tools:
	@.ci/setup tools

demo: setup
	@$(BIN)/flakesync demo $(DIR)

test: setup
	$(RUN_TESTS) -m "not slow and not browser and not site and not packaging and not deploy" $(PYTEST)

slow: setup
	$(RUN_TESTS) -m slow $(PYTEST)

fidelity: setup
	FLAKESYNC_FIDELITY=$(GRAPHS) $(BIN)/python -m pytest -n auto --maxprocesses 8 $(PYTEST) \
		tests/fidelity tests/nix/test_flakefile_real_nix.py tests/audit/test_nar_hash_like_nix.py

kill: setup
	FLAKESYNC_KILL=$(EVERY) $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(PYTEST) tests/kill

browser: tools
	$(RUN_TESTS) -m browser $(PYTEST)

site: tools
	@.ci/site
	$(RUN_TESTS) -m site $(PYTEST)

reference: setup
	@$(BIN)/python .ci/reference.py

packaging: tools
	$(RUN_TESTS) -m packaging $(PYTEST)

deploy-check: setup
	@$(BIN)/python .ci/deploy/check.py
	$(RUN_TESTS) -m deploy $(PYTEST)

image: setup
	@.ci/image

bounds: tools
	$(BIN)/python .ci/suites.py $(BOUNDS) -- $(PYTEST)

pythons: tools
	$(BIN)/python .ci/suites.py $(PYTHONS) -- $(PYTEST)

fuzz: setup
	@$(BIN)/python -m tests.fuzz.search $(MINUTES) $(SEED)

mutants: setup
	@nice -n 19 $(BIN)/python .ci/mutants --sample $(SAMPLE) $(SEED:%=--seed %) --modules '$(MODULES)' $(RECORD)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.drift
	$(BIN)/python -m benchmarks.packed
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.follow
	$(BIN)/python -m benchmarks.sync
	$(BIN)/python -m benchmarks.native
	$(BIN)/python -m benchmarks.forge
	$(BIN)/python -m benchmarks.report
	$(BIN)/python -m benchmarks.bundle
	$(BIN)/python -m benchmarks.status
	$(if $(HUGE),$(BIN)/python -m benchmarks.huge)

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
