SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -X main.version=$(VERSION)
FUZZTIME ?= 10s
BENCH ?= .
REPO ?= examples/access-repo
export REQUIRE_SERVERS

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Check Go and git, install the servers that tests start
	@scripts/setup

.PHONY: build
build: ## Build bin/reconciler
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/reconciler ./cmd/reconciler

.PHONY: demo
demo: ## Show the whole way of a grant on this machine; ARGS="--once" ends by itself
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@bin/reconciler demo $(ARGS)

.PHONY: test
test: setup ## Run all tests; REQUIRE_SERVERS=1 allows none to be left out
	@go vet ./...
	@scripts/test

.PHONY: test-forges
test-forges: setup ## Build a Gitea once (six minutes) and run the tests of the forges, against it too
	@scripts/build-gitea >/dev/null
	@REQUIRE_GITEA=1 TESTFLAGS="-parallel=4 -count=1" scripts/test ./internal/forge/... ./internal/e2e/gitea/

.PHONY: test-connectors
test-connectors: ## Test every connector on its real server; print what each passed
	@scripts/test-connectors

.PHONY: lag
lag: setup ## Print how late 1,000 grants end that end in the same second (p50, p99, max)
	@go test -count=1 -run 'TestManyGrantsEnd|TestFromMergeToMembership|TestFromEmergencyToMembership' -v ./internal/e2e | grep -E '^(---|===|ok|FAIL|PASS)|lag|expiry|merge|emergency'

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, govulncheck
	@scripts/lint

.PHONY: bench
bench: setup ## Run the benchmarks; BENCH=REGEXP chooses
	@go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: footprint
footprint: ## Print what unused connectors cost: size, start, idle memory (ARGS=each: a line each)
	@scripts/footprint $(ARGS)

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME
	@scripts/fuzz $(FUZZTIME)

.PHONY: validate
validate: build ## Check an access repository; REPO=PATH chooses
	@bin/reconciler validate $(REPO)

.PHONY: clean
clean: ## Remove what was built
	@rm -rf bin .cache
