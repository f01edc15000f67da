# Two commands: `make demo` and `make test`. Both set up .venv by themselves; nothing is installed elsewhere.
PYTHON ?= python3.11
VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 8 ] && n=8; echo $$n)

.PHONY: demo test test-lowest check docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   train on images in the package, evaluate, write a report (about 5 minutes, install included)"
	@echo "make test   run the tests (about 13 minutes on two cores)"
	@echo "make test-lowest  one case of each but the slow ones on the lowest versions that pyproject.toml admits"
	@echo "make check  formatter, linters, types, layers, documentation"
	@echo "make clean  remove .venv, .venv-lowest and demo/"

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found; install Python 3.11, or: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

$(LOWEST)/.dev: requirements-lowest.lock pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --requirement requirements-lowest.lock
	$(LOWEST)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

test-lowest: $(LOWEST)/.dev
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n $(JOBS) --dist worksteal -m "not slow" --one-case $(ARGS)

check: $(VENV)/.dev
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

docs: $(VENV)/.dev
	$(BIN)/python -m mkdocs build --strict

clean:
	rm -rf $(VENV) $(LOWEST) demo site
