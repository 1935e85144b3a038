# make demo   install, make the default data, train, evaluate, log
# make test   style, types and tests
# make audit  known vulnerabilities of the pinned dependencies
# make sbom   bill of materials (CycloneDX) of what is installed
# make wheel  what is installed without a checkout, into dist
# make docs   the documentation as a site, in build/docs
# make containers   build the Dockerfile's images by buildah, as root, and try them; 20 GB in build/containers
# make benchmarks   measure speed and size, into docs/speed.md; half an hour of a quiet machine
VENV ?= .venv
PYTHON ?= python3
RUN := $(VENV)/bin
# Apart from what they look at, so that it holds nothing but our dependencies.
AUDIT := $(VENV)-audit
# Apart as well: the site is built without PyTorch and MLflow.
DOCS := $(VENV)-docs

.PHONY: demo test check format docs audit sbom benchmarks wheel containers
.DEFAULT_GOAL := test

$(VENV)/installed: setup.cfg constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "FrugalCXR needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# The developers' tools, which running does without.
$(VENV)/developing: $(VENV)/installed
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/installed
	$(RUN)/frugal train nodule_detection

check: $(VENV)/developing
	$(RUN)/ruff format --check
	$(RUN)/ruff check
	$(RUN)/mypy
	$(RUN)/yamllint --strict bundles compose.yaml

test: check
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n 2 --dist loadscope --max-worker-restart=0

format: $(VENV)/developing
	$(RUN)/ruff check --fix-only
	$(RUN)/ruff format

benchmarks: $(VENV)/developing
	$(RUN)/python -m benchmarks --write docs/speed.md

$(DOCS)/installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --constraint constraints.txt $$(sed -n '/^docs =/,/^[a-z]/s/^    //p' setup.cfg)
	touch $@

# Strict: a link that leads nowhere is an error.
docs: $(DOCS)/installed
	$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -c docs -b html . build/docs
	@echo "build/docs/index.html"

$(AUDIT)/installed: Makefile
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet pip-audit==2.10.1 cyclonedx-bom==7.5.0
	touch $@

# Strict: a dependency that the index knows nothing of is no pass.
audit: $(AUDIT)/installed
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

wheel: $(VENV)/installed
	$(RUN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

containers: tests/containers.sh Dockerfile
	$< build/containers

sbom: $(AUDIT)/installed $(VENV)/installed
	$(AUDIT)/bin/cyclonedx-py environment $(RUN)/python --output-file sbom.cdx.json
