# make demo | test | test-cluster | lint | docs | bench | fuzz | gpu-check | clean. Everything goes into .venv; the user's Python stays as it is.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt
SOURCES := pyproject.toml setup.py constraints.txt $(wildcard torchfx_cli/kernel/*.[ch] torchfx_cli/warm/*.c)

.PHONY: demo test test-cluster lint docs bench fuzz gpu-check clean

demo: $(VENV)/.installed
	$(RUN) benchmarks/demo.py

test: $(VENV)/.installed-test
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist worksteal --torch=without
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist worksteal --torch=with

# Workers, schedulers and clients that are killed: some ten minutes.
test-cluster: $(VENV)/.installed-test
	$(RUN) -m pytest -m cluster tests/cluster

lint: $(VENV)/.installed-test
	$(RUN) -m ruff check .
	$(RUN) -m mypy

# Dead links and references are errors. The man page, which is committed, is written anew.
docs: $(VENV)/.installed-docs
	$(RUN) docs/commandpages.py
	$(RUN) -m sphinx -q -W --keep-going -n -b html docs build/docs
	@echo build/docs/index.html

bench: $(VENV)/.installed-test
	$(RUN) benchmarks/kernel.py
	$(RUN) benchmarks/effects.py
	$(RUN) benchmarks/accuracy.py
	$(RUN) benchmarks/versus.py

fuzz: $(VENV)/.installed-test
	$(RUN) benchmarks/fuzz.py

# Runs on a bare machine with a GPU too: needs torch, numpy, scipy, soundfile, typer, rich and pyyaml, no install.
gpu-check:
	$(if $(wildcard $(RUN)),$(RUN),$(PYTHON)) benchmarks/gpu_check.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The build runs in this environment, so that setuptools too is the tested one.
$(VENV)/.installed: $(SOURCES) | $(VENV)/bin/python
	$(PIP) setuptools
	$(PIP) --no-build-isolation --config-settings editable_mode=compat --editable '.[tags]'
	touch $@

$(VENV)/.installed-test: $(SOURCES) | $(VENV)/bin/python
	$(PIP) setuptools
	$(PIP) --no-build-isolation --config-settings editable_mode=compat --editable '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(SOURCES) | $(VENV)/bin/python
	$(PIP) setuptools
	$(PIP) --no-build-isolation --config-settings editable_mode=compat --editable '.[docs]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) docs/generated build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find torchfx_cli tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
	rm -f torchfx_cli/kernel/_kernel*.so torchfx_cli/warm/client
