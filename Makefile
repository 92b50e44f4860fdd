# The commands of a day. Each makes the environment first, if it is missing or older than the lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Rules call `python`; it is the environment's.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help quick study test check schemas bench calibrate lock clean
.DEFAULT_GOAL := help

help: ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

quick: $(READY) ## a small study from start to report, in minutes
	$(BIN)/snakemake --cores all --configfile presets/quick.yaml
	@echo
	@$(BIN)/python -m study verdict results/quick

study: $(READY) ## the full study of config.yaml, on all cores of this machine (hours)
	$(BIN)/snakemake --cores all

test: $(READY) ## the whole test suite
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(READY) ## formatting, lint and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/mypy

bench: $(READY) ## the engine against Keras and the machine, in minutes
	$(BIN)/python benchmarks/bench.py

calibrate: $(READY) ## type I error, coverage and power of the analysis, by simulation (half an hour)
	$(BIN)/python -m tests.calibration.calibrate

schemas: $(READY) ## write the schemas that editors use from the configuration's model
	$(BIN)/python -m study.config.schema

lock: ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --group pyproject.toml:dev pyproject.toml -o requirements.lock

clean: ## remove the environment and caches; results stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache *.egg-info

# Installing and compiling apart: pip compiles one file after another, compileall on all cores. A TensorFlow that is not
# compiled takes three times as long to import, in every job.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "%s is Python %d.%d; needed is 3.11, 3.12 or 3.13: make PYTHON=/path/to/python3.12 ..." % (sys.executable, *v))'
	@echo "Installing the environment into $(VENV) (about 2 minutes, once) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { echo "python3 lacks the venv module; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --no-compile --editable .
	@$(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib study || true
	@touch $(READY)
