# Every target sets up what it needs and does nothing twice. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help report site studies test coverage check lint lock licences clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))' \
	  || { echo "ucf11 needs Python 3.11 to 3.13; say which with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "no venv module: apt-get install python3-venv, or make PYTHON=another ..." >&2; exit 2; }

# Three workers for two cores: tests wait for processes, a browser, a stream in real time.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# uv takes a third of pip's time. pip remains for an index that only its own settings name.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	$(PIP_INSTALL) --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock \
	  || $(PIP_INSTALL) --require-hashes -r requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

report: $(VENV)/.installed ## train the three models, regenerate figures/ and report/ (2 cores: 6 minutes with bfloat16, 16 to 21 with AVX2 only)
	$(BIN)/python -m ucf11lib reproduce

site: $(VENV)/.installed ## pages to publish, in site/: the report and all that belongs to it
	$(BIN)/python -m ucf11lib site

studies: $(VENV)/.installed ## the studies that have no results; resumes (report/results/ has all; study NAME --force runs one again)
	$(BIN)/python -m ucf11lib study --all

test: $(VENV)/.installed ## every test, the notebooks included
	$(PYTEST) --nbval-lax tests notebooks

coverage: $(VENV)/.installed ## every test, and which share of the library's lines and branches they run
	$(PYTEST) --nbval-lax --cov --cov-report term tests notebooks

check: lint ## lint, levels and unit tests (2 cores: two minutes, five with AVX2 only)
	$(PYTEST) -m "not slow" --ignore tests/slow tests

lint: $(VENV)/.installed ## ruff over .py and .ipynb, types, levels of imports, spelling, workflows, metadata
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/actionlint
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff

licences: $(VENV)/.installed ## THIRD_PARTY.md
	{ sed '/^|/,$$d' THIRD_PARTY.md; $(BIN)/pip-licenses --format markdown --with-urls --no-version \
	  --packages $$(grep -oE '^[A-Za-z][A-Za-z0-9_.-]*' requirements.txt); } > THIRD_PARTY.new
	@mv THIRD_PARTY.new THIRD_PARTY.md

lock: | $(BIN)/python ## requirements.lock after a change of requirements*.txt (UPGRADE=--upgrade: all of it)
	$(PIP_INSTALL) $$(grep -o '^uv==[0-9.]*' requirements-dev.txt)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	  --annotation-style line --custom-compile-command 'make lock' -o requirements.lock requirements-dev.txt

clean: ## remove the environment, the site and caches; runs/ and data/ stay
	rm -rf $(VENV) site report/notebooks report/explorer.html *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
