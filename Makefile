# make run    serve the gateway over the emulator, with sample data
# make check  run lint, format, types, import contracts, and the tests of what changed since main
# make test   run all tests and checks; make test-slow: run the longer tests; make bench: run the benchmarks
# make sbom   list the shipped packages with versions and licences (CycloneDX): sbom.json, and sbom-graphiql.json of the page
# make lock   resolve the dependencies again
# make docs   write the generated pages of docs/

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PIP_INSTALL := pip --quiet --disable-pip-version-check install
PIP := $(BIN)/$(PIP_INSTALL)
# Benchmarks have their own environment, because speeds count only with a Python that was built with optimizations.
OPTIMIZED := .venv/optimized

.PHONY: run check test test-slow bench docs sbom lock clean

run: .venv/run
	@$(BIN)/python gateway/graphiql/build.py
	@PORT=$(PORT) exec $(BIN)/chime-gateway dev

# One worker more than there are cores, because tests that wait for a process leave a core idle.
PYTEST := $(BIN)/pytest --numprocesses $$(($$($(PYTHON) -c 'import os; print(os.cpu_count())') + 1)) --dist loadfile --no-loadscope-reorder

# The first four are tests of tests/test_architecture.py as well, so they are not repeated with the rest of that file.
check: .venv/test
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache > .venv/imports || { cat .venv/imports; exit 1; }
	@tests=$$($(BIN)/python -m tests.changed) && { [ -z "$$tests" ] || $(PYTEST) -k "not static_check" $$tests; }

test: .venv/test
	@$(INSTALL_PROGRAMS)
	$(PYTEST)

test-slow: .venv/test
	$(BIN)/pytest -m slow

bench: $(OPTIMIZED)/installed
	$(OPTIMIZED)/bin/python -m benchmarks.emulator_pages
	$(OPTIMIZED)/bin/python -m benchmarks.cursors
	$(OPTIMIZED)/bin/python -m benchmarks.filters
	$(OPTIMIZED)/bin/python -m benchmarks.compression
	$(OPTIMIZED)/bin/python -m benchmarks.lookup_calls
	$(OPTIMIZED)/bin/python -m benchmarks.lookup_waits
	$(OPTIMIZED)/bin/python -m benchmarks.rivals

docs: .venv/test
	$(BIN)/python -m tests.docs.reference_pages

# The packages of the image: those of the lock, without those that the Dockerfile removes.
SHIPPED := .venv/shipped
sbom: .venv/sbom
	@$(PYTHON) -m venv --clear $(SHIPPED)
	@$(SHIPPED)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(SHIPPED)/bin/pip uninstall --quiet --yes hatchling pathspec pluggy trove-classifiers setuptools pip
	$(BIN)/cyclonedx-py environment $(SHIPPED) --pyproject pyproject.toml --output-reproducible --output-file sbom.json
	@# The page's explorer has an older React as its peer. npm ignores that when it installs, but not when it lists.
	cd gateway/graphiql && npm sbom --sbom-format cyclonedx --package-lock-only --legacy-peer-deps > ../../sbom-graphiql.json

# As root on Debian, install packages, after a line that says which and why. Otherwise say what to do.
IS_DEBIAN_ROOT := [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null
APT_UPDATE := apt-get -qq update
APT_INSTALL := apt-get -qq install --yes
# RUNLEVEL keeps the installation from starting a Redis. Tests start their own. Each package is installed alone, so that
# one that this release of Debian lacks does not keep the others out.
INSTALL_PROGRAMS = missing=; for each in chromium:chromium redis-server:redis-server kubectl:kubernetes-client; do \
	command -v $${each%%:*} > /dev/null || missing="$$missing $${each\#*:}"; done; \
	if [ -z "$$missing" ]; then :; \
	elif $(IS_DEBIAN_ROOT); then \
	echo "Tests use a browser, a Redis and kustomize. Missing are the Debian packages:$$missing. Installing them by apt-get." >&2; \
	export RUNLEVEL=1; $(APT_UPDATE); for each in $$missing; do $(APT_INSTALL) $$each > /dev/null || true; done; \
	else echo "Missing are the Debian packages:$$missing. Tests that need them are skipped. To run these, too, install them as root." >&2; fi

# Make an environment in folder $(2) with the Python $(1).
MAKE_VENV = $(1) -m venv $(2) || { rm -rf $(2); $(IS_DEBIAN_ROOT) && \
	echo "Python's venv is missing. Installing the Debian package python3-venv by apt-get." >&2 && \
	$(APT_UPDATE) && $(APT_INSTALL) python3-venv && $(1) -m venv $(2); } || \
	{ rm -rf $(2); echo "Install Python's venv first, on Debian: apt-get install python3-venv" >&2; exit 1; }

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "chime-gateway needs Python 3.11 or newer; name one with PYTHON=" >&2; exit 1; }
	@$(call MAKE_VENV,$(PYTHON),.venv)

.venv/run: .venv/bin/python requirements.lock pyproject.toml
	@echo "Installing, once"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test: .venv/run tests/requirements.lock
	@$(PIP) --require-hashes -r tests/requirements.lock
	@touch $@

# PYTHON if it was built with optimizations, else Debian's. If neither was, the check says what to do.
$(OPTIMIZED)/bin/python:
	@for python in $(PYTHON) /usr/bin/python3; do \
		if $$python benchmarks/interpreter.py 2> /dev/null; then $(call MAKE_VENV,$$python,$(OPTIMIZED)); exit; fi; \
	done; $(PYTHON) benchmarks/interpreter.py

$(OPTIMIZED)/installed: $(OPTIMIZED)/bin/python tests/requirements.lock benchmarks/requirements.lock pyproject.toml
	@echo "Installing for $$($(OPTIMIZED)/bin/python -VV), once"
	@$(OPTIMIZED)/bin/$(PIP_INSTALL) --require-hashes -r tests/requirements.lock
	@$(OPTIMIZED)/bin/$(PIP_INSTALL) --require-hashes -r benchmarks/requirements.lock
	@$(OPTIMIZED)/bin/$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/sbom: .venv/test tests/supply/requirements.lock
	@$(PIP) --require-hashes -r tests/supply/requirements.lock
	@touch $@

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" pyproject.toml --group build

lock: .venv/test
	$(LOCK) --upgrade --output-file requirements.lock
	$(LOCK) --upgrade --group test --constraint requirements.lock --output-file tests/requirements.lock
	$(LOCK) --upgrade --group bench --constraint requirements.lock --output-file benchmarks/requirements.lock
	$(LOCK) --upgrade --group sbom --constraint requirements.lock --output-file tests/supply/requirements.lock

clean:
	rm -rf .venv gateway/graphiql/dist gateway/graphiql/node_modules
