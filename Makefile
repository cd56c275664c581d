# `make repro` runs the main job, `make test` every quick check, `make proof` the long ones as well, `make bench` measures
# speed as ratios in one run, `make docs` builds the site of docs/ into site/. Each sets up .venv.

PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: repro test proof bench docs
.DELETE_ON_ERROR:

repro: .venv/.ok
	dvc repro
	@echo && cat data/verdict.md

test: .venv/.ok
	ruff check .
	ruff format --check .
	mypy
	pytest -n 2

proof: test
	pytest -m proof -n 2 --dist=load

bench: .venv/.ok
	for name in store engine memory audit simulator deeplense presets recipe backbones loading loop contrasts verdict report; do python -m benchmarks.$$name || exit 1; done
	for name in radial stretch light ridge einstein fourier polar; do OMP_NUM_THREADS=1 python -m benchmarks.features.$$name || exit 1; done

# From the root: mkdocs.yml names a module of docs/. With --quiet, --strict would see no warning. What
# pages say of the studies' results is brought up to date first.
docs: .venv/.ok
	python -m studies.pages
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict
	@echo site/index.html

# The stamp is written last: an interrupted set-up is begun anew. Where the Python at hand already drives a GPU with its
# own torch, that torch is kept; elsewhere the lock file's is installed from whatever index pip is configured to use.
.venv/.ok: pyproject.toml constraints.txt
	rm -rf .venv
	if $(PYTHON) -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then \
	  $(PYTHON) -m venv --system-site-packages .venv && grep -vE '^(torch|torchvision|triton|cuda|nvidia)[-=]' constraints.txt > .venv/pins.txt; \
	else $(PYTHON) -m venv .venv && cp constraints.txt .venv/pins.txt; fi
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c .venv/pins.txt -e '.[dev]'
	touch $@
