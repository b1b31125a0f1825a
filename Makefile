# Everything a person needs: `make demo` and `make test` work on a machine with Python 3.11+, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Tests wait as much as they work: half as many again as there are processors.
JOBS   := $(shell expr `getconf _NPROCESSORS_ONLN` \* 3 / 2)

.PHONY: demo test check bench thorough faults mutants soak real live clean

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(VENV)/.ready            ## plan and run a real job; no model, no key, no network
	$(BIN)/orch demo --yes

check: $(VENV)/.ready           ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What fails is run once more, alone: a test that waits for a busy machine passes then, and is named
# above; a defect fails again.
test: check                     ## lint, types and the tests, the dear ones in a spread
	$(BIN)/python -m pytest -q -n $(JOBS) --maxprocesses 6 --dist worksteal || \
		{ echo "once more, alone:" && $(BIN)/python -m pytest -q --last-failed --last-failed-no-failures none; }

bench: $(VENV)/.ready           ## both sides measured in turn, one table
	$(BIN)/python -m benchmarks

thorough: $(VENV)/.ready        ## every test, also those that cost much; half an hour
	ORCH_FAULTS=all $(BIN)/python -m pytest -q -n $(JOBS) --maxprocesses 6 --dist worksteal --ignore tests/faults

faults: $(VENV)/.ready          ## every boundary of the fault matrix; half an hour
	ORCH_FAULTS=all ORCH_SEEDS=2000 $(BIN)/python -m pytest -q -n $(JOBS) --maxprocesses 6 --dist worksteal tests/faults tests/stateful

mutants: $(VENV)/.ready         ## seeded bugs, each caught by the tests that guard it; minutes
	$(BIN)/python -m tests.mutants

soak: $(VENV)/.ready            ## walks over the policy, many of them; an hour or more
	ORCH_SEEDS=50000 $(BIN)/python -m pytest -q -s tests/stateful

real: $(VENV)/.ready            ## well-known projects from the package registry
	$(BIN)/python -m benchmarks.real

live: $(VENV)/.ready            ## a real model at the Fibonacci example: ORCH_MODEL=ollama:NAME make live
	$(BIN)/python examples/live.py

clean:
	rm -rf $(VENV) build dist *.egg-info
