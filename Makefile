# `make` without a target lists these targets.

.DEFAULT_GOAL := help
.PHONY: help run watch demo check test test-long release-test attack audit lint openapi picture fuzz-api clients engine engine-stop images dashboard emulator emulator-test emulator-stop

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Start dashboard and API on this machine, with everything they need
	@infra/local/run.sh

watch: ## Start the same for development: the page reloads, the server is built anew on a change
	@infra/local/run.sh watch

demo: ## Lease a few containers on a running server, to have something to look at
	@infra/local/demo.sh

check: ## Check what needs no engine: about a minute after a change, some minutes the first time
	@infra/test.sh check

test: ## Run all checks and tests, with everything they need
	@infra/test.sh

# The emulator keeps running, so it comes last: its schedule would disturb the measurements.
test-long: ## Run the long tests, one after the other: release-test, bench, soak, sam-test, policies
	@$(MAKE) --no-print-directory --keep-going --jobs=1 release-test bench soak sam-test policies

release-test: ## Check that a release build of the server survives panics
	@infra/test.sh release

attack: ## Try the attacks that SECURITY.md says are stopped, each proof of its tables
	@infra/test.sh attack

# AUDIT=--offline uses the data of an earlier run.
audit: ## Check licences, sources and known vulnerabilities of the dependencies; writes bills of materials
	@infra/audit.sh $(AUDIT)

lint: ## Run only the linters
	@infra/test.sh lint

openapi: ## Regenerate the API's description and the dashboard's types
	@infra/openapi/write.sh

picture: ## Draw the picture of the architecture; needs graphviz
	@infra/picture.sh draw

# CASES is the number of generated requests per operation.
fuzz-api: ## Fuzz a running server from its API description; CONTAINERLEASE_FUZZ_SEED repeats a run
	@eval "$$(infra/docker-host/engine.sh ensure)" && export DOCKER_HOST && \
	  infra/images/prepare.sh && infra/openapi/fuzz.sh $(CASES)

clients: ## Generate a Python and a TypeScript client from the description, and run a lease through each
	@eval "$$(infra/docker-host/engine.sh ensure)" && export DOCKER_HOST && \
	  infra/images/prepare.sh alpine && infra/openapi/clients.sh

engine: ## Find a Docker engine, or start one
	@infra/docker-host/engine.sh ensure

engine-stop: ## Stop only the Docker engine that was started here
	@infra/docker-host/engine.sh stop

images: ## Pull or build the catalogue's images
	@infra/images/prepare.sh

emulator: ## Deploy the template to an AWS emulator on this machine
	@infra/emulator/emulator.sh deploy

emulator-test: ## Test the deployment on the emulator
	@infra/emulator/emulator.sh test

emulator-stop: ## Stop the emulator
	@infra/emulator/emulator.sh stop

policies: ## Remove each permission on the emulator and check that a test fails; writes docs/policies.md
	@infra/emulator/emulator.sh policies

dashboard: ## Build the dashboard
	@infra/local/dashboard.sh

dashboard-upload: ## Build the dashboard and upload it to a deployed stack
	@infra/hosting/upload.sh

host-test: ## Test the Docker host's setup on its own engine
	@infra/docker-host/test.sh

sam-test: ## Build the functions with sam, and test each in its container
	@infra/sam/local.sh test

# BENCH holds the arguments of infra/bench, such as BENCH='burst --leases 100'.
bench: bench-binary ## Measure the reaper and the logs on a real engine; writes docs/benchmarks
	@$(BENCH_BINARY) $(or $(BENCH),all)

soak: bench-binary ## Run races, kills at every call, fuzzing, a log through cuts and kills, 10,000 leases; writes docs/benchmarks
	@CONTAINERLEASE_RACES=10000 CONTAINERLEASE_ENGINE_RACES=300 \
	  cargo test --quiet --workspace --test reaper races -- --nocapture
	@CONTAINERLEASE_CRASHES=all \
	  cargo test --quiet --workspace --test handlers crash
	@CONTAINERLEASE_FUZZ=1000 \
	  cargo test --quiet --workspace --test logs
	@$(BENCH_BINARY) log-continuity
	@$(BENCH_BINARY) soak $(SOAK)

BENCH_BINARY := $(or $(CARGO_TARGET_DIR),target)/release/containerlease-bench

bench-binary:
	@eval "$$(infra/docker-host/engine.sh ensure)" && infra/images/prepare.sh alpine
	@cargo build --quiet --release --package containerlease-bench --package containerlease-cli
