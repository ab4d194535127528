# make run    a fresh machine to a running service: needs only python3 (3.11 or newer)
# make test   the quick tests          make test-all  every test
# make check  what CI runs             make bench     the figures
# make coach-exam   score the built-in coach; ARGS="--provider configured --verbose" for a model
.POSIX:
.PHONY: run setup setup-dev test test-all check lint bench coach-exam lock clean help

PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST = $(BIN)/python -m pytest

help:
	@sed -n '1,4s/^# //p' Makefile

run: setup
	@$(BIN)/zxo up

setup: .venv/installed
setup-dev: .venv/installed-dev

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "ZXO needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "ZXO set-up 1/3: a virtual environment in .venv"
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "python3 cannot make one; on Debian: apt install python3-venv" >&2; exit 1; }

# --no-deps: the locks are complete, and pip, left to resolve extras, may ask for a version beside them.
.venv/installed: requirements.lock pyproject.toml | .venv/bin/python
	@echo "ZXO set-up 2/3: the locked dependencies (about 60 MB to fetch)"
	@$(PIP) install --require-hashes --no-deps --requirement requirements.lock
	@echo "ZXO set-up 3/3: ZXO itself"
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	@echo "ZXO set-up: what the tests need"
	@$(PIP) install --require-hashes --no-deps --requirement requirements-dev.lock
	@touch $@

test: setup-dev
	@$(PYTEST) -n 2 -m "not slow"

test-all: setup-dev
	@$(PYTEST) -n 2 --cov --cov-report=term --cov-fail-under=90

lint: setup-dev
	@$(BIN)/ruff check src tests migrations bench
	@$(BIN)/ruff format --check src tests migrations bench
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test-all

bench: setup-dev
	@$(BIN)/python -m bench

coach-exam: setup-dev
	@$(BIN)/python -m tests.coach_exam $(ARGS)

# After a change of pyproject.toml; needs uv on the PATH.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
		--group build pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
		--group build --group dev --constraint requirements.lock pyproject.toml \
		--output-file requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
