# Everything a newcomer needs: `make run` starts the service with a synthetic cohort, `make test` proves it.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
SERVE_STAMP := $(VENV)/.train.stamp
DEV_STAMP := $(VENV)/.dev.stamp
BENCH_STAMP := $(VENV)/.bench.stamp
PORT ?= 8000
TEST_JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: $(shell grep -ohE '^[a-z-]+:' Makefile | tr -d ':')

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(DEV_STAMP) ## Make the environment with everything for development

run: $(SERVE_STAMP) ## Start the service with a synthetic cohort on http://localhost:8000
	$(BIN)/iit demo --port $(PORT)

test: $(DEV_STAMP) ## Run all ordinary tests
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile

test-contract: $(DEV_STAMP) ## Send thousands of generated requests to every route
	IIT_CONTRACT_CASES=150 $(BIN)/python -m pytest -n $(TEST_JOBS) tests/journeys/test_contract.py

fuzz: $(DEV_STAMP) ## Try a million spoilt HL7 messages and as many FHIR bodies
	FUZZ_INPUTS=1000000 $(BIN)/python -m pytest -n 0 tests/unit/ingest/test_hl7_fuzz.py tests/unit/ingest/test_fhir_fuzz.py

test-inbox: $(DEV_STAMP) ## Kill listener and workers 1,000 times and PostgreSQL 100 times under load
	INBOX_KILLS=1000 POSTGRES_KILLS=100 $(BIN)/python -m pytest -n 0 tests/integration/test_inbox_kills.py

test-recovery: $(DEV_STAMP) ## Run the long proofs of backup and recovery
	$(BIN)/python -m pytest -n0 -m recovery tests/integration/ops

test-alerts: $(DEV_STAMP) ## Try rules, routes and dashboards with Prometheus' own programs (apt: prometheus, prometheus-alertmanager)
	@for p in promtool amtool prometheus; do command -v $$p >/dev/null || { echo "$$p is missing: apt-get install prometheus prometheus-alertmanager" >&2; exit 1; }; done
	$(BIN)/python -m pytest -n 0 tests/unit/test_alert_rules.py tests/unit/test_dashboards.py tests/unit/deploy/test_alert_routes.py tests/journeys/test_metrics.py

test-deploy: $(DEV_STAMP) ## Build and run the image, units under systemd, pgbouncer, nginx, pgBackRest; as root, with Debian's packages
	$(BIN)/python -m pytest -n0 -s -m deploy tests/deploy

test-guards: $(DEV_STAMP) ## Take each guard of the model away and see a test fail
	$(BIN)/python -m pytest -n $(TEST_JOBS) -m guards tests/guards

test-faults: $(DEV_STAMP) ## Let each fault last a minute under load; writes docs/reliability.md
	FAULT_SECONDS=60 FAULT_RATE=50 FAULT_TABLE=docs/reliability.md $(BIN)/python -m pytest -n0 tests/faults/test_fault_matrix.py

check: $(DEV_STAMP) ## Check format, lint, types, architecture and generated documents; runs all, then counts
	@bash scripts/check.sh

fix: $(DEV_STAMP) ## Format and mend what can be mended by itself
	$(BIN)/ruff format src tests scripts benchmarks
	$(BIN)/ruff check --fix src tests scripts benchmarks

docs: $(DEV_STAMP) ## Write the generated pages of docs/reference
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/write_dashboards.py

bench: $(DEV_STAMP) ## Measure speed beside others; writes benchmarks/README.md
	$(BIN)/python -m benchmarks.contributions

bench-model: $(BENCH_STAMP) ## Judge our model beside the recipes of others; writes benchmarks/README.md
	$(BIN)/python -m benchmarks.model_quality.run

release: $(DEV_STAMP) ## Make one archive in dist/ that installs without a network
	$(BIN)/python scripts/make_release.py

lock: $(DEV_STAMP) ## Lock the newest allowed versions anew
	bash scripts/lock.sh $(BIN)/uv

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (Debian, Ubuntu: apt-get install python3)" >&2; exit 1; }
	@$(PYTHON) scripts/make_environment.py $(VENV)

$(SERVE_STAMP): requirements-train.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-train.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(DEV_STAMP): requirements-dev.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@ $(SERVE_STAMP)

$(BENCH_STAMP): requirements-bench.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-bench.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@
