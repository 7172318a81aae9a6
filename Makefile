# make run    the gateway over its own local upstream, with sample data
# make test   every check; make test-slow: the longer proofs; make bench: what it costs
# make sbom   list what is shipped, with versions and licences (CycloneDX): sbom.json, and sbom-graphiql.json for the page
# make lock   resolve the dependencies anew
# make docs   write the generated pages of docs/

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check install

.PHONY: run test test-slow bench docs sbom lock clean

run: .venv/run
	@$(BIN)/python gateway/graphiql/build.py
	@exec $(BIN)/chime-gateway dev --port $(PORT)

test: .venv/test
	@{ command -v chromium && command -v redis-server; } > /dev/null || { $(INSTALL_PROGRAMS); } || true
	@command -v kubectl > /dev/null || { $(INSTALL_KUSTOMIZE); } || true
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-slow: .venv/test
	$(BIN)/pytest -m slow

bench: .venv/bench
	$(BIN)/python -m benchmarks.emulator_pages
	$(BIN)/python -m benchmarks.cursors
	$(BIN)/python -m benchmarks.lookup_calls
	$(BIN)/python -m benchmarks.rivals

docs: .venv/test
	$(BIN)/python -m tests.docs.reference_pages

# What an image holds, and no more: the same lock, less what the Dockerfile takes out again.
SHIPPED := .venv/shipped
sbom: .venv/sbom
	@$(PYTHON) -m venv --clear $(SHIPPED)
	@$(SHIPPED)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(SHIPPED)/bin/pip uninstall --quiet --yes hatchling pathspec pluggy trove-classifiers setuptools pip
	$(BIN)/cyclonedx-py environment $(SHIPPED) --pyproject pyproject.toml --output-reproducible --output-file sbom.json
	@# The page's explorer names an older React as its peer, which npm's installation overlooks and its list does not.
	cd gateway/graphiql && npm sbom --sbom-format cyclonedx --package-lock-only --legacy-peer-deps > ../../sbom-graphiql.json

# On Debian root can be spared looking for what Python and Node do not bring: venv, and a browser, Redis and kustomize
# for tests.
APT_INSTALL := [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get -qq update && apt-get -qq install --yes
INSTALL_VENV := $(APT_INSTALL) python3-venv
# RUNLEVEL: a Redis that tests start is enough; none runs on after the installation.
INSTALL_PROGRAMS := export RUNLEVEL=1; $(APT_INSTALL) chromium redis-server > /dev/null
# By itself: it has the same files as Kubernetes' own kubectl, which would be as good.
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
