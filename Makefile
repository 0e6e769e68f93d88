# SPDX-License-Identifier: Apache-2.0
# weir. `make help` lists the targets.
#
# VARIANT is one of release, debug, asan, tsan, count; each has its own folder below BUILD. fuzz is another
# name of asan: the fuzz targets are linked from the objects of the other tests.
# MARCH is x86-64-v3 unless told; `make MARCH=x86-64-v2` builds the portable one.

BUILD   ?= build
VARIANT ?= release
override VARIANT := $(patsubst fuzz,asan,$(VARIANT))
MARCH   ?= x86-64-v3
DESTDIR ?=
PREFIX  ?= /usr/local
O       := $(BUILD)/$(VARIANT)

VERSION := 0.1.0

# In dependency order: what stands right may include what stands left (scripts/check_layers).
MODULES := dataplane/base dataplane/eal dataplane/core dataplane/net dataplane/tcp dataplane/tls \
	cache storage lb/config lb/l4 lb/l7 lb/l7/http lb/l7/h1 lb/l7/route lb/l7/policy lb/l7/upstream lb/resolve lb/l7/files \
	lb/l7/log lb/l7/cache lb/l7/resp lb/l7/kv lb/kvs lb/health lb/admin lb/pipeline lb/capture lb/api lb/ctl lb

MODULE_SRC := $(foreach m,$(MODULES),$(wildcard $(m)/*.c))
CXX_SRC    := $(foreach m,$(MODULES),$(wildcard $(m)/*.cc))
MAIN_SRC   := lb/main.c
CTL_SRC    := lb/ctl/main.c
LIB_SRC    := $(filter-out $(MAIN_SRC) $(CTL_SRC),$(MODULE_SRC))

include scripts/flags.mk

LIB_OBJ  := $(LIB_SRC:%.c=$(O)/%.o) $(CXX_SRC:%.cc=$(O)/%.o)
MAIN_OBJ := $(MAIN_SRC:%.c=$(O)/%.o)
LIB      := $(O)/libweir.a

SUPPORT_SRC := $(wildcard tests/support/*.c) $(wildcard tests/sim/*.c)
SUPPORT_OBJ := $(SUPPORT_SRC:%.c=$(O)/%.o)
SUPPORT_LIB := $(O)/libsupport.a

# One program for each file of these folders.
UNIT_SRC   := $(wildcard tests/unit/*/*.c tests/model/*.c tests/packet/*.c tests/stress/*.c)
BENCH_SRC  := $(wildcard tests/bench/*.c)
TOOL_SRC   := $(wildcard tests/tools/*.c)
FUZZ_SRC   := $(wildcard tests/fuzz/*.c)
UNIT_BIN   := $(UNIT_SRC:%.c=$(O)/%)
BENCH_BIN  := $(BENCH_SRC:%.c=$(O)/%)
TOOL_BIN   := $(TOOL_SRC:%.c=$(O)/%)
FUZZ_BIN   := $(FUZZ_SRC:%.c=$(O)/%)

.DEFAULT_GOAL := build
.PHONY: build sim-tcp deps check demo bench crash-storage crash-resp lint asan ubsan tsan fuzz man deb install uninstall clean help \
	unit-bin bench-bin tool-bin fuzz-bin list-unit list-stress list-fuzz list-bench header

build: $(BUILD)/weir $(BUILD)/weirctl ## build/weir and build/weirctl (the default)

$(BUILD)/weir: $(O)/weir
	@mkdir -p $(@D)
	@cp -f $< $@

$(O)/weir: $(MAIN_OBJ) $(LIB)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(MAIN_OBJ) $(LIB) $(LIBS)

# Control alone: neither DPDK nor the data path is in it.
$(BUILD)/weirctl: $(O)/weirctl
	@mkdir -p $(@D)
	@cp -f $< $@

$(O)/weirctl: $(CTL_SRC:%.c=$(O)/%.o) $(LIB)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(shell $(PKG_CONFIG) --libs jansson libssl libcrypto)

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(SUPPORT_LIB): $(SUPPORT_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(O)/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# It takes the page in as it is; the linker's optimiser must not take it apart.
$(O)/lb/api/dashboard.o: lb/api/dashboard.html
$(O)/lb/api/dashboard.o: CFLAGS += -fno-lto

$(O)/%.o: %.cc $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# A change of flags rebuilds, whatever the files' dates say.
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
		echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS) $(LDFLAGS)' > $@
FORCE:

# Programs of tests/support/route_world.h answer streams in place of the fronts.
ROUTE_BIN := $(O)/tests/bench/bench_route $(filter $(O)/tests/unit/route/% $(O)/tests/model/model_http_%,$(UNIT_BIN)) \
	$(filter $(O)/tests/fuzz/fuzz_http_route%,$(FUZZ_BIN))
$(ROUTE_BIN): LDFLAGS += -Wl,-z,muldefs

# A test may include the .c it tests: its symbols come first, so the archive's copy is not drawn.
$(UNIT_BIN) $(BENCH_BIN) $(TOOL_BIN): $(O)/%: $(O)/%.o $(SUPPORT_LIB) $(LIB)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(SUPPORT_LIB) $(LIB) $(TEST_LIBS)

$(FUZZ_BIN): $(O)/%: $(O)/%.o $(SUPPORT_LIB) $(LIB)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(SUPPORT_LIB) $(LIB) $(FUZZ_LIBS)

unit-bin: $(UNIT_BIN)
list-unit: ; @printf '%s\n' $(UNIT_BIN)
list-stress: ; @printf '%s\n' $(filter $(O)/tests/stress/%,$(UNIT_BIN))
list-fuzz: ; @printf '%s\n' $(FUZZ_BIN)
list-bench: ; @printf '%s\n' $(BENCH_BIN)
# Does the header H compile alone?
header: ; @echo '#include "$(H)"' | $(CC) $(CPPFLAGS) $(filter-out -flto%,$(CFLAGS)) -x c -fsyntax-only -
bench-bin: $(BENCH_BIN)
tool-bin: $(TOOL_BIN)
fuzz-bin: $(FUZZ_BIN)

deps: ## install what the build and the tests need (root)
	@scripts/deps

check: deps ## install, build and run every test (root)
	@scripts/check

demo: deps ## bring up the demo on real traffic (root); LOSS=1: over a wire that loses 1 %
	@$(MAKE) --no-print-directory build
	@scripts/demo run $(if $(LOSS),--loss $(LOSS))

asan: ## unit, model and packet tests under AddressSanitizer and UBSan
	@scripts/check asan
ubsan: asan ## the same run: both sanitizers are in one build
tsan: ## stress tests under ThreadSanitizer
	@scripts/check tsan
fuzz: ## run every fuzz target for FUZZ_SECONDS (default 60) each
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} scripts/check fuzz
sim-tcp: ## random TCP runs: RUNS=100000 SEED=1
	@$(MAKE) --no-print-directory $(BUILD)/release/tests/model/sim_tcp
	@$(BUILD)/release/tests/model/sim_tcp --runs $${RUNS:-100000} $${SEED:+--seed $$SEED}
lint: ## layers, headers alone, format
	@scripts/check lint

crash-storage: ## 200 rounds of kill -9 against the store under load (CRASH_ROUNDS)
	@$(MAKE) --no-print-directory VARIANT=debug $(BUILD)/debug/tests/unit/storage/test_crash
	@CRASH_ROUNDS=$${CRASH_ROUNDS:-200} $(BUILD)/debug/tests/unit/storage/test_crash

crash-resp: ## the same through the Redis protocol, against the program itself (root; ROUNDS=200)
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory VARIANT=debug $(BUILD)/debug/tests/tools/resp_crash
	@ROUNDS=$${ROUNDS:-200} tests/netns/resp_crash.sh

bench: ## every benchmark, one after the other (QUICK=1 for short ones)
	@for b in $(patsubst tests/bench/bench_%.c,%,$(filter tests/bench/bench_%,$(BENCH_SRC))) admin; do \
		scripts/bench $$b || exit 1; \
	done

bench-%: ## one benchmark: bench-l4 (QUICK=1 for a short one)
	@scripts/bench $*

# Pages and completion come from the programs' own tables. Who reads one meanwhile finds it whole.
man: build ## build/man
	@mkdir -p $(BUILD)/man
	@work=$$(mktemp -d $(BUILD)/man/new.XXXXXX) && trap 'rm -rf $$work' EXIT && \
		sed 's/@VERSION@/$(VERSION)/' scripts/package/man/weir.8 > $$work/weir.8 && \
		$(BUILD)/weir config manual > $$work/weir.conf.5 && \
		$(BUILD)/weirctl manual > $$work/weirctl.1 && \
		$(BUILD)/weirctl completion bash > $$work/weirctl.bash && \
		mv -f $$work/* $(BUILD)/man/

UNITDIR ?= $(PREFIX)/lib/systemd/system
# For the machine that weir runs on: weir-doctor, weir-setup-host, weir-perf.
HOST_SCRIPTS := doctor setup-host perf

install: build man ## into DESTDIR/PREFIX
	install -D -m 0755 $(BUILD)/weir $(DESTDIR)$(PREFIX)/sbin/weir
	install -D -m 0755 $(BUILD)/weirctl $(DESTDIR)$(PREFIX)/bin/weirctl
	install -d $(DESTDIR)$(PREFIX)/share/doc/weir/examples
	install -m 0644 docs/examples/*.yaml $(DESTDIR)$(PREFIX)/share/doc/weir/examples/
	install -D -m 0644 $(BUILD)/man/weir.8 $(DESTDIR)$(PREFIX)/share/man/man8/weir.8
	install -D -m 0644 $(BUILD)/man/weir.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/weir.conf.5
	install -D -m 0644 $(BUILD)/man/weirctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/weirctl.1
	install -D -m 0644 $(BUILD)/man/weirctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/weirctl
	install -D -m 0644 scripts/package/completion/weir.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	install -D -m 0644 scripts/package/systemd/weir.service $(DESTDIR)$(UNITDIR)/weir.service
	install -d $(DESTDIR)$(PREFIX)/lib/weir/lib
	install -m 0755 $(HOST_SCRIPTS:%=scripts/%) $(DESTDIR)$(PREFIX)/lib/weir/
	install -m 0644 scripts/lib/host.sh scripts/lib/help.sh $(DESTDIR)$(PREFIX)/lib/weir/lib/
	install -m 0755 scripts/lib/flamegraph.py $(DESTDIR)$(PREFIX)/lib/weir/lib/
	for s in $(HOST_SCRIPTS); do ln -sfn ../lib/weir/$$s $(DESTDIR)$(PREFIX)/sbin/weir-$$s; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/weir $(DESTDIR)$(PREFIX)/bin/weirctl
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/weir.8 $(DESTDIR)$(PREFIX)/share/man/man5/weir.conf.5
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/weirctl.1
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weirctl
	rm -f $(DESTDIR)$(UNITDIR)/weir.service
	rm -f $(HOST_SCRIPTS:%=$(DESTDIR)$(PREFIX)/sbin/weir-%)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/weir $(DESTDIR)$(PREFIX)/lib/weir

deb: build man ## Debian packages weir and weir-dbg in build/deb
	@VERSION=$(VERSION) BUILD=$(BUILD) scripts/deb

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@awk -F':.*## ' '/^[a-z%-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
