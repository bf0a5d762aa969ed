# make demo   a gateway, an agent and a sample site at once
# make test   the whole test suite
# make leak   ten thousand agents and a hundred thousand visitors come and go: what is left?
# make chaos  the fault matrix, about ten minutes; writes its table into docs/reliability.md
# make soak   half an hour of random faults and checksummed traffic; writes docs/img/soak.svg and a summary
# make fuzz   ten million inputs for whatever reads what strangers send (Linux); writes its table
#
# Works with GNU make 3.81 (macOS) and later. Everything lives in $(VENV);
# it is installed again only when the package's description changes.

PYTHON ?= python3
VENV ?= .venv
TESTS ?= tests

.PHONY: demo test leak chaos soak fuzz bench bench-compare machines clean

demo: $(VENV)/.for-use
	$(VENV)/bin/diglett demo

test: $(VENV)/.for-tests
	$(VENV)/bin/python -m twisted.trial $(TRIAL_FLAGS) $(TESTS)

leak: $(VENV)/.for-tests
	$(VENV)/bin/python -m tests.leak $(LEAK_FLAGS)

chaos: $(VENV)/.for-tests
	$(VENV)/bin/python -m tests.chaos --write docs/reliability.md $(CHAOS_FLAGS)

soak: $(VENV)/.for-tests
	$(VENV)/bin/python -m tests.soak --json soak.json --write docs $(SOAK_FLAGS)

fuzz: $(VENV)/.for-tests
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test,fuzz]'
	$(VENV)/bin/python -m tests.fuzz --write docs/reliability.md $(FUZZ_FLAGS)

bench: $(VENV)/.for-tests
	$(VENV)/bin/python -m benchmarks $(BENCH_FLAGS)

bench-compare: $(VENV)/.for-tests
	$(VENV)/bin/python -m benchmarks.compare $(BENCH_FLAGS)

# Needs graphviz (Debian: apt install graphviz).
machines: $(VENV)/.for-use
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check graphviz
	$(VENV)/bin/automat-visualize --quiet --image-type svg --image-directory docs/machines --dot-directory '' diglett

clean:
	rm -rf $(VENV) build dist diglett.egg-info _trial_temp*

$(VENV)/.for-use: $(VENV)/bin/python setup.cfg setup.py pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.for-tests: $(VENV)/bin/python setup.cfg setup.py pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/.for-use

# The newest Python is no better than the first one that is new enough.
$(VENV)/bin/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3.10; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue; \
	  echo "making $(VENV) with $$python"; \
	  "$$python" -m venv $(VENV) && exit 0; \
	  rm -rf $(VENV); \
	  echo "$$python cannot make a virtual environment (Debian, Ubuntu: apt install python3-venv)" >&2; \
	  exit 1; \
	done; \
	echo "diglett needs Python 3.10 or newer; say which with: make PYTHON=/path/to/python3" >&2; \
	exit 1
