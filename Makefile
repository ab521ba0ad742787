# Palisade's commands. `make` alone explains them.

# toolchain/artifacts.json is the one list of what is built.
FILTERS   := $(shell sed -n 's/^[[:space:]]*"\([a-z-]*-filter\)":.*/\1/p' toolchain/artifacts.json)
ARTIFACTS := $(FILTERS:%=build/%.wasm)

include toolchain/versions.env

GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT_VERSION)

# go-files DIR...: the Go files (and embedded data) below these directories that a build may depend on.
go-files = $(shell find $(1) -type f \( -name '*.go' -o -name '*.json' -o -name '*.yaml' -o -name '*.conf' \) \
	! -name '*_test.go' ! -path '*/testdata/*' ! -path '*/.cache/*' 2>/dev/null)

# What each test package finds out about the build, wherever it runs.
export PALISADE_BUILD_DIR := $(CURDIR)/build

# KEEP=1 leaves the demo running; FUZZ_SECONDS is how long each fuzz target runs.
DEMO_FLAGS   := $(if $(filter-out 0,$(KEEP)),-keep)
FUZZ_SECONDS ?= 10

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

.PHONY: help
help: ## explain the commands
	@echo 'Palisade: security policy in stock Envoy, as Proxy-Wasm filters. Commands:'
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Go is the one thing needed beforehand. TinyGo >= $(TINYGO_MIN_VERSION) and redis-server on the PATH, and ENVOY_PATH, are used.'

.PHONY: build
build: $(ARTIFACTS) build/palisade ## the filters (build/*-filter.wasm) and the command line (build/palisade)

.PHONY: wasm
wasm: $(ARTIFACTS) ## the filters only

# Each filter depends on its own files, on what filters share and on what builds them. One rule for each, so that
# make can see those files; -j builds them side by side.
TOOLCHAIN_FILES := toolchain/lib.sh toolchain/tinygo.sh toolchain/build-filter.sh toolchain/versions.env \
	toolchain/artifacts.json $(wildcard toolchain/_libc/*) $(call go-files,toolchain/wasmfile toolchain/wasmstrip toolchain/_net)
TEST_ONLY := $(addprefix filters/,budget casetest hosttest schematest wasmtest)
SHARED_FILES := go.mod go.sum $(call go-files,$(filter-out $(TEST_ONLY),$(wildcard filters/*)))

define filter-rule
build/$(1).wasm: $(TOOLCHAIN_FILES) $(SHARED_FILES) $(call go-files,$(1))
	@toolchain/build-filter.sh ./$(1) $$@
endef
$(foreach filter,$(FILTERS),$(eval $(call filter-rule,$(filter))))

build/palisade-filter.wasm: $(call go-files,jwt-filter authz-filter ratelimit-filter)

# The Go command keeps track of its own dependencies; the timestamps here only avoid starting it.
build/palisade: go.mod go.sum $(call go-files,cmd filters $(FILTERS))
	@mkdir -p build
	go build -o $@ ./cmd/palisade

.PHONY: demo
demo: build ## a small mesh on loopback and a scripted walk through it (KEEP=1 leaves it running)
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && go run ./e2e/demo $(DEMO_FLAGS)

.PHONY: test
test: unit wasm-check wasm-test e2e ## everything that CI checks, but for lint

.PHONY: unit
unit: ## the Go packages, natively
	PALISADE_BUILD_DIR= go test $$(go list ./... | grep -v '/e2e')
	PALISADE_BUILD_DIR= go test -tags coraza.rule.multiphase_evaluation ./waf-filter/waf # as the module is built

.PHONY: wasm-check
wasm-check: $(ARTIFACTS) ## each artifact's imports, exports and size
	@go run ./toolchain/wasmcheck -build build

# Modules that are only there to be tested.
TEST_MODULES := build/test/heap-stress.wasm
TEST_EXPORTS := _initialize memory proxy_abi_version_0_2_0 proxy_on_memory_allocate proxy_on_context_create \
	proxy_on_vm_start proxy_on_configure proxy_on_request_headers

build/test/heap-stress.wasm: $(TOOLCHAIN_FILES) $(SHARED_FILES) $(call go-files,waf-filter/heap)
	@PALISADE_GC=custom toolchain/build-filter.sh ./waf-filter/heap/stress $@ "$$(echo $(TEST_EXPORTS) | tr ' ' ,)"

.PHONY: wasm-test
wasm-test: $(ARTIFACTS) $(TEST_MODULES) ## the compiled filters under wazero
	go test -count=1 -run Wasm $$(go list ./... | grep -v '/e2e')

.PHONY: e2e
e2e: build ## the compiled filters in stock Envoy
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && RATELIMIT_SERVICE_PATH="$$(toolchain/ratelimit.sh)" && \
	REDIS_SERVER_PATH="$$(toolchain/redis.sh)" && export ENVOY_PATH RATELIMIT_SERVICE_PATH REDIS_SERVER_PATH && \
	set -x && go test -count=1 ./e2e/...

.PHONY: ftw
ftw: build ## the Core Rule Set's regression suite in stock Envoy, all of it (e2e runs a tenth)
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && set -x && \
	go test -count=1 -v ./e2e/coreruleset -all

.PHONY: lint
lint: ## formatting and static checks, pinned
	$(GOLANGCI_LINT) run
	@bad=$$(grep -rnE '^(<<<<<<<|>>>>>>>) ' --include='*.go' --include='*.md' . --exclude-dir=.cache || true); \
	if [ -n "$$bad" ]; then echo "conflict markers: $$bad"; exit 1; fi

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZ_SECONDS (10)
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do \
			echo "fuzz $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_SECONDS)s "$$package"; \
		done; \
	done

# What an empty filter costs is what Envoy and the SDK cost: with those callbacks only that a filter of request headers
# needs, and with all that the SDK exports, as a filter that anybody compiles has them.
NEEDED_EXPORTS := _initialize memory proxy_abi_version_0_2_0 proxy_on_memory_allocate proxy_on_context_create \
	proxy_on_vm_start proxy_on_configure proxy_on_request_headers proxy_on_done proxy_on_delete
SDK_EXPORTS := $(NEEDED_EXPORTS) proxy_on_log proxy_on_tick proxy_on_queue_ready \
	proxy_on_request_body proxy_on_request_trailers proxy_on_response_headers proxy_on_response_body \
	proxy_on_response_trailers proxy_on_http_call_response proxy_on_new_connection proxy_on_downstream_data \
	proxy_on_downstream_connection_close proxy_on_upstream_data proxy_on_upstream_connection_close
EMPTY_FILES := $(TOOLCHAIN_FILES) $(wildcard e2e/bench/empty/*)
# What the host calls of a filter on filters/sdk.
CALLS_EXPORTS := $(filter-out proxy_on_done proxy_on_delete,$(NEEDED_EXPORTS))
BENCH_MODULES := $(ARTIFACTS) build/bench/empty.wasm build/bench/empty-stripped.wasm build/bench/calls.wasm

build/bench/empty.wasm: $(EMPTY_FILES)
	@toolchain/build-filter.sh ./e2e/bench/empty $@ "$$(echo $(SDK_EXPORTS) | tr ' ' ,)"

build/bench/empty-stripped.wasm: $(EMPTY_FILES)
	@toolchain/build-filter.sh ./e2e/bench/empty $@ "$$(echo $(NEEDED_EXPORTS) | tr ' ' ,)"

build/bench/calls.wasm: $(TOOLCHAIN_FILES) $(SHARED_FILES) $(wildcard e2e/bench/calls/*)
	@toolchain/build-filter.sh ./e2e/bench/calls $@ "$$(echo $(CALLS_EXPORTS) | tr ' ' ,)"

# What waf-filter is measured by, with the build tags that coraza-proxy-wasm is released with. Those of disabled operators change nothing:
# they leave out what C++ takes the place of.
build/bench/wafpeer.wasm: $(TOOLCHAIN_FILES) $(wildcard e2e/bench/wafpeer/*)
	@PALISADE_GC=nottinygc PALISADE_TAGS="$$(echo $(WAFPEER_TAGS) | tr ' ' ,)" \
		toolchain/build-filter.sh ./e2e/bench/wafpeer $@ "$$(echo $(SDK_EXPORTS) | tr ' ' ,)"

WAFPEER_TAGS := no_fs_access memoize_builders coraza.rule.multiphase_evaluation \
	coraza.disabled_operators.detectSQLi coraza.disabled_operators.detectXSS

.PHONY: bench
bench: $(BENCH_MODULES) ## what the filters cost in stock Envoy, as ratios (BENCH_FLAGS="-rounds 9 -scenarios authz", or -all)
	@e2e/bench/wrk.sh
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && go run ./e2e/bench $(BENCH_FLAGS)

.PHONY: bench-steady
bench-steady: $(BENCH_MODULES) ## latencies at 20,000 requests/s, pauses and memory, for half an hour (BENCH_FLAGS="-duration 1m -rate 5000")
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && go run ./e2e/bench steady $(BENCH_FLAGS)

.PHONY: bench-waf
bench-waf: build/waf-filter.wasm build/bench/wafpeer.wasm ## waf-filter against coraza-proxy-wasm in stock Envoy (BENCH_FLAGS="-scenarios json -module new=x.wasm")
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && go run ./e2e/bench waf $(BENCH_FLAGS)

.PHONY: soak-waf
soak-waf: build/waf-filter.wasm ## whether waf-filter's memory stays what it is, a million requests long (SOAK_FLAGS="-requests 200000")
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && go run ./e2e/bench waf-soak $(SOAK_FLAGS)

.PHONY: compare-waf
compare-waf: build/waf-filter.wasm build/bench/wafpeer.wasm ## what waf-filter decides otherwise than coraza-proxy-wasm: only what is listed
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && set -x && \
	go test -count=1 -v -run TestSameDecisions ./e2e/wafpeer -peer

.PHONY: bench-micro
bench-micro: $(ARTIFACTS) ## host calls and allocations next to their budgets (docs/budgets.yaml), then Go benchmarks
	@status=0; go run ./toolchain/budgets || status=1; \
	echo; set -x; go test -run '^$$' -bench . -benchmem $$(go list ./... | grep -v '/e2e') && exit $$status

.PHONY: bench-gc
bench-gc: ## latency, memory and pauses of garbage collectors in stock Envoy (GC=a,b DURATION=15 RATE=30000)
	@ENVOY_PATH="$$(toolchain/envoy.sh)" && export ENVOY_PATH && \
	go run ./toolchain/gcbench $(if $(GC),-gc $(GC)) -duration $(or $(DURATION),15)s -rate $(or $(RATE),30000) $(BENCH_GC_FLAGS)

.PHONY: envoy-path
envoy-path: ## print the path of stock Envoy, fetching it if need be (use make -s)
	@toolchain/envoy.sh

.PHONY: ratelimit-path
ratelimit-path: ## print the path of Envoy's rate limit service, building it if need be (use make -s)
	@toolchain/ratelimit.sh

.PHONY: redis-path
redis-path: ## print the path of a Redis server, installing one if need be (use make -s)
	@toolchain/redis.sh

.PHONY: toolchain
toolchain: ## set up TinyGo, Envoy and what it is tested with, without building any filter
	@toolchain/tinygo.sh --setup
	@toolchain/envoy.sh >/dev/null
	@toolchain/ratelimit.sh >/dev/null
	@toolchain/redis.sh >/dev/null

.PHONY: clean
clean: ## remove build/, but not the toolchain (toolchain/.cache)
	rm -rf build
