# The project's commands; `make` without a target lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Settings, shown by `make help`. tools/qemu.sh checks the values of those that it uses.
MACHINE   ?= q35#    QEMU machine: q35, pc or microvm
BOOT      ?= pvh#    boot loader: pvh (QEMU itself), or GRUB from the ISO: iso (on BIOS) or uefi
NIC       ?= virtio# network card: virtio, e1000, e1000e, igb (QEMU 8.0 and newer), rtl8139, vmxnet3 or none
NET       ?= user#   network of `run`: user (QEMU's own), or tap (for root: the page has an address of its own)
IRQ       ?= auto#   interrupt mode of all functions: auto (the best of each), msix, msi or intx
PORT      ?= auto#   host port of the page; auto: the first free one from 8080 on
SMP       ?= 1#      number of CPUs
MEM       ?= 128M#   memory, in MiB or with the suffix M or G
ACCEL     ?= tcg#    QEMU accelerator: tcg or kvm; kvm is tested before it is used
PROFILE   ?= quick#  build profile of `run` and `debug`: quick, or release as for tests and ISO
FEATURES  ?=#        features of the image of `run`, separated by commas: tls
APP       ?=#        app to run instead of the default one
DISK      ?=#        path of a raw disk instead of the built one (a tar of image/files), or none
FORWARD   ?=#        more forwarded ports, as tcp:HOST:GUEST or udp:HOST:GUEST, separated by spaces
ARGS      ?=#        more options of the kernel command line; those after -- go to the app
QEMU_ARGS ?=#        more arguments of QEMU, quoted as in a shell
FUZZ_TIME ?= 60#     seconds per fuzz target
SEED      ?= 1#        seed of the property tests, so that a run can be repeated; random: a new one each time
HOSTILE_TIME ?= 60#  seconds of `test-hostile`
TEST      ?=#        run only QEMU tests whose name contains this; for `fuzz`: one target
BENCH_ARGS ?=#       options of `bench`: --quick, --rounds N, --only PART-OF-A-ROW'S-NAME
UPDATE    ?=#        1: `bench-instructions` replaces the baseline
OP        ?= http16# operation of `profile`: http1, http16, file, udp, tcp, read, nvme, frame or boot
export MACHINE BOOT NIC NET IRQ PORT SMP MEM ACCEL PROFILE APP DISK FORWARD ARGS QEMU_ARGS FUZZ_TIME OP
# The values that `run`, `debug` and `qemu-cmd` check before they install or build anything.
RUN_VARIABLES := MACHINE BOOT NIC NET IRQ PORT SMP MEM ACCEL PROFILE DISK FORWARD

TARGET := $(CURDIR)/target
IMAGE  := $(TARGET)/x86_64-unknown-linux-gnu/release/switchboard-image
FILES  := $(TARGET)/disk.img
ISO    := $(TARGET)/switchboard.iso
# The image for tests, with the drivers and apps that only measure. Folders are variables of their own, since $(dir)
# would split a path with a space.
INSTRUMENTS  := $(TARGET)/instruments
INSTRUMENTED := $(INSTRUMENTS)/switchboard-image
RELEASE      := $(TARGET)/x86_64-unknown-linux-gnu/release
export TARGET IMAGE FILES ISO

# The image that `make run` boots.
run qemu-cmd debug: IMAGE = $(TARGET)/x86_64-unknown-linux-gnu/$(PROFILE)/switchboard-image

# Tools that make the ISO.
ISO_TOOLS := grub xorriso mtools xz objdump

# The property tests read it from the environment.
ifneq ($(strip $(SEED)),random)
export PROPTEST_RNG_SEED := $(strip $(SEED))
endif

HOST_CRATES := -p switchboard -p switchboard-aml -p switchboard-testing -p switchboard-x86-64 -p switchboard-drivers -p switchboard-instruments -p switchboard-link -p switchboard-runtime -p switchboard-net -p switchboard-net-testing -p switchboard-tls -p switchboard-http -p switchboard-fileserver
# What `test-host` tests: one command builds each crate once, where several with fewer packages would build it again for each
# set of features.
TESTED_CRATES := $(HOST_CRATES) -p switchboard-tests -p switchboard-planted -p switchboard-fuzz -p switchboard-bench
# What others can depend on, in the order of their dependencies.
LIBRARY_CRATES := -p switchboard -p switchboard-aml -p switchboard-testing -p switchboard-x86-64 -p switchboard-drivers -p switchboard-link -p switchboard-runtime -p switchboard-boot -p switchboard-net -p switchboard-net-testing -p switchboard-tls -p switchboard-http -p switchboard-fileserver

.PHONY: help doctor build run-build instruments-build image run qemu-cmd debug test test-host test-ui test-qemu test-machines test-clients test-outside test-counts test-load test-lan test-hostile fuzz bench bench-build bench-tls bench-instructions profile bench-interrupts devices small size cov lint check-portable package clean

help: ## Print this list
	@echo 'Targets:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'Variables, as in `make run NIC=e1000 IRQ=intx`:'
	@awk -F ' *\\?= *|# *' '/^[A-Z_]+ *\?=/ { printf "  %-18s %-8s %s\n", $$1, $$2, $$3 }' $(firstword $(MAKEFILE_LIST))

doctor: ## Check for the required tools; print the missing ones and the command that installs them
	@tools/doctor

build: ## Build the image and its disk
	@tools/install cargo cc
	cargo build --release -p switchboard-image
	@tools/disk "$(FILES)"

run-build:
	@tools/install cargo cc
	cargo build --profile $(PROFILE) -p switchboard-image $(if $(FEATURES),--features "$(FEATURES)")
	@tools/disk "$(FILES)"

# The image without instruments is built last: it must be the one at $(IMAGE).
instruments-build:
	@tools/install cargo cc
	cargo build --release -p switchboard-image --features instruments
	@mkdir -p "$(INSTRUMENTS)"
	@cp "$(IMAGE)" "$(INSTRUMENTED)"
	@$(MAKE) --no-print-directory build

image: ## Build the ISO for BIOS and UEFI; IRQ, APP and ARGS set its kernel command line
	@tools/check-variables IRQ
	@tools/install cargo cc $(ISO_TOOLS)
	@$(MAKE) --no-print-directory build
	@tools/image

run: ## Build, boot in QEMU, print the page's address; Ctrl-C ends it
	@tools/check-variables $(RUN_VARIABLES)
	@tools/install cargo cc qemu $(if $(filter-out pvh,$(BOOT)),$(ISO_TOOLS)) $(if $(filter uefi,$(BOOT)),ovmf)
	@$(MAKE) --no-print-directory run-build
	@tools/run

qemu-cmd: ## Print the QEMU command of `make run` (with make -s: nothing else)
	@tools/check-variables $(RUN_VARIABLES)
	@tools/qemu-cmd

debug: ## Boot halted, with gdb attached; the console goes to a file under target/
	@tools/check-variables $(RUN_VARIABLES)
	@tools/install cargo cc qemu gdb
	@$(MAKE) --no-print-directory run-build
	@tools/debug

test: test-host test-ui test-qemu test-outside test-counts ## Run all tests of CI

test-host: ## Run unit tests, property tests and concurrency models on the host
	@tools/install cargo cc
	@tools/install qemu || echo 'skipped: drivers on the device models of QEMU'
	cargo test --no-fail-fast $(TESTED_CRATES)
	cargo test -p switchboard-image --lib
	@tools/install python3 lspci || echo 'skipped: comparison of dumps with lspci'
	cargo test -p switchboard-tests --test dumps --test hostile -- --nocapture
	cargo test -p switchboard-loom

test-ui: ## Check programs that must not compile, each with a variant that must
	@tools/install cargo cc
	cargo test -p switchboard-ui

test-qemu: ## Boot the image in QEMU with each device, mode and machine; TEST=name selects tests
	@tools/install cargo cc qemu $(ISO_TOOLS) ovmf
	@tools/install ip tc nft dnsmasq || echo 'skipped: tests with Linux hosts'
	@tools/install python3 openssl mosquitto || echo 'skipped: tests with servers of the host'
	@$(MAKE) --no-print-directory instruments-build
	cargo build --profile quick -p switchboard-image --features clients
	@cp "$(TARGET)/x86_64-unknown-linux-gnu/quick/switchboard-image" "$(INSTRUMENTS)/switchboard-tls-image"
	SWITCHBOARD_TLS_IMAGE="$(INSTRUMENTS)/switchboard-tls-image" SWITCHBOARD_IMAGE="$(INSTRUMENTED)" SWITCHBOARD_DISK="$(FILES)" cargo test -p switchboard-tests --test qemu -- --test-threads=2 $(TEST)
	SWITCHBOARD_IMAGE="$(INSTRUMENTED)" SWITCHBOARD_DISK="$(FILES)" cargo test -p switchboard-tests --test lan -- --test-threads=4 $(TEST)

test-lan: ## Run the long tests on a LAN of the test's own; TEST=name selects tests
	@tools/install cargo cc qemu
	@$(MAKE) --no-print-directory instruments-build
	SWITCHBOARD_IMAGE="$(INSTRUMENTED)" SWITCHBOARD_DISK="$(FILES)" cargo test -p switchboard-tests --test lan -- --ignored --nocapture --test-threads=4 long::$(TEST)

test-hostile: ## Run honest clients beside hostile ones for HOSTILE_TIME seconds; compare latency and memory
	@tools/check-variables HOSTILE_TIME
	@tools/install cargo cc qemu
	@$(MAKE) --no-print-directory instruments-build
	SWITCHBOARD_IMAGE="$(INSTRUMENTED)" SWITCHBOARD_DISK="$(FILES)" cargo test -p switchboard-tests --test lan -- --ignored --nocapture mixed_load::

# Emulators that are unpacked, not installed.
MACHINES := qemu-10 qemu-11 bochs libvirt xen

test-machines: ## Boot the image on QEMU as installed, 10 and 11, Bochs, libvirt and Xen; print a table; TEST='words' selects rows
	@tools/install cargo cc qemu $(ISO_TOOLS) ovmf
	@tools/machines $(MACHINES)
	@$(MAKE) --no-print-directory run-build
	SWITCHBOARD_IMAGE="$(TARGET)/x86_64-unknown-linux-gnu/$(PROFILE)/switchboard-image" SWITCHBOARD_DISK="$(FILES)" cargo test -p switchboard-tests --test machines -- $(TEST)

test-clients: ## Run curl, wget, ab, wrk, nmap, sslscan, chrony, browsers and Python libraries against the image, where installed
	@tools/install cargo cc qemu
	cargo build --profile quick -p switchboard-image --features clients
	@mkdir -p "$(INSTRUMENTS)"
	@cp "$(TARGET)/x86_64-unknown-linux-gnu/quick/switchboard-image" "$(INSTRUMENTS)/switchboard-tls-image"
	@$(MAKE) --no-print-directory run-build
	SWITCHBOARD_IMAGE="$(INSTRUMENTS)/switchboard-tls-image" SWITCHBOARD_DISK="$(FILES)" cargo test -p switchboard-tests --test clients -- --nocapture --test-threads=2 $(TEST)

test-outside: ## Test crates outside the workspace: boot an image, and run a driver's test on the host
	@tools/install cargo cc qemu
	cargo test -p switchboard-tests --test outside

test-counts: bench-build ## Count guest instructions of each operation; fail if one has grown
	@$(BENCH) instructions --check

test-load: ## Run the long QEMU tests, a million interrupts each; TEST=name selects tests
	@tools/install cargo cc qemu
	@$(MAKE) --no-print-directory instruments-build
	SWITCHBOARD_IMAGE="$(INSTRUMENTED)" SWITCHBOARD_DISK="$(FILES)" cargo test -p switchboard-tests --test qemu -- --ignored --nocapture --test-threads=1 $(TEST)

fuzz: ## Run each fuzz target for FUZZ_TIME seconds; TEST=name selects one
	@tools/check-variables FUZZ_TIME
	@tools/install cargo c++
	@tools/install cargo-fuzz
	@tools/fuzz $(FUZZ_TIME) $(TEST)

# Paths for the benchmarks.
BENCH_IMAGE = $(INSTRUMENTED)
BENCH = SWITCHBOARD_IMAGE="$(BENCH_IMAGE)" SWITCHBOARD_DISK="$(FILES)" BENCH_RESULTS="$(TARGET)/bench" \
	BENCH_PLUGIN="$(RELEASE)/libcount.so" "$(RELEASE)/switchboard-bench"

bench-build:
	@tools/install cargo cc qemu nm
	@$(MAKE) --no-print-directory instruments-build
	cargo build --release -p switchboard-count
	cargo build --release -p switchboard-bench
	@mkdir -p "$(TARGET)/bench"

bench: BENCH_IMAGE = $(IMAGE)
bench: bench-build bench-tls ## Compare the image with Linux and the limit of QEMU, in about ten minutes; BENCH_ARGS=--quick: faster
	@tools/install taskset cpio modinfo libc.a
	@tools/bench-guests "$(TARGET)/bench/guests"
	cargo build --release -p switchboard-image --no-default-features --target-dir "$(TARGET)/small"
	@strip -o "$(TARGET)/bench/stripped" "$(subst $(TARGET),$(TARGET)/small,$(IMAGE))"
	@$(MAKE) --no-print-directory bench-instructions
	@$(BENCH) run $(BENCH_ARGS)

# The image that serves https. The image without is built last, as above.
bench-tls:
	cargo build --release -p switchboard-image --features tls
	@mkdir -p "$(TARGET)/bench"
	@cp "$(IMAGE)" "$(TARGET)/bench/tls-image"
	@$(MAKE) --no-print-directory build

bench-instructions: bench-build ## Count guest instructions of each operation, and compare with the baseline; UPDATE=1 replaces it
	@$(BENCH) instructions $(if $(UPDATE),--update)

profile: ## Print the instructions of an operation by function: OP=http1, http16, file, udp, tcp, read, nvme, frame or boot
	@tools/check-variables OP
	@tools/install addr2line
	@$(MAKE) --no-print-directory bench-build
	@$(BENCH) profile $(OP)

bench-interrupts: ## Print the cost of an interrupt in instructions, and its parts
	@$(MAKE) --no-print-directory bench-build
	@$(BENCH) interrupts

devices: ## Write the README's table of devices from the match tables of the image's drivers
	@tools/install cargo cc
	UPDATE=1 cargo test --quiet -p switchboard-image --lib drivers::readme

cov: ## Print the line coverage of framework/ and drivers/ by tests on the host, on QEMU's device models and in the booted image
	@tools/install cargo cc qemu
	@tools/cov

small: ## Build the smallest image, without its optional features
	@tools/install cargo cc
	@tools/small

size: ## Print the size of the stripped image with several sets of features
	@tools/install cargo cc
	@tools/size

lint: ## Check with rustfmt, clippy and rustdoc; warnings are errors
	cargo fmt --all --check
	rustfmt --edition 2024 --check tests/outside/*/src/*.rs tests/outside/*/tests/*.rs tests/outside/*/build.rs
	cargo clippy $(HOST_CRATES) -p switchboard-tests -p switchboard-loom -p switchboard-fuzz -p switchboard-bench -p switchboard-count -p switchboard-ui --all-targets -- -D warnings
	cargo clippy --release -p switchboard-image -- -D warnings
	cargo clippy --release -p switchboard-image --features instruments -- -D warnings
	cargo clippy --release -p switchboard-image --no-default-features -- -D warnings
	cargo clippy -p switchboard-net -p switchboard-fileserver -p switchboard-runtime -p switchboard-x86-64 --no-default-features -- -D warnings
	for feature in ahci aml console e1000 e1000e edu gpu hotplug igb input ipv6 list mp-table multiboot nvme p9 panic-messages partitions rng rtl8139 scsi services shell status vmxnet3 vsock watch write xhci; do cargo check --quiet -p switchboard-image --lib --no-default-features --features $$feature || exit; done
	for feature in ipv6 mdns services sntp; do cargo check --quiet -p switchboard-net --no-default-features --features $$feature || exit; done
	for feature in ext4 fat list p9 partitions root write; do cargo check --quiet -p switchboard-fileserver --no-default-features --features $$feature || exit; done
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps $(HOST_CRATES) -p switchboard-tests -p switchboard-fuzz -p switchboard-bench -p switchboard-count
	# By itself: together with programs of the host, the features of its dependencies need std.
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps -p switchboard-boot
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps -p switchboard-image --lib
	@tools/check-words

check-portable: ## Check that framework and drivers compile for AArch64 and RISC-V; skipped where `core` is unavailable
	@tools/install cargo cc
	@tools/check-portable

package: ## Package every library crate, and build each from its package
	@tools/install cargo cc
	cargo package $(LIBRARY_CRATES) --allow-dirty

clean: ## Delete all build output
	cargo clean
