PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

# Tests and the pipeline run the code of this folder, not an installed copy.
export PYTHONPATH := $(CURDIR)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro test check experiments clean

repro: $(STAMP) .dvc/config
	dvc repro

test: $(STAMP)
	pytest -q

check: $(STAMP)
	ruff check .
	ruff format --check .
	mypy

$(STAMP): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[pipeline,report,test]'
	touch $@
