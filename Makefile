# On a Debian machine, as root: `make demo` or `make test`; what is missing gets installed first.
# As anybody: `make check`, which needs Python with its venv module and nothing else.
# Elsewhere: install a Docker Engine and docker-registry yourself, and name a Python: `make test PYTHON=python3.12`.

PYTHON ?= /usr/bin/python3
VENV   := .venv
BIN    := $(VENV)/bin

# The demo needs an engine and registries; the tests also bring up docker-compose and PostgreSQL, and skopeo is
# what Ferryman is measured against.
# An engine from elsewhere stays: Debian's would push it out.
ENGINE        := $(if $(shell command -v dockerd),,docker.io)
DEMO_PACKAGES := python3-venv docker-registry $(ENGINE)
TEST_PACKAGES := $(DEMO_PACKAGES) apache2-utils chromium docker-compose fonts-wqy-microhei libfaketime mmdebstrap postgresql procps \
	prometheus skopeo
RACE_PACKAGES := python3-venv docker-registry skopeo
BENCH_PACKAGES := $(DEMO_PACKAGES) skopeo

# The markers are told in pyproject.toml. What takes long to collect is not even collected.
UNCOLLECTED := --ignore tests/e2e --ignore tests/web/api/test_documented_calls.py
QUICK := not (browser or engine or postgresql or registry or openssl or prometheus or root or e2e or slow)

# Python's start would answer Ctrl-C by a traceback; the demo takes it once it can stop what it has started.
HOLDING_CTRL_C := $(if $(shell env --block-signal=INT true 2>/dev/null && echo yes),env --block-signal=INT)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup check lint types test demo examples openapi messages race bench bench-smoke lock clean as-root demo-packages test-packages \
	race-packages bench-packages

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 13

setup: test-packages $(VENV)/installed ## Install what the tests need, and Ferryman into .venv

# Half as many workers again as cores: many tests wait for a moment.
check: lint types ## The fast loop, less than a minute and a half: style, types, and the tests that need no other program and no root
	$(BIN)/pytest -q --numprocesses $$(($$(nproc) * 3 / 2)) --dist worksteal --hypothesis-profile quick $(UNCOLLECTED) -m "$(QUICK)"

lint: $(VENV)/installed ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed ## Check types
	$(BIN)/mypy

# Three workers a core: the calls of the whole program mostly wait. A file's tests stay together, for some share what
# takes long to make; files with slow tests are first (tests/support/markers.py), so pytest-xdist must not sort them.
ALL_TESTS := $(BIN)/pytest --numprocesses $$(($$(nproc) * 3)) --dist loadfile --no-loadscope-reorder

# The tests fail as well if they reach too few of the program's lines and branches: see pyproject.toml.
test: as-root setup lint types ## Everything that CI checks
	@mkdir -p .cache
	$(ALL_TESTS) --cov

demo: as-root demo-packages $(VENV)/installed ## See it work: an engine and two registries of its own, real images, nothing left behind
	@$(HOLDING_CTRL_C) $(BIN)/python -m tests.demo

examples: as-root test-packages $(VENV)/installed ## Run the documents' examples again, and film the picture of README.md
	$(BIN)/python -m tests.examples

openapi: $(VENV)/installed ## Write docs/openapi.json anew, from the calls of the API
	$(BIN)/python -m tests.support.openapi

screenshots: $(VENV)/installed ## Take the pictures of the page again; needs chromium
	$(BIN)/python -m tests.examples.page_pictures

messages: $(VENV)/installed ## Take new texts of the page into the catalogue, to be translated there
	$(BIN)/python -m tests.support.messages

# More options, as in: make race RACE="--cases cold,far --rounds 5"
RACE ?=

race: race-packages $(VENV)/installed ## Race Ferryman against every other mirror on the PATH, half an hour
	$(BIN)/python -m benchmarks $(RACE)

bench-smoke: race-packages $(VENV)/installed ## A tiny race against skopeo, less than a minute: does the race still work?
	$(BIN)/python -m benchmarks --tiny --rounds 1 --only "ferryman run,ferryman sync,skopeo" --cases cold,line,indexes,large,unchanged,new $(RACE)

bench: as-root bench-packages race ## The race; then requests and their cost, the Docker Engine, the queue on one million rows, the page on as many attempts, and 2,000 items
	$(BIN)/python -m benchmarks.requests
	$(BIN)/python -m benchmarks.request_cost
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.queue
	$(BIN)/python -m benchmarks.pause
	$(BIN)/python -m benchmarks.page_queries
	$(BIN)/python -m benchmarks.pages
	$(BIN)/python -m benchmarks.big_tables

lock: $(VENV)/installed ## Take the newest versions into the lock files
	$(LOCK) pyproject.toml $(EXTRAS) --output-file requirements/run.txt
	$(LOCK) --group build --output-file requirements/build.txt
	$(LOCK) pyproject.toml $(EXTRAS) --group dev --output-file requirements/dev.txt \
		--constraint requirements/run.txt --constraint requirements/build.txt

clean: ## Remove what was built, the environment and the caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# They start a Docker Engine of their own, which only root can.
as-root:
	@[ "$$(id -u)" -eq 0 ] || { echo "make $(MAKECMDGOALS) starts a Docker Engine of its own, which needs root: run \`sudo make $(MAKECMDGOALS)\`" >&2; exit 1; }

demo-packages:
	@.ci/install-packages $(DEMO_PACKAGES)

test-packages:
	@.ci/install-packages $(TEST_PACKAGES)

race-packages:
	@.ci/install-packages $(RACE_PACKAGES)

bench-packages:
	@.ci/install-packages $(BENCH_PACKAGES)

EXTRAS := --extra notify --extra postgresql --extra sigstore
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-header --no-annotate

# The lock names exact versions and hashes, the build backend among them: nothing else is fetched.
$(VENV)/installed: requirements/dev.txt pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --retries 10 --no-deps --require-hashes \
		--requirement requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

$(BIN)/pip:
	trap '' INT; $(PYTHON) -m venv $(VENV)  # Ctrl-C ends make after it: a half-made one would stay
