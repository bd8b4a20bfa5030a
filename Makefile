# make demo · make test · make check · make bench: each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

MEASURED := $(VENV)/.measured

.PHONY: demo test fuzz fuzz-parsers soak mutants check bench format docs stubs page screenshots \
  programs services clean

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Panal needs Python 3.11 or later; this is $$($(PYTHON) -V). Try: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@$(BIN)/python -m compileall -q src
	@touch $@

# What the tests call besides Python: installed where that is allowed.
programs:
	@sh scripts/programs.sh curl chromium pg_ctlcluster:postgresql mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs

demo: $(STAMP)
	@sh scripts/programs.sh curl
	@$(BIN)/python scripts/demo.py

test: $(STAMP) programs
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
	  --max-worker-restart 0

# The live peer against its own document, others each time; N=1000 asks more of each operation.
fuzz: $(STAMP)
	PANAL_EXAMPLES=$(or $(N),200) $(BIN)/python -m pytest tests/web/test_against_document.py

# Every parser of what others send, for MINUTES in all; what breaks one is kept in its corpus.
fuzz-parsers: $(STAMP)
	$(BIN)/python -m soaks.fuzz --minutes $(or $(MINUTES),20)

# What tries to break Panal at length, best as root; SOAK=kills chooses one.
soak: $(STAMP)
	@sh scripts/programs.sh mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs
	@for soak in $(or $(SOAK),kills disk_errors fill power swarm_kills fuzz); do \
	  echo "== $$soak"; $(BIN)/python -m soaks.$$soak || exit 1; done

# What docs/OPERATING.md says of services, in a Debian that is booted in a container; as root.
services:
	@sh scripts/services.sh

# Guards broken on purpose, one at a time, and which of these mutants no test notices; docs/MUTANTS.md
# explains those. It takes long and goes on where Ctrl-C stopped it; M='panal.wire.names*' chooses, and begins anew.
mutants: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mutants]'
	$(BIN)/mutmut run $(M)
	$(BIN)/mutmut results

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/gen_stubs.py --check
	$(BIN)/python scripts/gen_docs.py --check
	$(BIN)/python scripts/build_page.py --check
	$(BIN)/python scripts/check_docs.py

$(MEASURED): $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

# Every figure beside other programs, best as root; BENCH='--only sym8' chooses rows.
bench: $(MEASURED)
	@sh scripts/programs.sh curl nginx:nginx-light aria2c:aria2 rsync nc:netcat-openbsd openssl ip:iproute2
	@$(BIN)/python -m benchmarks $(BENCH)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/python scripts/gen_docs.py

stubs: $(STAMP)
	$(BIN)/python scripts/gen_stubs.py

# The peer's own page, from page/ into the package; needs Node.
page: $(STAMP)
	$(BIN)/python scripts/build_page.py

# Pictures of the page's views, into docs/pictures; needs chromium.
screenshots: $(STAMP)
	@sh scripts/programs.sh chromium
	@$(BIN)/python scripts/screenshots.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache demo-files page/node_modules mutants
