# Two commands: `make demo` and `make test`. Everything else is here for those who work on Almanac.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-all test-browser check audit lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/demo.stamp ## Install, train on the sample, serve it on port 3000
	$(BIN)/almanac demo

# A file of tests stays in one process: they share what is costly to make.
test: .venv/dev.stamp ## Run the fast tests
	$(BIN)/python -m pytest -m "not slow and not browser" -n 2 --dist loadfile

test-all: .venv/dev.stamp ## Run every test, the slow ones too
	$(BIN)/python -m pytest

# Neither a browser nor node belongs to who only runs Almanac: they are asked for by name.
test-browser: .venv/dev.stamp node_modules/axe-core/axe.min.js ## Use the pages in Chromium
	@command -v "$${ALMANAC_CHROMIUM:-chromium}" >/dev/null || \
	  { echo "Needs Chromium: apt-get install chromium, or name it: ALMANAC_CHROMIUM=/path/to/chrome"; exit 1; }
	$(BIN)/python -m pytest -m browser
	@echo "What the pages looked like is in .screenshots/"

check: .venv/dev.stamp ## Lint, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Strict, so that a package the database does not know is a failure, not silence.
audit: .venv/dev.stamp ## Look every pinned package up among known vulnerabilities (needs the internet)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r locks/core.txt

# Exact versions with hashes, for every platform and Python; no index address is written.
lock: ## Resolve the dependencies anew
	$(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install --quiet uv
	for target in "core:" "demo:--extra sample" "dev:--extra sample --group dev"; do \
	  .venv/lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 \
	    --group build --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	    --quiet $${target#*:} --output-file locks/$${target%%:*}.txt || exit 1; \
	done

AXE := axe-core@4.14.1
node_modules/axe-core/axe.min.js:
	@command -v npm >/dev/null || { echo "Needs npm, which fetches axe-core: apt-get install npm"; exit 1; }
	npm install --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --silent $(AXE)

clean: ## Remove the environment and the demo
	rm -rf .venv demo node_modules .screenshots

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Almanac needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/demo.stamp: locks/demo.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/demo.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: locks/dev.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ .venv/demo.stamp
