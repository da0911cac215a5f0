# make book builds the site, make test passes the tests; each makes .venv first if it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE_STAMP := _build/html/.built
CHAPTERS := $(addsuffix .ipynb,$(shell sed -n "s/.*file: *\(chapters\/[a-z_]*\).*/\1/p" _toc.yml))
PORT ?= 8000

# The real images are used where they are; without them d2ltorch downloads them or uses the part that it carries.
ifneq ($(wildcard ../shared/data/FashionMNIST/raw),)
export D2LTORCH_DATA ?= $(abspath ../shared/data)
endif
# Notebooks started from any folder find the kernel and the package of .venv.
export PATH := $(abspath $(VENV))/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1

# An address is taken as it is typed: make expands nothing in it, and no shell ever reads it.
unexport URL SITE
export REPOSITORY_URL := $(value URL)
export SITE_URL := $(value SITE)

.PHONY: help book test lint format test-unit test-notebooks test-site test-colab test-lab serve chapters results bench pdf \
        zh zh-status clean publish-check set-repository linkcheck
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

# The package is used from where it stands: one line in the environment names this folder.
$(STAMP): requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The book needs Python 3.11 or later: PYTHON=/path/to/it make")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@printf '%s\n' "$(CURDIR)" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/d2ltorch-source.pth"
	@touch $@

# The decks come last: they are no pages of the book, and its style sheet does not look at them.
define BUILD_SITE
@rm -f $(SITE_STAMP)
$(BIN)/python -m book.results.page
$(BIN)/python -m book.zh.make
rm -rf _build/html/slides
$(BIN)/jupyter-book build . -W -n --keep-going -q
$(BIN)/python -m book.teaching.slides --to _build/html/slides
@touch $(SITE_STAMP)
endef

book: $(STAMP)  ## build the site into _build/html, the slides included; any warning is an error
	$(BUILD_SITE)

$(SITE_STAMP): $(STAMP) _config.yml _toc.yml $(shell find book chapters d2ltorch -type f -not -name '*.pyc' 2>/dev/null)
	$(BUILD_SITE)

serve: book  ## build, then show the site on http://localhost:8000
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

test: lint test-unit test-notebooks test-site  ## lint, unit tests, chapters re-executed, site in a browser

lint: $(STAMP)  ## rules, form and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## mend what can be mended of rules and form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-unit: $(STAMP)  ## every test that needs no browser, with a floor under what the tests reach
	$(BIN)/python -m pytest tests -m "not colab and not browser and not lab" -n 2 --cov --cov-fail-under=$(if $(D2LTORCH_DATA),94,80)

# Two at a time with one thread each; cells tagged nbval-ignore-output are run, and their outputs not compared.
test-notebooks: $(STAMP)  ## every chapter in quick mode, its outputs against the stored ones
	D2LTORCH_QUICK=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest \
	    -n 2 --dist loadfile --nbval --nbval-current-env --nbval-cell-timeout 300 \
	    --nbval-sanitize-with tests/nbval_sanitize.cfg $(wildcard $(CHAPTERS) book/*.ipynb)

test-site: $(SITE_STAMP)  ## the built site in Chromium
	$(BIN)/python -m pytest tests/site -n 2 --dist worksteal -m browser

test-colab: $(STAMP)  ## each chapter alone in what Colab ships, in quick mode
	$(BIN)/python -m pytest tests -m colab

include book/teaching/class.mk

test-lab: $(STAMP) $(CLASS_STAMP)  ## LeNet in quick mode in a real JupyterLab, in Chromium
	$(BIN)/python -m pytest tests/site/test_lab.py

chapters: $(STAMP)  ## execute every chapter in full and store its outputs (hours on a CPU)
	$(BIN)/python -m book.results.execute $(ARGS)
	$(BIN)/python -m book.results.quote
	$(BIN)/python -m book.zh.make

results: $(STAMP)  ## fill the ledger of full runs (book/results/runs.jsonl)
	$(BIN)/python -m book.results.run $(ARGS)
	$(BIN)/python -m book.results.quote

bench: $(STAMP)  ## measure training speed, import time and build time, and the pages with Lighthouse
	$(BIN)/python -m tests.benchmarks.run $(ARGS)
	-$(BIN)/python -m tests.benchmarks.lighthouse

zh: $(STAMP)  ## write the Chinese notebooks and pages from their catalogues (book/zh)
	$(BIN)/python -m book.zh.make

zh-status: $(STAMP)  ## what the Chinese lacks, and what its English has changed since
	$(BIN)/python -m book.zh.check --changes

pdf: book  ## print the whole book into _build/book.pdf, its Chinese into book-zh.pdf
	$(BIN)/python book/_ext/print_pdf.py

linkcheck: $(STAMP)  ## ask every external link of the book
	$(BIN)/jupyter-book build . --builder linkcheck

publish-check: $(STAMP)  ## say what must be set before the site goes live
	@$(BIN)/python book/_ext/publish.py check

set-repository: $(STAMP)  ## point the book at your copy: make set-repository URL=https://github.com/you/yours
	@$(BIN)/python book/_ext/publish.py set

clean:  ## remove what was built; .venv stays
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache .coverage .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
