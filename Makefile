# make serve   installs what is missing, ingests data/samples on the first start, serves http://127.0.0.1:8000
# make test    installs what is missing, runs the whole test suite
# make check   format, lint, types, layers, tests
# make bench   the measurements of bench/; PEERS=FOLDER compares ingestion with other systems
#
# PYTHON        the interpreter that makes .venv (3.11 to 3.14)
# HOST, PORT    where to serve
# TESTERS       how many tests run at once, each group with services of its own
# TORCH_INDEX   the URL of PyTorch's index of CPU wheels: without it and without a wheel in wheels/, Linux gets the
#               GPU build, which works as well and is 3 GB larger

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
TESTERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := serve
.PHONY: serve test check format lint types layers bench crash client lock picture clean

serve: $(VENV)/.runtime
	@exec $(BIN)/rag serve --host $(HOST) --port $(PORT) --samples data/samples

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder

check: format lint types layers test

format: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

bench: $(VENV)/.runtime
	$(BIN)/python -m bench $(if $(PEERS),--peers $(PEERS))

crash: $(VENV)/.dev
	CRASH_KILLS=$${CRASH_KILLS:-210} $(BIN)/python -m pytest -s tests/crash

client: $(VENV)/.dev
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/python .ci/client.py

lock: $(VENV)/.dev
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/python .ci/lock.py

picture: $(VENV)/.dev
	$(BIN)/python -m tests.pages.picture

clean:
	rm -rf $(VENV) .rag

$(VENV)/.torch: Makefile
	@echo "== making $(VENV) and installing $(TORCH): once, some minutes"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15) and "Python 3.11 to 3.14 is needed: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -q $(if $(wildcard wheels),--find-links wheels) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(TORCH)
	@touch $@

$(VENV)/.runtime: $(VENV)/.torch requirements.lock pyproject.toml
	@echo "== installing the pinned dependencies"
	@$(PIP) install -q --no-deps --require-hashes -r requirements.lock
	@$(PIP) install -q --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "== installing what the tests and checks want"
	@$(PIP) install -q --no-deps --require-hashes -r requirements-dev.lock
	@touch $@
