# Two commands do their whole set-up on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= auto

.PHONY: demo test test-slow check train bench bench-growth simulate format docs clean

demo: $(READY)  ## A small study of the model that ships; ends with the path of a report
	$(BIN)/secateur demo --out demo-out

test: $(READY)  ## All tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-slow: $(READY)  ## Minutes, not seconds: kill and resume of real runs
	$(BIN)/python -m pytest -m slow

check: $(READY)  ## Style, types, import direction, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs

MACHINE ?= mine
bench: $(READY)  ## Speeds against other tools, three quarters of an hour: make bench BBQ=FOLDER MACHINE=NAME; keep it quiet
	$(BIN)/python benchmarks/speed.py --bbq $(BBQ) --out benchmarks/machines/$(MACHINE)/speed.json
	$(BIN)/python benchmarks/peers.py --bbq $(BBQ) --out benchmarks/machines/$(MACHINE)/peers.json
	$(BIN)/python benchmarks/analysis.py --bbq $(BBQ) --out benchmarks/machines/$(MACHINE)/analysis.json
	$(BIN)/python scripts/performance.py

bench-growth: $(READY)  ## Pruning from files to files, and how cost grows: half an hour, 29 GB of disk
	$(BIN)/python benchmarks/stream.py --folder out/stream --wanda --out benchmarks/stream.json
	$(BIN)/python benchmarks/growth.py --figure docs/performance-growth.svg --out benchmarks/growth.json
	$(BIN)/python scripts/performance.py

simulate: $(READY)  ## How often intervals, tests and verdicts are wrong: minutes
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/coverage.py --out benchmarks/coverage.json
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scores.py --out benchmarks/scores.json
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/looks.py --out benchmarks/looks.json
	$(BIN)/python scripts/error_rates.py
	$(BIN)/python scripts/verdict_docs.py

docs: $(READY)  ## Rewrite the generated parts of the docs
	$(BIN)/python scripts/cli_docs.py
	$(BIN)/python scripts/published_counts.py
	$(BIN)/python scripts/performance.py
	$(BIN)/python scripts/error_rates.py
	$(BIN)/python scripts/verdict_docs.py

train: $(READY)  ## The models that ship, from nothing; a quarter of an hour each on a quiet machine
	$(BIN)/python -m training.train --out build/planted
	$(BIN)/python -m training.train --out build/unplanted --zero
	for name in planted unplanted; do \
		$(BIN)/python -m training.evaluate build/$$name/model && \
		cp build/$$name/model/* src/secateur/models/shipped/$$name/ && \
		cp build/$$name/log.csv training/logs/$$name.csv || exit 1; \
	done
	$(BIN)/python -m training.curve training/logs/planted.csv docs/planted-model.svg

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo-out secateur-demo build *.egg-info

# torch first and pinned, so that a build for CPUs which pip can see is taken: the newest that fits could be one for CUDA.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)
