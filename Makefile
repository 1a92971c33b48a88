# Cerby Key Portal. `make` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run test nightly crashwalk check cleanruns bench format sbom lock clean
python := .venv/bin/python
needed := $(if $(DATABASE_URL)$(DATABASE_URL_FILE),requirements-postgresql.txt,requirements.txt)

unexport PYTHONDONTWRITEBYTECODE # otherwise each of many processes would compile all modules again

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 14

run: ## set up, then run the portal with a Cerby sandbox until Ctrl-C (PORT, PORTAL_DATA_DIR, DEMO_PASSWORD, DEMO_VAULTS, OIDC=1, CHAOS=1, DATABASE_URL)
	@.ci/venv $(needed) && $(if $(filter 1,$(OIDC)),{ .ci/provider || true; } &&) exec $(python) -m sandbox.launcher.run --parent $$PPID

test: ## run every test; ARGS goes to pytest
	@.ci/venv requirements-dev.txt && .ci/browser && .ci/provider && exec $(python) -m pytest $(ARGS)

nightly: ## run every test on both databases; ARGS goes to pytest
	@.ci/venv requirements-dev.txt && .ci/browser && .ci/provider && exec $(python) -m pytest --every-database $(ARGS)

crashwalk: ## kill the portal at each step of an action, under each fault; ARGS goes to python -m tests.crashwalk
	@.ci/venv requirements-dev.txt && exec $(python) -m tests.crashwalk $(ARGS)

check: ## check lint, format, types, templates, migrations and deployment settings
	@.ci/venv requirements-dev.txt && exec .ci/check

cleanruns: ## write, seal, erase and verify the audit log concurrently, 1,000 times on each database, to show that there are no false alarms (ARGS=100: 100 times)
	@.ci/venv requirements-dev.txt && exec $(python) -m tests.support.many_clean_runs $(ARGS)

bench: ## run the benchmarks; ARGS goes to them
	@.ci/venv requirements-dev.txt && exec $(python) -m benchmarks $(ARGS)

format: ## fix lint and format with ruff
	@.ci/venv requirements-dev.txt && $(python) -m ruff check --fix-only --quiet . && $(python) -m ruff format .

sbom: ## write the software bill of materials (CycloneDX) to sbom.cdx.json; ARGS=--postgresql adds its driver
	@.ci/venv requirements-dev.txt && exec $(python) .ci/sbom.py $(ARGS) sbom.cdx.json

lock: ## pin the versions that pyproject.toml allows in requirements*.txt (ARGS=--upgrade upgrades all)
	@.ci/lock $(ARGS)

clean: ## remove .venv and caches; the data in ./var stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache && find . -name __pycache__ -type d -prune -exec rm -rf {} +
