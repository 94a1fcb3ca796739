# make demo      set up .venv, plan a model of the zoo in 256 KB, train another in 64 KB and measure it
# make test      set up .venv, run the tests but the slow ones; what the machine lacks is skipped and named in the last line
# make test-all  run the slow ones too
# make kernels   build the library of kernels, which training then takes (needs CMake and a C compiler)
# make check     format, lint, types and all tests: what CI runs

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# onnxruntime 1.19.2 has wheels up to Python 3.12.
ORT119 := $(VENV)-ort119
TORCH := $(VENV)-torch
ORT119_PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
MODEL := mlp-784-256-256-10
DIGITS := mlp-64-128-128-10

.PHONY: demo test test-all kernels check format lint types clean

demo: $(VENV)/demo-ready
	@mkdir -p build
	$(BIN)/tinyfoa-rt zoo $(MODEL) -o build/$(MODEL).onnx
	$(BIN)/tinyfoa-rt plan --budget 256KB build/$(MODEL).onnx --chart build/plan.svg
	@echo "the chart is in build/plan.svg"
	rm -rf build/digits
	$(BIN)/tinyfoa-rt zoo $(DIGITS) -o build/$(DIGITS).onnx
	$(BIN)/tinyfoa-rt train build/$(DIGITS).onnx --data digits --budget 64KB --epochs 30 -o build/digits
	$(BIN)/tinyfoa-rt eval build/digits --data digits

test: $(VENV)/test-ready
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(VENV)/test-ready
	$(BIN)/python -m pytest -n 2

# A folder with onnxruntime's include/; tools/fetch_ort_headers.sh makes this one.
ORT_ROOT ?= build/ort-headers

kernels: $(ORT_ROOT)/include
	cmake -S targets/ort/ops -B build/ops -DORT_ROOT=$(abspath $(ORT_ROOT))
	cmake --build build/ops
	@mkdir -p tinyfoa_rt/lib
	install build/ops/libtinyfoa_ops.* tinyfoa_rt/lib/  # a new file: a process may have the old one loaded

$(ORT_ROOT)/include:
	tools/fetch_ort_headers.sh || { echo "give a folder with onnxruntime's include/ (its release archive has it):" \
		"make kernels ORT_ROOT=FOLDER"; exit 1; }

check: lint types test-all

# C and C++, of which .clang-format-ignore excepts what is generated.
C_SOURCES = $(shell find targets tests tools -name '*.[ch]' -o -name '*.[ch]pp')

lint: $(VENV)/test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)

types: $(VENV)/test-ready
	$(BIN)/mypy

format: $(VENV)/test-ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(C_SOURCES)

clean:
	rm -rf $(VENV) $(ORT119) $(TORCH) $(VENV)-openvino build dist tinyfoa_rt/lib

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.10 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo-ready: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/test-ready: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/demo-ready

# An environment of its own for tests/run/test_openvino.py, which is skipped without: this wheel takes the place of onnxruntime's.
$(VENV)-openvino/ready:
	$(PYTHON) -m venv $(VENV)-openvino
	$(VENV)-openvino/bin/python -m pip install --quiet --disable-pip-version-check 'onnxruntime-openvino==1.24.1' numpy
	@touch $@

# An environment of its own for tests/emit/test_ort_1_19.py, which is skipped without.
$(ORT119)/ready:
ifeq ($(ORT119_PYTHON),)
	@echo "there is no Python 3.10 to 3.12: tests on onnxruntime 1.19.2 are skipped"
else
	$(ORT119_PYTHON) -m venv $(ORT119)
	$(ORT119)/bin/python -m pip install --quiet --disable-pip-version-check 'onnxruntime==1.19.2' 'numpy<2'
	@touch $@
endif

# An environment of its own for tests/emit/test_autograd.py, which is skipped without.
$(TORCH)/ready:
	@test -n "$(PYTHON)" || { echo "Python 3.10 or newer is needed"; exit 1; }
	$(PYTHON) -m venv $(TORCH)
	$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0' numpy
	@touch $@
