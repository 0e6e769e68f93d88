# SPDX-License-Identifier: Apache-2.0
# Compiler and linker flags of each VARIANT; included by the Makefile.
#
# DPDK is linked statically with the drivers named in DPDK_DRIVERS alone: a shared build loads every
# driver of the system at start (docs/decisions/0002-link-dpdk-statically.md has the figures).

V ?= 0
Q := $(if $(filter 0,$(V)),@,)

PKG_CONFIG ?= pkg-config
SYS_PKGS   := zlib libbrotlienc libzstd libdpdk jemalloc yaml-0.1 libmicrohttpd jansson rocksdb liburing libssl libcrypto libpcre2-8 libxcrypt libcares
LINK_PKGS  := $(filter-out libdpdk jemalloc,$(SYS_PKGS)) gnutls

# -march comes from MARCH, and headers of libraries are not ours to warn about.
PKG_CFLAGS := $(filter-out -march=%,$(shell $(PKG_CONFIG) --cflags $(SYS_PKGS) 2>/dev/null))
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(PKG_CFLAGS))

DPDK_LIBS := eal ring mempool mbuf ethdev net kvargs telemetry rcu hash meter pci \
	ip_frag pcapng pdump bpf cmdline metrics timer security cryptodev vhost dmadev gso
DPDK_DRIVERS := bus_pci bus_vdev bus_auxiliary mempool_ring \
	net_af_packet net_af_xdp net_tap net_memif net_pcap net_ring net_null net_vhost net_virtio \
	net_e1000 net_ixgbe net_i40e net_ice net_iavf net_mlx5 net_ena net_vmxnet3 net_bnxt \
	common_iavf common_mlx5
# What tests open: each of hundreds of programs holds them all.
TEST_DRIVERS := bus_vdev mempool_ring net_af_packet net_af_xdp net_tap net_pcap net_ring net_null
DPDK_SYS := -lpcap -lxdp -lbpf -lelf -lmlx5 -libverbs -lnuma -lbsd -lz

LIBDIR := $(shell $(PKG_CONFIG) --variable=libdir libdpdk 2>/dev/null)
# Whole archives: drivers register themselves from constructors that nothing refers to.
dpdk_link = -Wl,--whole-archive $(1:%=$(LIBDIR)/librte_%.a) \
	$(DPDK_LIBS:%=$(LIBDIR)/librte_%.a) -Wl,--no-whole-archive

OPT_release := -O3 -flto=auto -fno-fat-lto-objects
OPT_debug   := -O1 -DWEIR_DEBUG
# clang's, with the instrumentation that libFuzzer steers by.
OPT_asan    := -O1 -DWEIR_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
OPT_tsan    := -O1 -DWEIR_DEBUG -fsanitize=thread
# Instruction counts must repeat: no LTO partitioning, no inlining across files that a count hides.
OPT_count   := -O2

ifeq ($(origin CC),default)
CC := $(if $(filter asan,$(VARIANT)),clang,gcc)
endif
AR := $(if $(filter clang%,$(CC)),ar,gcc-ar)

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS += -I. -D_GNU_SOURCE -DALLOW_EXPERIMENTAL_API -DWEIR_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
CFLAGS   += -std=gnu17 -g -march=$(MARCH) -mtune=generic $(WARN) $(OPT_$(VARIANT)) -fno-strict-aliasing
# storage/uring_fs.cc alone; RocksDB's headers are system headers and so not warned about.
ifeq ($(origin CXX),default)
CXX := $(if $(filter asan,$(VARIANT)),clang++,g++)
endif
CXX_WARN := -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Werror
# No check of vptr, nor clang's of functions: they would need the C++ runtime of the sanitizer, and the
# linker is the C one.
CXXFLAGS += -std=c++17 -g -march=$(MARCH) -mtune=generic $(CXX_WARN) $(OPT_$(VARIANT)) \
	-fno-strict-aliasing $(if $(filter asan,$(VARIANT)),-fno-sanitize=vptr -fno-sanitize=function)
ifeq ($(VARIANT),asan)
CFLAGS   += -fsanitize=fuzzer-no-link -Wno-missing-prototypes -Wno-address-of-packed-member
endif
LDFLAGS  += -Wl,--as-needed
# Hundreds of test programs, each with DPDK in it: gold and lld link them in a third of the time.
LDFLAGS  += $(if $(filter debug tsan,$(VARIANT)),-fuse-ld=gold) $(if $(filter asan,$(VARIANT)),-fuse-ld=lld)

# jemalloc replaces malloc in what is shipped; sanitizers bring their own.
JEMALLOC := $(if $(filter release debug,$(VARIANT)),$(shell $(PKG_CONFIG) --libs jemalloc 2>/dev/null))
BASE_LIBS := $(DPDK_SYS) $(shell $(PKG_CONFIG) --libs $(LINK_PKGS)) -lstdc++ $(JEMALLOC) \
	-lpthread -ldl -lm
LIBS      := $(call dpdk_link,$(DPDK_DRIVERS)) $(BASE_LIBS)
FUZZ_LIBS := $(call dpdk_link,$(TEST_DRIVERS)) $(BASE_LIBS)
TEST_LIBS := $(FUZZ_LIBS) $(shell $(PKG_CONFIG) --libs cmocka libbrotlidec) -lpcap
