# Everything from a machine that has Python 3.11 or newer, pip and make.
#
#   make report    set up, then write the report to ./zeroloss-report/index.html
#   make test      set up, then run the tests
#
# PYTHON=python3.12                                   another interpreter
# VENV=.venv                                          another place for the environment
# TORCH_INDEX=https://download.pytorch.org/whl/cpu    torch without CUDA (PyPI's Linux wheels bring gigabytes of it)

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=

bin = $(VENV)/bin
pip_install = $(bin)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: report test lint types docs bench pins clean
.DELETE_ON_ERROR:

report: $(VENV)/installed
	$(bin)/zeroloss report

test: $(VENV)/test-tools
	$(bin)/pytest

lint: $(VENV)/lint-tools
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/lint-imports

types: $(VENV)/types-tools
	$(bin)/mypy --strict --package bounds
	$(bin)/mypy --package empirical --package reports

docs: $(VENV)/docs-tools
	$(bin)/sphinx-build --fail-on-warning docs docs/_build/html

bench: $(VENV)/test-tools $(VENV)/bench-tools
	$(bin)/pytest benchmarks
	$(bin)/python benchmarks/bench_least_eigenvalue.py
	$(bin)/python benchmarks/bench_gram.py
	$(bin)/python benchmarks/bench_store.py
	$(bin)/python benchmarks/bench_sweep.py
	$(bin)/python benchmarks/bench_peers.py
	$(bin)/python benchmarks/bench_finite_gram.py
	$(bin)/python benchmarks/bench_certify.py --quick
	$(bin)/python benchmarks/bench_trajectory.py

# Installed once: a stamp records it, and only a change of the requirements installs again.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("zeroloss needs Python 3.11 or newer, and $(PYTHON) is %d.%d: name another, make PYTHON=python3.11" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(pip_install) --upgrade pip
	$(pip_install) --build-constraint constraints.txt --editable '.[all]'
	@touch $@

$(VENV)/%-tools: $(VENV)/installed
	$(pip_install) --group $*
	@touch $@

# The pins: what the ranges of pyproject.toml resolve to today, without the local tags of a machine's own builds.
pins:
	$(PYTHON) -m venv --clear build/pins
	build/pins/bin/python -m pip install --quiet --upgrade pip
	grep '^torch==' constraints.txt > build/torch.txt
	build/pins/bin/python -m pip install --quiet --constraint build/torch.txt '.[all]' --group dev --group bench hatchling editables tox
	{ sed '/^$$/q' constraints.txt; build/pins/bin/python -m pip freeze --all --exclude zeroloss | sed 's/+.*//'; } > build/constraints.txt
	mv build/constraints.txt constraints.txt

clean:
	rm -rf $(VENV) .tox build dist docs/_build docs/api
