# make demo    installs what is needed and shows rnnd predicting, live
# make test    installs what is needed and runs all tests
# make check   ruff, mypy --strict, pyright
# make bench   the benchmarks, each beside a peer or a baseline
# make soak    the slow scenarios
# make docs    the documentation, into build/docs
# make pictures  the pictures in docs/pictures; wants Debian's chromium

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench soak docs pictures clean

demo: $(VENV)/.run
	@$(BIN)/rnnd demo $(DEMO)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

bench: $(VENV)/.bench
	@for program in $(or $(BENCH),$(wildcard benchmarks/*.py)); do \
	  echo "== $$program"; $(BIN)/python $$program || exit 1; done

soak: $(VENV)/.test
	$(BIN)/python -m pytest -m soak --timeout 7200

docs: $(VENV)/.docs
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W --keep-going -q docs build/docs

pictures: $(VENV)/.test
	$(BIN)/python docs/pictures.py

# Debian without the package python3-venv cannot put pip into a new environment; its own pip can.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rnnd needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || \
	  { $(PYTHON) -m venv --without-pip --clear $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "installing rnnd into $(VENV)"
	@$(INSTALL) .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[test]'
	@touch $@ $(VENV)/.run

$(VENV)/.check: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[test,check]'
	@touch $@ $(VENV)/.run $(VENV)/.test

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[docs]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml | $(VENV)/bin/python
	$(INSTALL) '.[bench]'
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info
