# Python 3.11 or newer and make are all that a machine needs.
# Everything is installed into .venv, from requirements.lock, every file checked by its hash.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow torture lint screenshots bench audit sbom lock clean

help:   ## List these targets
	@sed -n 's/^\([a-z-]*\): .*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(INSTALLED)   ## Run the hourly flow on a few hours of sample events and show the result
	@$(BIN)/hourtally demo

# One process per core, at most four: each may start servers and worker processes of its own.
# A worker that has run out of tests takes some from the other, so none is idle at the end.
PYTEST := $(BIN)/pytest --dist worksteal
# Some slow tests wait for a scheduler most of their time: one more process makes use of it.
SLOW_PROCESSES = $$($(BIN)/python -c 'import os; print(min(os.cpu_count(), 4) + 1)')

# For part of either: make test OPTIONS="tests/cli -k help".
test: $(INSTALLED)   ## Run the tests, except the slow ones (5 minutes on two cores)
	@$(PYTEST) --numprocesses logical --maxprocesses 4 $(OPTIONS)

test-slow: $(INSTALLED)   ## Run the slow tests: Prefect servers, Dask, kills, all examples
	@ALL_EXAMPLES=1 $(PYTEST) --numprocesses $(SLOW_PROCESSES) -m "slow or examples" $(OPTIONS)

# For part of them: make torture OPTIONS="-k kill".
torture: $(INSTALLED)   ## Run the fault and hostile-input tests at full length (an hour)
	@$(BIN)/pytest tests/torture --long -m "not bench" -v $(OPTIONS)

lint: $(INSTALLED)   ## Check formatting, lint rules, types and imports between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

screenshots: $(INSTALLED)   ## Write a screenshot of each page to build/screenshots (needs chromium)
	@$(BIN)/python -m tests.browser.screenshots

# make bench OPTIONS="--scale 0.05 --runs 1" is a short one; OPTIONS=--help has all of them.
bench: $(INSTALLED)   ## Measure beside yardsticks and write docs/benchmarks.md (an hour)
	@$(BIN)/python -m tests.benches $(OPTIONS)

# It asks PyPI about every pin; where that cannot be reached, or knows one not, it fails.
audit: $(INSTALLED)   ## Look for known vulnerabilities of the locked packages
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

sbom: $(INSTALLED)   ## Write what is installed, with licences and dependencies, to dist/sbom.cdx.json
	@mkdir -p dist
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --output-file dist/sbom.cdx.json $(BIN)/python
	@echo "dist/sbom.cdx.json: $$(grep -c '"bom-ref"' dist/sbom.cdx.json) components, CycloneDX 1.6"

# Run it after a change of dependencies in pyproject.toml. The two --no-emit and --no-header
# keep addresses of package indexes out of the file. To the pip that Python 3.11 brings a pin
# counts for the very name it is on, so what is wanted with extras ("sqlalchemy[asyncio]") is
# pinned with them and without.
lock: $(INSTALLED)   ## Resolve requirements.lock anew
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --output-file $(VENV)/lock \
	    --universal --python-version 3.11 --generate-hashes --no-strip-extras --upgrade \
	    --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links
	@awk 'function flush() { \
	        plain = pin; if (sub(/^[^ =]*\[[^]]*\]/, name, plain)) printf "%s", plain; \
	        printf "%s", pin; pin = "" } \
	    /^[^ ]/ { flush(); name = $$0; sub(/[\[=].*/, "", name) } \
	    { pin = pin $$0 "\n" } \
	    END { flush() }' $(VENV)/lock > requirements.lock

clean:   ## Remove .venv, caches and the demo; a home with data of yours stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks build dist
	rm -rf data/demo
	find src flows tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is made last: a broken installation is begun anew, a whole one costs nothing. Our own
# modules are compiled as pip compiles all others: where Python is told to write no bytecode,
# each command would compile them again, for 60 ms.
$(INSTALLED): requirements.lock pyproject.toml
	@set -e; \
	for python in python3.11 python3 python3.12 python3.13 python3.14 none; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then break; fi; \
	done; \
	if [ $$python = none ]; then echo "Python 3.11 or newer was not found" >&2; exit 1; fi; \
	echo "Installing into $(VENV) with $$($$python --version), once; it takes a minute or more" >&2; \
	$$python -m venv --clear $(VENV); \
	$(BIN)/python -m pip install -qq --disable-pip-version-check \
	    --require-hashes --requirement requirements.lock; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check \
	    --no-deps --no-build-isolation --editable .; \
	$(BIN)/python -m compileall -q src flows
	@touch $@
