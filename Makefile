# make repro   the pipeline, from data to reports; runs again what changed and nothing else
# make test    the tests
# make check   style and types
# make bench   speed and memory into docs/benchmarks.md, filter.md and scaling.md; hours, on an idle machine; see the page
# PYTHON=python3.12 make repro   chooses the interpreter that .venv is made with (3.11 or newer)
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

# Tests and the pipeline run the code of this folder, not an installed copy; stages call `python`.
export PYTHONPATH := $(CURDIR)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro test check bench

repro: $(STAMP)
	$(VENV)/bin/dvc repro

test: $(STAMP)
	$(VENV)/bin/python -m pytest -q

check: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Runs whose results lie in reports/bench are not made again. The GPU's ends with code 2 where there is none.
bench: $(STAMP)
	$(VENV)/bin/python -m benchmarks.engine --write
	$(VENV)/bin/python -m benchmarks.loops --write
	$(VENV)/bin/python -m benchmarks.growth --write
	$(VENV)/bin/python -m benchmarks.memory --write
	$(VENV)/bin/python -m benchmarks.filter --write
	$(VENV)/bin/python -m benchmarks.scaling --write
	$(VENV)/bin/python -m benchmarks.repro --write
	$(VENV)/bin/python -m benchmarks.gpu --write || test $$? -eq 2

# The stamp is made last, so that an installation that was cut off is begun again.
$(STAMP): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[pipeline,report,test,peers]'
	@# Tests of pages want a browser; without one they are left out, and say so.
	-command -v chromium || test "$$(id -u)" -ne 0 || { apt-get update -qq && apt-get install -y -qq chromium; }
	touch $@
