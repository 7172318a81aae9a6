# make run    serve the gateway over the emulator, with sample data
# make test   run all tests and checks; make test-slow: run the longer tests; make bench: run the benchmarks
# make sbom   list the shipped packages with versions and licences (CycloneDX): sbom.json, and sbom-graphiql.json of the page
# make lock   resolve the dependencies again
# make docs   write the generated pages of docs/

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check install

.PHONY: run test test-slow bench docs sbom lock clean

run: .venv/run
	@$(BIN)/python gateway/graphiql/build.py
	@PORT=$(PORT) exec $(BIN)/chime-gateway dev

test: .venv/test
	@{ command -v chromium && command -v redis-server; } > /dev/null || { $(INSTALL_PROGRAMS); } || true
	@command -v kubectl > /dev/null || { $(INSTALL_KUSTOMIZE); } || true
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-slow: .venv/test
	$(BIN)/pytest -m slow

bench: .venv/bench
	$(BIN)/python -m benchmarks.emulator_pages
	$(BIN)/python -m benchmarks.cursors
	$(BIN)/python -m benchmarks.filters
	$(BIN)/python -m benchmarks.compression
	$(BIN)/python -m benchmarks.lookup_calls
	$(BIN)/python -m benchmarks.lookup_waits
	$(BIN)/python -m benchmarks.rivals

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

# As root on Debian, install what Python and Node do not bring: venv, and for tests a browser, Redis and kustomize.
APT_INSTALL := [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get -qq update && apt-get -qq install --yes
INSTALL_VENV := $(APT_INSTALL) python3-venv
# RUNLEVEL keeps the installation from starting a Redis. Tests start their own.
INSTALL_PROGRAMS := export RUNLEVEL=1; $(APT_INSTALL) chromium redis-server > /dev/null
# Installed separately, because it has the same files as Kubernetes' own kubectl, which works as well.
INSTALL_KUSTOMIZE := $(APT_INSTALL) kubernetes-client > /dev/null

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "chime-gateway needs Python 3.11 or newer; name one with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; $(INSTALL_VENV) && $(PYTHON) -m venv .venv; } || \
		{ rm -rf .venv; echo "Install Python's venv first, on Debian: apt-get install python3-venv" >&2; exit 1; }

.venv/run: .venv/bin/python requirements.lock pyproject.toml
	@echo "Installing, once"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test: .venv/run tests/requirements.lock
	@$(PIP) --require-hashes -r tests/requirements.lock
	@touch $@

.venv/bench: .venv/test benchmarks/requirements.lock
	@$(PIP) --require-hashes -r benchmarks/requirements.lock
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
