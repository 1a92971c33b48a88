# Cerby Key Portal. `make` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help run test crashwalk check cleanruns bench format lock clean
python := .venv/bin/python
needed := $(if $(DATABASE_URL)$(DATABASE_URL_FILE),requirements-postgresql.txt,requirements.txt)

unexport PYTHONDONTWRITEBYTECODE # every one of many processes would compile everything anew

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 14

run: ## set up, then run the portal with a Cerby sandbox until Ctrl-C (PORT, PORTAL_DATA_DIR, DEMO_PASSWORD, DEMO_VAULTS, CHAOS=1, DATABASE_URL)
	@.ci/venv $(needed) && exec $(python) -m sandbox.launcher.run --parent $$PPID

test: ## run every test; ARGS goes to pytest
	@.ci/venv requirements-dev.txt && .ci/browser && exec $(python) -m pytest $(ARGS)

crashwalk: ## kill the portal at every step under every fault; ARGS goes to python -m tests.crashwalk
	@.ci/venv requirements-dev.txt && exec $(python) -m tests.crashwalk $(ARGS)

check: ## lint, format, types, templates, migrations, deployment
	@.ci/venv requirements-dev.txt && exec .ci/check

cleanruns: ## write, seal, erase and verify the audit log at once, 1,000 times on each database, without a false alarm (ARGS=100: 100 times)
	@.ci/venv requirements-dev.txt && exec $(python) -m tests.support.many_clean_runs $(ARGS)

bench: ## measure; ARGS goes to the benchmarks
	@.ci/venv requirements-dev.txt && exec $(python) -m benchmarks $(ARGS)

format: ## let ruff tidy the code
	@.ci/venv requirements-dev.txt && $(python) -m ruff check --fix-only --quiet . && $(python) -m ruff format .

lock: ## pin the newest allowed versions of pyproject.toml in requirements*.txt (ARGS=--upgrade renews all)
	@.ci/lock $(ARGS)

clean: ## remove .venv and caches; the data in ./var stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache && find . -name __pycache__ -type d -prune -exec rm -rf {} +
