# Everything runs in .venv, which the first use makes; nothing else is needed but Python >= 3.11, make and git.

PYTHON ?= python3
BIN := .venv/bin
# Dependencies come pinned with hashes; links from elsewhere would not match them.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet --no-input

.DEFAULT_GOAL := help
.PHONY: help serve test fuzz check web schema bench bench-writes bench-events bench-cache bench-recall bench-analytics picture eval-recall load faults soak lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

serve: .venv/serve ## Serve the API on http://127.0.0.1:8000, with everything that it needs
	@$(BIN)/python web/build.py || echo "Going on without the pages for the browser."
	@exec $(BIN)/ecs serve

test: .venv/dev check ## Run every check and every test
	@$(BIN)/python web/build.py
	$(BIN)/python -m pytest

fuzz: .venv/dev ## Compare plans with graphql-core on thousands of random operations
	ECS_FUZZ=5000 $(BIN)/python -m pytest tests/schema/test_equivalence.py

check: .venv/dev ## Check format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

web: .venv/serve ## Build the pages for the browser
	$(BIN)/python web/build.py

schema: .venv/serve ## Write the served schema to schema/schema.graphql
	$(BIN)/ecs schema > schema/schema.graphql

bench: .venv/serve ## Compare with other systems (needs wrk, and Node for one of them)
	@$(BIN)/python -m deploy.bench.compare --write

bench-writes: .venv/serve ## Compare group commit with one transaction a mutation
	@$(BIN)/python -m deploy.bench.writes

bench-events: .venv/serve ## Measure how far behind a thousand subscribers are
	@$(BIN)/python -m deploy.bench.events

load: .venv/dev ## Let 10,000 agents ask and write for 5 minutes (needs Go; options in ARGS)
	@$(BIN)/python -m deploy.load.run $(ARGS)

faults: .venv/dev ## Break what there is, for 20 s each, and see whether all is well afterwards
	ECS_FAULT_SECONDS=20 $(BIN)/python -m pytest tests/reliability

soak: .venv/dev ## Ask and write for ten minutes and watch the memory (options in ARGS)
	@$(BIN)/python -m deploy.soak $(ARGS)

bench-cache: .venv/serve ## Measure how often the cache has what is asked for
	@$(BIN)/python -m deploy.bench.cache

bench-recall: .venv/serve ## Measure recall and searches in a large society
	@$(BIN)/python -m deploy.bench.recall

# `make eval-recall DIR` names the directory as a further goal, which is no goal of ours.
ifeq (eval-recall,$(firstword $(MAKECMDGOALS)))
DIR ?= $(word 2,$(MAKECMDGOALS))
$(eval $(wordlist 2,2,$(MAKECMDGOALS)):;@:)
endif
eval-recall: .venv/serve ## Measure on conversations in DIR whether recall brings the right memories
	@$(BIN)/python -m deploy.eval.recall $(DIR) $(FLAGS)

picture: .venv/dev ## Draw the answers of the README's analytics chapter
	@$(BIN)/python -m deploy.pictures.analytics

bench-analytics: .venv/serve ## Measure questions about the network, of a million relationships, too
	@$(BIN)/python -m deploy.bench.analytics

lock: ## Pin all dependencies anew
	$(PYTHON) -m venv .venv && $(PIP) uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --quiet \
		--extra embedded --group build pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --quiet \
		--extra embedded --extra embeddings --extra load --extra otel --group build --group dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--quiet --constraint requirements.txt --group build pyproject.toml -o deploy/requirements.txt

clean: ## Remove what was made here, but no data
	rm -rf .venv server/static web/node_modules *.egg-info

.venv/serve: requirements.txt pyproject.toml
	@echo "Installing dependencies into .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements.txt
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch $@

.venv/dev: requirements-dev.txt .venv/serve
	@echo "Installing what tests need into .venv"
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@
