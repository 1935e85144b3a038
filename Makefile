# make demo   install, make the default data, train, evaluate, log
# make test   style, types and tests
# make benchmarks   measure speed and size, into docs/speed.md; a quarter of an hour of a quiet machine
VENV ?= .venv
PYTHON ?= python3
RUN := $(VENV)/bin

.PHONY: demo test check format benchmarks
.DEFAULT_GOAL := test

$(VENV)/installed: setup.cfg constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FrugalCXR needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/installed
	$(RUN)/python -m monai.bundle run training --config_file bundles/nodule_detection/configs/train.yaml

check: $(VENV)/installed
	$(RUN)/ruff format --check
	$(RUN)/ruff check
	$(RUN)/mypy
	$(RUN)/yamllint --strict bundles compose.yaml

test: check
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n 2 --dist loadscope --max-worker-restart=0

format: $(VENV)/installed
	$(RUN)/ruff check --fix-only
	$(RUN)/ruff format

benchmarks: $(VENV)/installed
	$(RUN)/python -m benchmarks --write docs/speed.md
