# Everything the project does, by name; `make` alone prints this.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# What `run`, `debug` and `qemu-cmd` put in front of the image. `tools/qemu.sh` checks the values.
MACHINE   ?= q35#    q35, pc or microvm
BOOT      ?= pvh#    pvh (QEMU loads the image), or GRUB from the ISO: iso (BIOS) or uefi
NIC       ?= virtio# virtio, e1000 or none
IRQ       ?= auto#   auto, msix, msi or intx: the interrupt mode every function must take
PORT      ?= auto#   host port of the page; auto takes the first free one from 8080 on
SMP       ?= 1#      CPUs
MEM       ?= 128M#   memory, as QEMU's -m takes it
ACCEL     ?= tcg#    tcg or kvm; kvm is tested before it is used
PROFILE   ?= quick#  what `make run` builds: quick (to build) or release (as the tests and the ISO)
APP       ?=#        the app to run instead of the default one
DISK      ?=#        a raw disk instead of the built one (image/files as a tar), or none
FORWARD   ?=#        further host ports, as tcp:HOST:GUEST or udp:HOST:GUEST, separated by spaces
ARGS      ?=#        further words of the kernel command line; those after -- go to the app
QEMU_ARGS ?=#        further arguments of QEMU
FUZZ_TIME ?= 60#     seconds for each fuzz target
TEST      ?=#        run only the QEMU tests whose name contains this
BENCH_ARGS ?=#       arguments of the bench: --quick, --rounds N, --only PART-OF-A-ROW
UPDATE    ?=#        1: the counts become the baseline
OP        ?= http16# the operation to profile
export MACHINE BOOT NIC IRQ PORT SMP MEM ACCEL APP DISK FORWARD ARGS QEMU_ARGS

TARGET := $(CURDIR)/target
IMAGE  := $(TARGET)/x86_64-unknown-linux-gnu/release/switchboard-image
FILES  := $(TARGET)/disk.img
ISO    := $(TARGET)/switchboard.iso
# The image of the tests: with the drivers and apps that only measure.
INSTRUMENTED := $(TARGET)/instruments/switchboard-image
export TARGET IMAGE FILES ISO

# What `make run` boots.
run qemu-cmd debug: IMAGE = $(TARGET)/x86_64-unknown-linux-gnu/$(PROFILE)/switchboard-image

# What makes the ISO, and boots it on UEFI.
ISO_TOOLS := grub xorriso mtools xz objdump

HOST_CRATES := -p switchboard -p switchboard-testing -p switchboard-x86-64 -p switchboard-drivers -p switchboard-instruments -p switchboard-link -p switchboard-runtime -p switchboard-net -p switchboard-net-testing -p switchboard-http -p switchboard-fileserver

.PHONY: help doctor build run-build instruments-build image run qemu-cmd debug test test-host test-ui test-qemu test-outside test-counts test-load fuzz bench bench-build bench-instructions profile bench-interrupts lint check-portable clean

help: ## This list
	@echo 'Targets:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'Variables, as in `make run NIC=e1000 IRQ=intx`:'
	@awk -F ' *\\?= *|# *' '/^[A-Z_]+ *\?=/ { printf "  %-16s %-8s %s\n", $$1, $$2, $$3 }' $(firstword $(MAKEFILE_LIST))

doctor: ## Check the tools; print what is missing and the line that installs it
	@tools/doctor

build: ## Build the image and its disk
	@tools/install cargo cc
	cargo build --release -p switchboard-image
	@tools/disk $(FILES)

run-build:
	@tools/install cargo cc
	cargo build --profile $(PROFILE) -p switchboard-image
	@tools/disk $(FILES)

# The image as users have it is built last, and is where it is looked for.
instruments-build:
	@tools/install cargo cc
	cargo build --release -p switchboard-image --features instruments
	@mkdir -p $(dir $(INSTRUMENTED))
	@cp $(IMAGE) $(INSTRUMENTED)
	@$(MAKE) --no-print-directory build

image: ## Build, and make the hybrid BIOS and UEFI ISO, its command line from IRQ, APP and ARGS
	@tools/install cargo cc $(ISO_TOOLS)
	@$(MAKE) --no-print-directory build
	@tools/image

run: ## Build, boot in QEMU, print the page's address; Ctrl-C ends it
	@tools/install cargo cc qemu $(if $(filter-out pvh,$(BOOT)),$(ISO_TOOLS)) $(if $(filter uefi,$(BOOT)),ovmf)
	@$(MAKE) --no-print-directory run-build
	@tools/run

qemu-cmd: ## Print the QEMU command of `make run` (with make -s: nothing else)
	@tools/qemu-cmd

debug: ## Boot halted, with gdb attached; the console goes to a file under target/
	@tools/install cargo cc qemu gdb
	@$(MAKE) --no-print-directory run-build
	@tools/debug

test: test-host test-ui test-qemu test-outside test-counts ## Everything that CI runs

test-host: ## Unit and property tests, and models of every interleaving, on the host
	@tools/install cargo cc
	cargo test $(HOST_CRATES)
	cargo test -p switchboard-image --lib
	cargo test -p switchboard-tests --lib --test intrinsics --test symbols
	@tools/install python3 lspci || echo 'dumps are not compared with lspci'
	cargo test -p switchboard-tests --test dumps --test hostile -- --nocapture
	cargo test -p switchboard-loom
	cargo test -p switchboard-fuzz
	cargo test -p switchboard-bench --lib --bins --test faulty_servers

test-ui: ## Programs that must not compile, each beside one that must
	@tools/install cargo cc
	cargo test -p switchboard-tests --test ui

test-qemu: ## Boot the image in QEMU, once for each device, mode and machine; TEST=name for some
	@tools/install cargo cc qemu $(ISO_TOOLS) ovmf
	@$(MAKE) --no-print-directory instruments-build run-build
	SWITCHBOARD_IMAGE=$(INSTRUMENTED) SWITCHBOARD_DISK=$(FILES) cargo test -p switchboard-tests --test qemu -- --test-threads=2 $(TEST)

test-outside: ## Crates outside the workspace: an image of its own, booted, and a driver, tested on the host
	@tools/install cargo cc qemu
	cargo test -p switchboard-tests --test outside

test-counts: bench-build ## Guest instructions of each operation: none may have grown
	@$(BENCH) instructions --check

test-load: ## The long QEMU tests, a million interrupts each; TEST=name for some
	@tools/install cargo cc qemu
	@$(MAKE) --no-print-directory instruments-build
	SWITCHBOARD_IMAGE=$(INSTRUMENTED) SWITCHBOARD_DISK=$(FILES) cargo test -p switchboard-tests --test qemu -- --ignored --nocapture --test-threads=1 $(TEST)

fuzz: ## Each fuzz target for FUZZ_TIME seconds, from the corpus on; TEST=name for one
	@tools/install cargo c++
	@tools/install cargo-fuzz
	@tools/fuzz $(FUZZ_TIME) $(TEST)

# Where the bench finds things, and leaves what it found.
BENCH_IMAGE = $(INSTRUMENTED)
BENCH = SWITCHBOARD_IMAGE=$(BENCH_IMAGE) SWITCHBOARD_DISK=$(FILES) BENCH_RESULTS=$(TARGET)/bench \
	BENCH_PLUGIN=$(dir $(IMAGE))libcount.so $(dir $(IMAGE))switchboard-bench

bench-build:
	@tools/install cargo cc qemu nm
	@$(MAKE) --no-print-directory instruments-build
	cargo build --release -p switchboard-count
	cargo build --release -p switchboard-bench
	@mkdir -p $(TARGET)/bench

bench: BENCH_IMAGE = $(IMAGE)
bench: bench-build ## Everything beside Linux and the polled limit, in about ten minutes; BENCH_ARGS=--quick for a look
	@tools/install taskset cpio modinfo libc.a
	@tools/bench-guests $(TARGET)/bench/guests
	cargo build --release -p switchboard-image --no-default-features --target-dir $(TARGET)/small
	@strip -o $(TARGET)/bench/stripped $(subst $(TARGET),$(TARGET)/small,$(IMAGE))
	@$(MAKE) --no-print-directory bench-instructions
	@$(BENCH) run $(BENCH_ARGS)

bench-instructions: bench-build ## Guest instructions of each operation, exactly, beside the baseline; UPDATE=1 makes it anew
	@$(BENCH) instructions $(if $(UPDATE),--update)

profile: bench-build ## Where the instructions of an operation go: OP=http1, http16, udp, tcp, read, frame or boot
	@tools/install addr2line
	@$(BENCH) profile $(OP)

bench-interrupts: ## What an interrupt costs, in instructions, counted exactly, and where they go
	@tools/install cargo cc qemu objdump
	@$(MAKE) --no-print-directory instruments-build
	@IMAGE=$(INSTRUMENTED) tools/bench-interrupts

lint: ## rustfmt and clippy, warnings are errors
	cargo fmt --all --check
	rustfmt --edition 2024 --check tests/outside/*/src/*.rs tests/outside/*/tests/*.rs tests/outside/*/build.rs
	cargo clippy $(HOST_CRATES) -p switchboard-tests -p switchboard-loom -p switchboard-fuzz -p switchboard-bench -p switchboard-count --all-targets -- -D warnings
	cargo clippy --release -p switchboard-image -- -D warnings
	cargo clippy --release -p switchboard-image --features instruments -- -D warnings

check-portable: ## Check the framework and the drivers for other CPUs, AArch64 and RISC-V; skipped where their `core` cannot be had
	@tools/install cargo cc
	@tools/check-portable

clean: ## Delete what was built
	cargo clean
