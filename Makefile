# `make` alone lists the targets. Everything runs in .venv, made on first use and reused afterwards.
PYTHON ?= python3
BIN := .venv/bin
MINUTES ?= 4
TEXT ?=
FRESH ?=

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow lint docs dist clean environment

help:  ## list the targets
	@echo "keras_mlm: from a folder of text to a served, domain-specific BERT"
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: pyproject.toml constraints.txt
	@echo "Installing into .venv (about 2.5 GB, a minute or two) ..."
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("keras_mlm needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/installed-test: .venv/installed
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

.venv/installed-test-slow: .venv/installed-test
	@echo "Installing what the slow tests need ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[test,test-slow]'
	@touch $@

.venv/installed-docs: .venv/installed
	@echo "Installing what the API page needs ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

environment: .venv/installed  ## install the package into .venv

quickstart: environment  ## text in, BERT out: MINUTES=4, TEXT="a.txt folder/", FRESH=1
	@$(BIN)/python recipes/quickstart.py --minutes $(MINUTES) $(if $(TEXT),--text $(TEXT)) $(if $(FRESH),--fresh)

# Most of a test is tracing, which takes one core: two processes take a file each.
test: .venv/installed-test  ## the tests
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

# A browser is no Python package: where it may not be installed, the tests that need it say that they did not run.
test-slow: .venv/installed-test-slow  ## the tests that take minutes
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -qq --no-install-recommends chromium fonts-noto-cjk; } || true
	$(BIN)/python -m pytest -m slow --numprocesses 2 --dist loadfile

lint: .venv/installed-test  ## ruff and type checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/installed-docs  ## the page of the Python API, site/index.html
	$(BIN)/python .github/docs/make_docs.py

dist: .venv/installed-test-slow  ## build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## remove the environment, caches and builds; trained models stay
	rm -rf .venv dist build site .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
