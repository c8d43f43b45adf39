# Everything runs in .venv, which `make setup` fills from requirements.lock. Every other target sets it up first.

.DEFAULT_GOAL := help

# Another Python: make setup PYTHON=python3.12
PYTHON ?= python3
# How many processes run the tests
TEST_WORKERS ?= 2
# What to measure and how: make bench BENCH="--help"
BENCH ?=
# Seconds between two looks at what is no file; empty: settings.watch_interval
INTERVAL ?= 300
# A folder of OpenAPI documents: make specs-report SPECS=folder
SPECS ?= ../shared/specs

BIN := .venv/bin
INSTALLED := .venv/.installed
CODE := syncflow_pipelines syncflow_pipelines_tests benchmarks
# Tests take from milliseconds to minutes: a process that has nothing left to do takes some from the other one.
SUITE := $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

SUPPORTED := import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or sys.exit( \
	"SyncFlow needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Name another one: make setup PYTHON=python3.12" % ((sys.executable,) + v))

.PHONY: setup demo dev test check static format-check lint types imports unit bench format lock clean help \
	auto-sync-fetch auto-sync-regenerate auto-sync-all auto-sync-watch auto-sync-dry-run specs-report

setup: $(INSTALLED) ## install everything into .venv (done once; again when the requirements change)

# The lock file names every package, so pip need not look for any (--no-deps), and cannot: with hashes, it wants to see a
# package anew for every extra that somebody asks for. It compiles what it installs; the package itself is compiled here,
# because PYTHONDONTWRITEBYTECODE, where it is set, would make every start compile it anew.
$(INSTALLED): requirements.lock pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) was not found. SyncFlow needs Python 3.11, 3.12 or 3.13: make setup PYTHON=/path/to/python" >&2; exit 2; }
	@"$(PYTHON)" -c '$(SUPPORTED)'
	@"$(BIN)/python" -c '$(SUPPORTED)' 2>/dev/null && "$(BIN)/python" -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv \
		|| { echo "$(PYTHON) -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --compile --no-deps --require-hashes -r requirements.lock
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@"$(BIN)/python" -m compileall -q syncflow_pipelines
	@touch "$@"

demo: setup ## run the main job once on the demo source and services, and show what happened
	@$(BIN)/syncflow demo

dev: setup ## Dagster's UI and daemon with the demo source and services, until Ctrl-C
	@$(BIN)/syncflow dev

auto-sync-fetch: setup ## fetch the OpenAPI specs of the services
	@$(BIN)/syncflow specs fetch

auto-sync-regenerate: setup ## generate MCP servers and resolvers from the specs that changed
	@$(BIN)/syncflow generate

auto-sync-all: setup ## both; a service that cannot be fetched does not keep the others from being generated
	@status=0; $(BIN)/syncflow specs fetch || status=$$?; $(BIN)/syncflow generate || status=$$?; exit $$status

auto-sync-watch: setup ## fetch and generate whenever a spec changes, until Ctrl-C
	@$(BIN)/syncflow specs watch $(if $(INTERVAL),--interval $(INTERVAL))

auto-sync-dry-run: setup ## what would be generated
	@$(BIN)/syncflow generate --dry-run

specs-report: setup ## what becomes of every spec of a folder: make specs-report SPECS=folder
	@$(BIN)/python -m benchmarks.specs_report $(SPECS)

test: setup ## the whole test suite
	@$(SUITE)

check: static unit ## format, lint, types, imports, unit tests; under a minute

static: format-check lint types imports

format-check: setup
	@$(BIN)/ruff format --check $(CODE)

lint: setup ## ruff
	@$(BIN)/ruff check $(CODE)

types: setup ## mypy --strict
	@$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports --no-logo

unit: setup
	@$(SUITE) -q -m "not slow and not e2e" syncflow_pipelines_tests/unit

bench: setup ## measure; some of it: make bench BENCH="sync --no-peers"
	@$(BIN)/python -m benchmarks $(BENCH)

format: setup ## rewrite the code as ruff formats it
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lock: setup ## choose the newest versions that pyproject.toml allows
	"$(BIN)/python" -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev --generate-hashes --strip-extras \
		--no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean: ## remove .venv and what the tools keep; .syncflow (the state) stays
	rm -rf .venv build dist *.egg-info htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-21s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
