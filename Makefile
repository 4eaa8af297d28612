# make book: the experiment, then the book that shows it (make clean before it starts anew). make help lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
RESULTS := $(CURDIR)/_build/results

.PHONY: help setup book html lab chapters address test test-faults test-slurm clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: .venv/.stamp  ## make .venv with the locked versions (once)

.venv/.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed: make setup PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -e .
	touch $@

BOOK := l2 wiener l2,beta=0.4

book: setup  ## train three models on the embedded data (minutes), show them in chapter 09, build the pages
	$(BIN)/blurvae run table5 --tier lesson --data natural --seed 0 $(BOOK:%=--only %) --resume --out "$(RESULTS)"
	$(BIN)/python -m blurvae.pages html --execute 09 -p tier lesson -p results "$(RESULTS)" -p methods "$(BOOK)"
	$(BIN)/blurvae table table5 --tier lesson --data natural --results "$(RESULTS)"
	@echo "The book: $(CURDIR)/_build/html/index.html"

html: setup  ## build the pages from the checkout as it is; executes nothing
	$(BIN)/python -m blurvae.pages html

CHAPTER ?= 01

lab: setup  ## open a chapter in JupyterLab: make lab CHAPTER=04
	$(BIN)/python -m blurvae.pages plain
	$(BIN)/jupyter lab _build/plain/$(CHAPTER)-*.ipynb

chapters: setup  ## re-execute every chapter and store its outputs in the checkout
	$(BIN)/python -m blurvae.pages update

address: setup  ## write the repository's address from _config.yml into the files that say how to cite the book
	$(BIN)/python -m blurvae.pages address

test: setup  ## lint, types, unit tests, doctests, notebooks, smoke runs, pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --doctest-modules \
		--nbval --nbval-current-env --nbval-sanitize-with tests/nbval-sanitize.cfg tests blurvae notebooks

test-faults: setup  ## kill -9, full disks, read-only folders, two processes at one run (minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -s tests/faults

test-slurm: setup  ## the smoke grid on a one-node SLURM, one job killed on the way (root, minutes)
	$(BIN)/python tests/slurm/run.py

clean:  ## remove everything that was built, .venv excepted
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find blurvae tests book -name __pycache__ -prune -exec rm -rf {} +
