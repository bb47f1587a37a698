# Two commands on a fresh machine: `make demo` and `make test`. Both set up .venv first (Python 3.11, make, the package registries).

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?= demo
MODELS := tests/train tests/generate tests/screening
FAST := "not slow and not postgres and not alone"
BENCHMARKS := $(filter-out adaptations browser own_process obvious_page obvious_grid candidate_rows backbones eyes_%,$(basename $(notdir $(wildcard benchmarks/*.py))))

unexport PYTHONDONTWRITEBYTECODE  # tests start hundreds of processes, and each would compile the tree again

.PHONY: help setup demo demo-auto test quick quick-models soak check bench docs lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY)  ## Make .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Rounds needs Python 3.11: expected '$(PYTHON)' on the PATH. Install it, or run make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

demo: $(READY)  ## Run the loop on the simulated cohort, up to the review page in your browser
	$(BIN)/rounds demo $(DEMO)
	@echo "With a real backbone: $(BIN)/rounds demo $(DEMO)-real --backbone dinov2-small"

demo-auto: $(READY)  ## The whole loop without a person, through a proxy reader, to the study's report
	$(BIN)/rounds demo $(DEMO)-auto --auto

test: $(READY)  ## Every test (14.5 minutes on two quiet cores: 4,764 tests without a browser 8, 140 with one 6.5)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore=tests/e2e -m "not alone" -n 2 --dist worksteal
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/e2e -m e2e -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest tests/review_ui -m alone

quick: $(READY)  ## The fast tests of records, reading, imports, exports, pages and commands (2,614; 81 s on two quiet cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore=tests/e2e $(MODELS:%=--ignore=%) -m $(FAST) -n 2 --dist worksteal

quick-models: $(READY)  ## The fast tests of models: of tests/train, tests/generate and tests/screening (923; 73 s)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(MODELS) -m $(FAST) -n 2 --dist worksteal

soak: $(READY)  ## The tests that have them at the full counts that the documents state; rows for docs/soak.md
	ROUNDS_SOAK=1 $(BIN)/python -m pytest -m soak --timeout 3600

check: $(READY)  ## Lint, types, the direction of imports, and the rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.house_rules

bench: $(READY)  ## Every benchmark, one after the other
	@for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

docs: $(READY)  ## Write docs/commands.md and the table of docs/adaptation.md from the code, and the index of docs/decisions.md
	$(BIN)/python -m cli.reference
	$(BIN)/python -m tests.decisions_index

lock: $(READY)  ## Write requirements.lock from what is installed
	{ echo '# The versions that were tried together on Python 3.11, without local version suffixes. Made by `make lock`.'; \
	  $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v '^#'; } > requirements.lock.part && mv requirements.lock.part requirements.lock

clean:  ## Remove .venv and what tools left behind; projects stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
