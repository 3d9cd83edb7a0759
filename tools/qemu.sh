# The QEMU command of `make run`, from the Makefile's variables. Sourced after lib.sh.

# accelerator_works ACCEL: succeeds if it runs a guest that uses SSE. Nested KVM may exist and still hang or fail guests,
# so it is tested with a boot sector: set CR4.OSFXSR, clear and store an XMM register, then write
# 0x10 to the exit device, which makes QEMU end with status 33.
accelerator_works() {
    local sector status=0
    sector=$(mktemp)
    {
        printf '\x0f\x20\xe0\x66\x0d\x00\x06\x00\x00\x0f\x22\xe0\x0f\x57\xc0\x0f\x11\x06\x00\x06'
        printf '\xb0\x10\xba\xf4\x00\xee\xf4\xeb\xfd'
        head -c 481 /dev/zero
        printf '\x55\xaa'
    } >"$sector"
    timeout 5 qemu-system-x86_64 -accel "$1" -nodefaults -no-user-config -display none \
        -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
        -drive "file=$sector,format=raw,if=ide,snapshot=on" </dev/null >/dev/null 2>&1 || status=$?
    rm -f "$sector"
    ((status == 33))
}

# check_variable NAME: fails unless the variable of the Makefile has a valid value.
check_variable() {
    local word value=${!1}
    case $1 in
        MACHINE) one_of "$1" "$value" q35 pc microvm ;;
        BOOT)
            one_of "$1" "$value" pvh iso uefi
            [[ $value == pvh || $MACHINE != microvm ]] || fail "BOOT=$value: microvm has no CD to boot from"
            ;;
        NIC) one_of "$1" "$value" virtio e1000 e1000e igb rtl8139 vmxnet3 none ;;
        NET)
            one_of "$1" "$value" user tap
            [[ $value == user || -z $FORWARD ]] || fail 'NET=tap: FORWARD is of NET=user; the guest has an address of its own'
            ;;
        IRQ) one_of "$1" "$value" auto msix msi intx ;;
        ACCEL) one_of "$1" "$value" tcg kvm ;;
        PROFILE) one_of "$1" "$value" quick release ;;
        OP) one_of "$1" "$value" http1 http16 file udp tcp read nvme frame boot ;;
        PORT)
            [[ $value == auto ]] || { [[ $value =~ ^[1-9][0-9]*$ ]] && ((value < 65536)); } ||
                fail "PORT=$value is invalid; it is auto or 1 to 65535"
            ;;
        SMP) [[ $value =~ ^[1-9][0-9]*$ ]] || fail "SMP=$value is not a number of CPUs" ;;
        MEM) [[ $value =~ ^[1-9][0-9]*[MG]?$ ]] || fail "MEM=$value is not a size; it is a number of MiB, or ends in M or G" ;;
        FUZZ_TIME) [[ $value =~ ^[0-9]+$ ]] || fail "FUZZ_TIME=$value is not a number of seconds" ;;
        HOSTILE_TIME) [[ $value =~ ^[1-9][0-9]*$ ]] || fail "HOSTILE_TIME=$value is not a number of seconds" ;;
        DISK)
            [[ -z $value || $value == none || -r $value ]] ||
                fail "DISK=$value cannot be read; it is a raw disk image, or none"
            ;;
        FORWARD)
            for word in $value; do
                [[ $word =~ ^(tcp|udp):[0-9]+:[0-9]+$ ]] ||
                    fail "FORWARD=$value is invalid; it is a list of tcp:HOST:GUEST or udp:HOST:GUEST"
            done
            ;;
        *) fail "$1 is not a variable that can be checked" ;;
    esac
}

# qemu_has DEVICE: succeeds if QEMU has the device. That of an unknown one is an error on stderr, and yet status 0 on older QEMUs.
qemu_has() { [[ -n $(qemu-system-x86_64 -device "$1,help" 2>/dev/null) ]]; }

# is_listening PORT: succeeds if a process accepts connections there.
is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# choose_port: sets `port`, from PORT.
choose_port() {
    if [[ $PORT != auto ]]; then
        port=$PORT
        return
    fi
    for ((port = 8080; port < 8280; port++)); do
        is_listening "$port" || return 0
    done
    fail 'PORT=auto found no free port from 8080 to 8279'
}

# netdev: sets `netdev`, the user-mode network with its forwarded ports, or the tap.
netdev() {
    local word protocol host guest
    if [[ $NET == tap ]]; then
        # The one that `tap_start` made; this one if there is none yet.
        netdev=tap,id=net0,ifname=${tap:-sb-tap0},script=no,downscript=no
        return
    fi
    netdev=user,id=net0,hostfwd=tcp:127.0.0.1:$port-:80
    for word in $FORWARD; do
        IFS=: read -r protocol host guest <<<"$word"
        netdev+=,hostfwd=$protocol:127.0.0.1:$host-:$guest
    done
}

# kernel_command_line: sets `command_line`.
kernel_command_line() {
    check_variable IRQ
    command_line=
    [[ $IRQ == auto ]] || command_line+=" irq=$IRQ"
    command_line+="${tap_options:+ $tap_options}${APP:+ app=$APP}"
    # Last, as `-- WORDS` in it go to the app.
    command_line+="${ARGS:+ $ARGS}"
    command_line=${command_line# }
}

# machine: sets `machine`, the value of QEMU's -machine.
machine() {
    case $MACHINE in
        # Adds PCI Express, a serial port and a clock, which are off by default.
        microvm) machine=microvm,pcie=on,acpi=on,isa-serial=on,rtc=on,pit=on,pic=on,auto-kernel-cmdline=off ;;
        *) machine=$MACHINE ;;
    esac
}

# loader: sets `loader`, the arguments for the boot loader: QEMU itself, or GRUB from the ISO on SeaBIOS or UEFI.
loader() {
    # Read-only, so that several can run at once.
    local cd=(-drive "if=none,id=cd0,format=raw,media=cdrom,readonly=on,file=$ISO" -device ide-cd,drive=cd0,bootindex=0)
    case $BOOT in
        pvh)
            loader=(-kernel "$IMAGE")
            [[ -z $command_line ]] || loader+=(-append "$command_line")
            ;;
        iso) loader=("${cd[@]}") ;;
        uefi)
            has ovmf || fail "BOOT=uefi: no OVMF here; $(install_line ovmf)"
            # The variables are not stored, since a stored boot entry would take precedence.
            loader=(-drive "if=pflash,unit=0,format=raw,readonly=on,file=$(ovmf CODE)"
                -drive "if=pflash,unit=1,format=raw,snapshot=on,file=$(ovmf VARS)" "${cd[@]}")
            ;;
    esac
}

# qemu_command: sets `qemu`, the command as an array, `port`, `qemu_log` and `console_log`.
qemu_command() {
    local name
    for name in MACHINE BOOT NIC NET ACCEL SMP MEM DISK PORT FORWARD; do
        check_variable "$name"
    done
    choose_port

    # QEMU exits with status 0 both on a triple fault and when the user ends it: its log distinguishes them.
    qemu_log=$TARGET/qemu-$port.log
    # A copy of the console, for the addresses of a backtrace.
    console_log=$TARGET/console-$port.log
    local cpu=max
    [[ $ACCEL == tcg ]] || cpu=host
    machine
    kernel_command_line
    loader
    qemu=(qemu-system-x86_64 -accel "$ACCEL" -machine "$machine" -cpu "$cpu" -smp "$SMP" -m "$MEM"
        -nodefaults -no-user-config -display none -no-reboot -d cpu_reset -D "$qemu_log"
        -device isa-debug-exit,iobase=0xf4,iosize=0x04
        # Unlike `-serial mon:stdio`, this leaves Ctrl-C a signal; Ctrl-A x works too.
        -chardev "stdio,id=console,mux=on,signal=on,logfile=$console_log" -serial chardev:console -mon chardev=console
        "${loader[@]}")

    netdev
    # Without an option ROM: network boot is not used, and the firmware finishes sooner.
    case $NIC in
        virtio) qemu+=(-netdev "$netdev" -device virtio-net-pci,netdev=net0,romfile=) ;;
        e1000 | e1000e | igb | rtl8139 | vmxnet3)
            [[ $NIC != igb ]] || qemu_has igb || fail "NIC=igb: this QEMU has no such device; QEMU 8.0 and newer have igb"
            qemu+=(-netdev "$netdev" -device "$NIC,netdev=net0,romfile=")
            ;;
    esac
    case $DISK in
        none) ;;
        # Read-only, so that several can run at once.
        '') qemu+=(-drive "if=none,id=disk0,format=raw,readonly=on,file=$FILES" -device virtio-blk-pci,drive=disk0) ;;
        *) qemu+=(-drive "if=none,id=disk0,format=raw,file=$DISK" -device virtio-blk-pci,drive=disk0) ;;
    esac
    qemu+=(-device virtio-rng-pci -device edu)
    # QEMU_ARGS is split by the shell's rules, so that it can contain quoted words.
    local more=()
    [[ -z $QEMU_ARGS ]] || eval "more=($QEMU_ARGS)"
    qemu+=("${more[@]}")
}

# print_command: prints the command as one line for a shell, quoted where necessary.
print_command() {
    local word line=
    for word in "${qemu[@]}"; do
        if [[ $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]]; then line+=" $word"; else line+=" '${word//\'/\'\\\'\'}'"; fi
    done
    printf '%s\n' "${line# }"
}
