# make demo   set up .venv, build a model of the zoo, plan its training in 256 KB
# make test   set up .venv, run all tests
# make check  format, lint, types and tests: what CI runs

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
MODEL := mlp-784-256-256-10

.PHONY: demo test check format lint types clean

demo: $(VENV)/demo-ready
	@mkdir -p build
	$(BIN)/tinyfoa-rt zoo $(MODEL) -o build/$(MODEL).onnx
	$(BIN)/tinyfoa-rt plan --budget 256KB build/$(MODEL).onnx --chart build/plan.svg
	@echo "the chart is in build/plan.svg"

test: $(VENV)/test-ready
	$(BIN)/python -m pytest -n 2

check: lint types test

lint: $(VENV)/test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/test-ready
	$(BIN)/mypy

format: $(VENV)/test-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.10 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo-ready: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/test-ready: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/demo-ready
