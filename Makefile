# Every target makes what it needs and does nothing twice. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help report experiments test lint clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(not (3, 11) <= v <= (3, 13))' \
	  || { echo "ucf11 needs Python 3.11 to 3.13; say which with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "no venv module: apt-get install python3-venv, or make PYTHON=another ..." >&2; exit 2; }

$(VENV)/.installed: requirements.txt requirements-dev.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -e .
	@touch $@

report: $(VENV)/.installed ## train the three models, regenerate figures/ and report/ (5 to 15 minutes on 2 cores)
	$(BIN)/python -m ucf11lib reproduce

experiments: $(VENV)/.installed ## the long experiments of report/results/; resumes (some need videos, see --help)
	$(BIN)/python -m ucf11lib experiments

test: $(VENV)/.installed ## every test, the notebooks included
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval-lax tests notebooks

lint: $(VENV)/.installed ## ruff over .py and .ipynb, stripped notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean: ## remove what was made on demand: environment, data, runs
	rm -rf $(VENV) data runs report/notebooks *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
