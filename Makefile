# What there is to do here. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help run test test-long release-test attack audit lint openapi fuzz-api clients engine engine-stop images dashboard emulator emulator-test emulator-stop

help: ## List what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Bring up dashboard and API on this machine, with all they need
	@infra/local/run.sh

test: ## Run all checks and tests, with all they need
	@infra/test.sh

# The emulator, which is left running, comes last: its schedule would disturb the measurements.
test-long: ## Run all that takes long, one after the other: release-test, bench, soak, sam-test, policies
	@$(MAKE) --no-print-directory --keep-going --jobs=1 release-test bench soak sam-test policies

release-test: ## See that a release of the server outlives panics
	@infra/test.sh release

attack: ## Try what SECURITY.md says is stopped, each proof of its tables
	@infra/test.sh attack

# AUDIT=--offline uses what an earlier run has fetched.
audit: ## Check licences, sources and known vulnerabilities of the dependencies; writes bills of materials
	@infra/audit.sh $(AUDIT)

lint: ## Run the linters alone
	@infra/test.sh lint

openapi: ## Write the API's description and the dashboard's types anew
	@infra/openapi/write.sh

# CASES is how many requests of each operation are made up.
fuzz-api: ## Drive a running server from its description; CONTAINERLEASE_FUZZ_SEED repeats a run
	@eval "$$(infra/docker-host/engine.sh ensure)" && export DOCKER_HOST && \
	  infra/images/prepare.sh && infra/openapi/fuzz.sh $(CASES)

clients: ## Make a Python and a TypeScript client of its description, and drive a lease through each
	@eval "$$(infra/docker-host/engine.sh ensure)" && export DOCKER_HOST && \
	  infra/images/prepare.sh alpine && infra/openapi/clients.sh

engine: ## Find a Docker engine, or start one
	@infra/docker-host/engine.sh ensure

engine-stop: ## Stop the Docker engine that was started here, and no other
	@infra/docker-host/engine.sh stop

images: ## Pull or build the catalogue's images
	@infra/images/prepare.sh

emulator: ## Deploy the template to an AWS emulator on this machine
	@infra/emulator/emulator.sh deploy

emulator-test: ## Drive what is deployed there
	@infra/emulator/emulator.sh test

emulator-stop: ## Stop the emulator
	@infra/emulator/emulator.sh stop

policies: ## Take each permission away there and see a test fail; writes docs/policies.md
	@infra/emulator/emulator.sh policies

dashboard: ## Build the dashboard
	@infra/local/dashboard.sh

dashboard-upload: ## Build the dashboard and upload it to a deployed stack
	@infra/hosting/upload.sh

host-test: ## Try the Docker host's setup on an engine of its own
	@infra/docker-host/test.sh

sam-test: ## Build the functions with sam, and try each in its container
	@infra/sam/local.sh test

# Its arguments are those of infra/bench, such as BENCH='burst --leases 100'.
bench: bench-binary ## Measure the reaper and the logs on a real engine; writes docs/benchmarks
	@$(BENCH_BINARY) $(or $(BENCH),all)

soak: bench-binary ## Races, kills at every call, fuzzing, a log across cuts and kills, 10,000 leases; writes docs/benchmarks
	@CONTAINERLEASE_RACES=10000 CONTAINERLEASE_ENGINE_RACES=300 \
	  cargo test --quiet --workspace --test reaper races -- --nocapture
	@CONTAINERLEASE_CRASHES=all \
	  cargo test --quiet --workspace --test handlers crash
	@CONTAINERLEASE_FUZZ=1000 \
	  cargo test --quiet --workspace --test rules logs
	@$(BENCH_BINARY) log-continuity
	@$(BENCH_BINARY) soak $(SOAK)

BENCH_BINARY := $(or $(CARGO_TARGET_DIR),target)/release/containerlease-bench

bench-binary:
	@eval "$$(infra/docker-host/engine.sh ensure)" && infra/images/prepare.sh alpine
	@cargo build --quiet --release --package containerlease-bench --package containerlease-cli
