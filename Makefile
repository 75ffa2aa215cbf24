# Everything here runs from a clean clone with nothing but Python 3.11+, git and make:
# each target first installs what it needs, and only that, into .venv.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
# The tests start hundreds of processes: what one has compiled, the others use.
CACHED := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/$(VENV)/bytecode
# Prose and code that docs/words.txt is checked against.
WORDED := gitops_lab kubesim labs docs notebooks bench tests README.md CONTRIBUTING.md CHANGELOG.md
say = @printf '\033[1m==> %s\033[0m\n'

.PHONY: help setup demo picture test lint format bench fuzz labs notebooks notebooks-check docs docs-serve lock clean
.DELETE_ON_ERROR:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/run.stamp $(VENV)/test.stamp $(VENV)/lint.stamp ## Install all that work on the code needs
	$(say) "Ready: $(BIN)/gitops-lab"

demo: $(VENV)/run.stamp ## Tell one story to two clusters, one pushed and one pulled
	@$(BIN)/gitops-lab demo $(ARGS)

test: $(VENV)/test.stamp ## Run the tests
	$(say) "Testing"
	@$(CACHED) $(BIN)/python -m pytest -q -n auto --dist worksteal $(ARGS)

lint: $(VENV)/lint.stamp ## Check style, format, types, imports and words
	$(say) "Checking style"
	@$(BIN)/ruff check
	$(say) "Checking format"
	@$(BIN)/ruff format --check
	$(say) "Checking types"
	@$(BIN)/mypy
	$(say) "Checking imports"
	@$(BIN)/lint-imports
	$(say) "Checking words"
	@$(BIN)/codespell -D docs/words.txt --skip docs/words.txt,'*.lock' $(WORDED)

format: $(VENV)/lint.stamp ## Correct style and format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

picture: $(VENV)/run.stamp ## Draw the picture in the README again
	@folder=$$(mktemp -d) && $(BIN)/gitops-lab demo --output "$$folder" && \
	  cp "$$folder/timeline.png" docs/timeline.png && rm -rf "$$folder"

bench: $(VENV)/run.stamp ## Measure speed and write docs/benchmarks.md; ARGS=--quick measures and writes nothing
	$(say) "Measuring"
	@$(BIN)/python -m bench $(ARGS)

fuzz: $(VENV)/fuzz.stamp ## Send odd requests and patches for ten minutes, with fixed seeds; ARGS='--seconds 60 --seeds 7'
	$(say) "Fuzzing"
	@$(BIN)/python -W ignore -m tests.fuzz $(ARGS)

labs: $(VENV)/run.stamp ## Try every lab: starts, solutions, alternatives, ways round; ARGS=labs/05-drift
	$(say) "Trying the labs"
	@$(BIN)/gitops-lab lab verify $(ARGS)

notebooks: $(VENV)/notebooks.stamp ## Open the notebooks in JupyterLab
	$(say) "Opening JupyterLab"
	@$(BIN)/python -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

notebooks-check: $(VENV)/notebooks.stamp ## Run each notebook twice and compare what it shows
	$(say) "Running the notebooks"
	@$(BIN)/python -m docs.notebooks

docs: $(VENV)/docs.stamp ## Build the documentation into site/
	$(say) "Building the documentation"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(say) "Open site/index.html"

docs-serve: $(VENV)/docs.stamp ## Serve the documentation while you write it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

clean: ## Remove .venv and everything that was built
	rm -rf $(VENV) site gitops-lab-demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- Set-up ----------------------------------------------------------------------------------------

# Any Python 3.11 or later will do, whatever it is called.
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
NEEDED := import sys; sys.exit(sys.version_info < (3, 11))

$(VENV)/created.stamp:
	@for python in $(PYTHON) $(PYTHONS); do \
	  "$$python" -c '$(NEEDED)' 2>/dev/null && break || python=; \
	done; \
	if [ -z "$$python" ]; then \
	  echo 'gitops-lab needs Python 3.11 or later, and found none. Install it, or say where it is:' \
	       'make PYTHON=/path/to/python3.12 demo' >&2; exit 1; \
	fi; \
	printf '\033[1m==> %s\033[0m\n' "Creating $(VENV) with $$("$$python" --version)"; \
	rm -rf $(VENV); \
	"$$python" -m venv $(VENV) || { \
	  echo 'Python could not create a virtual environment: see docs/troubleshooting.md' >&2; exit 1; \
	}; \
	touch $@

# pip is too talkative for a beginner, but a long download must not look like a hang.
install = set -o pipefail; $(PIP) install --require-hashes --no-compile $(1) \
	| awk '/^ *Downloading .* MB\)/ { print "    " $$2, $$3, $$4; fflush() }'

$(VENV)/run.stamp: $(VENV)/created.stamp requirements/build.txt requirements/run.txt pyproject.toml
	$(say) "Installing gitops-lab and what it runs on"
	@$(call install,-r requirements/build.txt -r requirements/run.txt)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/%.stamp: requirements/%.txt $(VENV)/run.stamp
	$(say) "Installing what '$*' needs"
	@$(call install,-r $<)
	@touch $@

# Types are checked in the tests, the notebooks' and the docs' code as well.
$(VENV)/lint.stamp: $(VENV)/test.stamp

# -- Locks -----------------------------------------------------------------------------------------

LOCK := $(BIN)/uv --no-config pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links
GROUPS := build test lint fuzz notebooks docs lock

lock: $(VENV)/lock.stamp ## Pin the newest versions of everything, with hashes, in requirements/
	$(say) "Resolving"
	@$(LOCK) pyproject.toml --group all --output-file $(VENV)/all.txt
	@$(LOCK) pyproject.toml --constraints $(VENV)/all.txt --output-file requirements/run.txt
	@for group in $(GROUPS); do \
	  $(LOCK) --group $$group --constraints $(VENV)/all.txt \
	    --output-file requirements/$$group.txt || exit 1; \
	done
