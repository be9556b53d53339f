# make help says what there is. Everything runs in .venv, which is made when it is first needed.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready
SITE_READY := $(VENV)/ready-site
PAGE_READY := $(VENV)/ready-page
ANALYSIS_READY := $(VENV)/ready-analysis
SPARK_READY := $(VENV)/ready-spark
SYSTEMS_READY := $(VENV)/ready-systems
DOCS_READY := $(VENV)/ready-docs
UV := uv==0.13.8

DATA ?=
EXPERIMENT ?=
RUN ?=
RUNS ?=
SYSTEM ?=
PARAMS ?=
TESTS ?=
export DATA EXPERIMENT RUN SYSTEM

# What each target takes; anything else on the command line is a slip, and is said to be one.
TAKES.help :=
TAKES.run := DATA EXPERIMENT RUN PARAMS
TAKES.evaluate := DATA PARAMS
TAKES.ablations := DATA PARAMS
TAKES.systems := DATA SYSTEM PARAMS
TAKES.systems-test := TESTS
TAKES.compare := RUNS PARAMS
TAKES.test := TESTS
TAKES.long-test := TESTS
TAKES.lint :=
TAKES.bench := DATA PARAMS
TAKES.emulate := PARAMS
TAKES.page := PARAMS
TAKES.page-test := TESTS
TAKES.docs :=
TAKES.docs-serve := PARAMS
TAKES.docs-test := TESTS
TAKES.site := PARAMS
TAKES.site-serve := PARAMS
TAKES.site-test := TESTS
TAKES.tables := DATA PARAMS
TAKES.tables-test := TESTS
TAKES.spark := DATA PARAMS
TAKES.spark-test := TESTS
TAKES.publish := RUN PARAMS
TAKES.results := RUNS
TAKES.lock := PARAMS
TAKES.clean :=
TARGETS := help run evaluate ablations compare test long-test lint bench emulate page page-test site site-serve site-test tables tables-test publish results lock clean spark spark-test systems systems-test docs docs-serve docs-test
.PHONY: $(TARGETS)

GOALS := $(or $(MAKECMDGOALS),help)
STRAY := $(filter-out $(TARGETS) $(READY) $(SITE_READY) $(PAGE_READY) $(ANALYSIS_READY) $(SPARK_READY) $(SYSTEMS_READY) $(DOCS_READY),$(GOALS))
ifneq ($(STRAY),)
$(error $(firstword $(STRAY)): expected one of $(TARGETS))
endif
GIVEN := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $v)),$v))
TAKEN := $(sort $(foreach goal,$(GOALS),$(TAKES.$(goal))))
SLIP := $(firstword $(filter-out $(TAKEN) PYTHON,$(GIVEN)))
ifneq ($(SLIP),)
$(error make $(GOALS) takes $(or $(TAKEN),no variables), not $(SLIP)$(if $(filter PARAMS,$(TAKEN)),; \
    a parameter is given like this: PARAMS="$(shell tr A-Z a-z <<< '$(SLIP)')=$($(SLIP))"))
endif

help:
	@echo 'make run                          all notebooks, on speech that the project speaks itself'
	@echo 'make run DATA=/path/to/corpora    the same on real recordings, published or your own'
	@echo '    PARAMS="epochs=5 seed=1"      any parameter of any notebook'
	@echo '    EXPERIMENT=published          the parameters in notebooks/experiments/published.yaml'
	@echo '    RUN=name                      into runs/name (default: demo, real or the experiment)'
	@echo 'make evaluate DATA=…              five folds of speakers never heard, rooms, microphones, streams'
	@echo '    PARAMS="noise_dir=…"          with recorded noise'
	@echo 'make ablations DATA=…             what each choice is worth'
	@echo 'make systems DATA=…               the field'"'"'s other systems, on these recordings and folds'
	@echo '    SYSTEM=conv162                one of them alone; SYSTEM=compare: what was trained, side by side'
	@echo 'make systems-test                 their exports, tested'
	@echo 'make compare RUNS="one other"     runs side by side, and whether they differ by more than chance'
	@echo 'make test                         linter, unit tests, all notebooks on synthetic speech'
	@echo '    TESTS="tests/data -k demo"    some of them'
	@echo 'make long-test                    what takes minutes more: a day of the board on a desk, and the'
	@echo '                                  whole way from recordings of your own to a sketch'
	@echo 'make lint                         the linter, and what the package keeps to, alone'
	@echo 'make bench DATA=/path/to/corpora  feature extraction against the straightforward loop'
	@echo 'make emulate                      the firmware on an emulated Cortex-M4F, bit for bit'
	@echo 'make docs                         guides, notebooks and reference, in build/docs/html'
	@echo 'make docs-serve                   the same, shown on this computer'
	@echo 'make docs-test                    the same, tested: links, looks; and beside the page'
	@echo 'make site                         the firmware as a web page, in site/dist'
	@echo '    PARAMS="--docs build/docs/html"   the docs beside it, after make docs'
	@echo 'make site-serve                   the same, shown on this computer'
	@echo 'make site-test                    the same, tested in node and in Chromium'
	@echo 'make page                         a web page for recordings, served by this computer'
	@echo 'make page-test                    the same, tested in Chromium'
	@echo 'make tables DATA=/path/to/corpora a row a clip for analysts: CSV, Parquet, pictures'
	@echo 'make tables-test                  the same, tested; with its R script, where R is'
	@echo 'make spark DATA=/path/to/corpora  features on Apache Spark: bits, time, memory, killed workers'
	@echo 'make spark-test                   the same in small; both need Java 17'
	@echo 'make publish RUN=release          put a run'"'"'s model, figures, C++ and notebooks in place'
	@echo '    PARAMS=--research             only notebooks 07 and later, which follow 01: the model stays'
	@echo 'make publish PARAMS=--first-steps execute notebook 00, which belongs to no run'
	@echo 'make results                      the tables and picture of README and docs, from runs'
	@echo 'make lock                         requirements.lock from pyproject.toml'
	@echo '    PARAMS=--upgrade              with the newest versions'
	@echo 'make clean                        remove .venv, caches, the spoken corpus and its run'

$(READY): requirements.txt requirements.lock pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): expected Python 3.11, 3.12 or 3.13;" \
	         "another one is chosen like this: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments;" \
	         "on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV), once: about 3 GB, some minutes"
	@[ -x $(PY) ] && $(PY) -c '' 2> /dev/null || $(PYTHON) -m venv --clear $(VENV)
	@quiet=-q; [ ! -t 1 ] || quiet=; \
	    $(PY) -m pip --disable-pip-version-check install $$quiet -r requirements.txt -c requirements.lock
	@touch $@

run: $(READY)
	@$(PY) -m ser_tinyml run --data "$$DATA" --experiment "$$EXPERIMENT" --run "$$RUN" $(PARAMS)

evaluate ablations: $(READY)
	@[ -n "$$DATA" ] || { echo 'make $@ DATA=/path/to/corpora' >&2; exit 1; }
	@$(PY) -m ser_tinyml $@ --data "$$DATA" $(PARAMS)

# What no run needs: what turns nets and models into the forms that these systems ran in.
$(SYSTEMS_READY): $(READY) pyproject.toml requirements.lock
	@$(PY) -m pip --disable-pip-version-check install -q -e '.[systems]' -c requirements.lock
	@touch $@

systems: $(SYSTEMS_READY)
	@[ -n "$$DATA" ] || { echo 'make systems DATA=/path/to/corpora' >&2; exit 1; }
	@$(PY) -m ser_tinyml systems --data "$$DATA" --system "$$SYSTEM" $(PARAMS)

systems-test: $(SYSTEMS_READY)
	@$(PY) -m pytest -n 2 --dist loadfile -m systems $(or $(TESTS),tests/systems)

compare: $(READY)
	@[ -n "$(RUNS)" ] || { echo 'make compare RUNS="release mine"' >&2; exit 1; }
	@$(PY) -m ser_tinyml compare $(RUNS) $(PARAMS)

# Two files of tests at a time: more would want more memory than a small machine has. The whole of
# a file goes to one of them, which makes what its tests share once. The linter has read the house.
test: lint
	@$(PY) -m pytest -n 2 --dist loadfile $(or $(TESTS),--ignore tests/test_house.py)

long-test: $(READY)
	@$(PY) -m pytest -n 2 --dist loadfile -m long $(or $(TESTS),tests/device tests/workflow)

lint: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m pytest -q tests/test_house.py

bench: $(READY)
	@[ -n "$$DATA" ] || { echo 'make bench DATA=/path/to/corpora' >&2; exit 1; }
	@$(PY) -m ser_tinyml bench --data "$$DATA" $(PARAMS)

emulate: $(READY)
	@$(PY) -m ser_tinyml emulate $(PARAMS)

# What no run needs: a compiler for browsers, a WebAssembly runtime, and a driver of browsers.
$(SITE_READY): $(READY) pyproject.toml requirements.lock
	@$(PY) -m pip --disable-pip-version-check install -q -e '.[site]' -c requirements.lock
	@touch $@

site: $(SITE_READY)
	@$(PY) -m ser_tinyml site $(PARAMS)

site-serve: $(SITE_READY)
	@$(PY) -m ser_tinyml site --serve $(PARAMS)

site-test: $(SITE_READY)
	@$(PY) -m pytest -m site $(or $(TESTS),tests/site)

$(DOCS_READY): $(READY) pyproject.toml requirements.lock
	@$(PY) -m pip --disable-pip-version-check install -q -e '.[docs]' -c requirements.lock
	@touch $@

docs: $(DOCS_READY)
	@$(PY) -m docs.build

docs-serve: $(DOCS_READY)
	@$(PY) -m docs.build --serve $(PARAMS)

docs-test: $(SITE_READY) $(DOCS_READY)
	@$(PY) -m pytest -m docs $(or $(TESTS),tests/docs)

$(PAGE_READY): $(READY) pyproject.toml requirements.lock
	@$(PY) -m pip --disable-pip-version-check install -q -e '.[page]' -c requirements.lock
	@touch $@

page: $(PAGE_READY)
	@$(PY) -m ser_tinyml page $(PARAMS)

page-test: $(SITE_READY) $(PAGE_READY)
	@$(PY) -m pytest -m page $(or $(TESTS),tests/page)

$(ANALYSIS_READY): $(READY) pyproject.toml requirements.lock
	@$(PY) -m pip --disable-pip-version-check install -q -e '.[analysis]' -c requirements.lock
	@touch $@

tables: $(ANALYSIS_READY)
	@[ -n "$$DATA" ] || { echo 'make $@ DATA=/path/to/corpora' >&2; exit 1; }
	@$(PY) -m ser_tinyml tables --data "$$DATA" $(PARAMS)

tables-test: $(ANALYSIS_READY)
	@$(PY) -m pytest -m analysis $(or $(TESTS),tests/analysis)

# PySpark, with Spark itself.
$(SPARK_READY): $(READY) pyproject.toml requirements.lock
	@$(PY) -m pip --disable-pip-version-check install -q -e '.[spark]' -c requirements.lock
	@touch $@

spark: $(SPARK_READY)
	@[ -n "$$DATA" ] || { echo 'make spark DATA=/path/to/corpora' >&2; exit 1; }
	@$(PY) -m ser_tinyml spark --check --data "$$DATA" $(PARAMS)

spark-test: $(SPARK_READY)
	@$(PY) -m pytest -m spark $(or $(TESTS),tests/spark)

publish: $(READY)
	@[ -n "$$RUN$(PARAMS)" ] || { echo 'make publish RUN=release' >&2; exit 1; }
	@$(PY) -m ser_tinyml publish $${RUN:+"$$RUN"} $(PARAMS)

results: $(READY)
	@$(PY) -m ser_tinyml results $(RUNS)

lock: $(READY)
	@$(PY) -m pip --disable-pip-version-check install -q $(UV)
	@$(PY) -m uv pip compile pyproject.toml --extra pipeline --extra teacher --extra test --extra site --extra page --extra analysis --extra spark --extra systems --extra docs \
	    --quiet --universal --python-version 3.11 --no-header --no-annotate --output-file requirements.lock $(PARAMS)

clean:
	rm -rf $(VENV) runs/demo data/demo firmware/virtual_board/build \
	    firmware/browser/build site/dist build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
