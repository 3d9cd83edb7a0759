# Functions shared by the scripts: messages, checks of values, and the tools that the project needs.
# Uses only bash and coreutils, as a fresh machine may have nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# one_of NAME VALUE ALLOWED...: fails unless the value is one of the allowed ones.
one_of() {
    local name=$1 value=$2 allowed
    shift 2
    for allowed in "$@"; do
        [[ $value != "$allowed" ]] || return 0
    done
    fail "$name=$value is invalid; it is one of: $*"
}

# has TOOL: succeeds if the tool is installed. The tools are named as in `describe`.
has() {
    case $1 in
        qemu) command -v qemu-system-x86_64 >/dev/null ;;
        grub) grub_mkrescue >/dev/null && grub_platform i386-pc && grub_platform x86_64-efi ;;
        mtools) command -v mformat >/dev/null ;;
        libc.a) [[ -e $(cc -print-file-name=libc.a 2>/dev/null) ]] ;;
        ovmf) ovmf CODE >/dev/null && ovmf VARS >/dev/null ;;
        mosquitto) command -v mosquitto >/dev/null || [[ -x /usr/sbin/mosquitto ]] ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# describe TOOL: prints its purpose.
describe() {
    case $1 in
        cargo) echo 'builds everything' ;;
        cc) echo 'links what cargo builds' ;;
        c++) echo 'builds libFuzzer' ;;
        cargo-fuzz) echo 'make fuzz' ;;
        qemu) echo 'boots the image' ;;
        objdump | nm | addr2line) echo 'inspects the image, in tests and benchmarks' ;;
        taskset) echo 'pins benchmarks to one CPU' ;;
        cpio | modinfo | libc.a) echo 'makes the Linux guest of the bench' ;;
        gdb) echo 'make debug' ;;
        python3) echo 'runs lspci on dumps, in tests' ;;
        lspci) echo 'decodes dumps for comparison, in tests' ;;
        tar) echo "makes the image's disk" ;;
        grub | xorriso | mtools | xz) echo 'makes the ISO' ;;
        ovmf) echo 'UEFI in QEMU' ;;
        openssl | mosquitto) echo 'servers for the clients in the image, in tests' ;;
        ip | tc | nft | dnsmasq) echo 'Linux hosts beside the image, in tests' ;;
        *) echo 'used by the scripts' ;;
    esac
}

# grub_mkrescue: prints the path of grub-mkrescue, named grub2-mkrescue on some systems.
grub_mkrescue() { command -v grub-mkrescue || command -v grub2-mkrescue; }

# grub_platform NAME: succeeds if GRUB's modules for the platform are installed.
grub_platform() { compgen -G "/usr/lib/grub*/$1/multiboot2.mod" >/dev/null; }

# ovmf CODE|VARS: prints the path of the UEFI firmware, or of its initial variables.
ovmf() {
    local file
    for file in "/usr/share/OVMF/OVMF_$1_4M.fd" "/usr/share/OVMF/OVMF_$1.fd" "/usr/share/edk2/ovmf/OVMF_$1.fd" \
        "/usr/share/edk2/x64/OVMF_$1.4m.fd" "/usr/share/qemu/ovmf-x86_64-4m-${1,,}.bin"; do
        if [[ -r $file ]]; then
            echo "$file"
            return
        fi
    done
    return 1
}

package_manager() {
    local manager
    for manager in apt-get dnf pacman zypper; do
        if command -v "$manager" >/dev/null; then
            echo "$manager"
            return
        fi
    done
}

# packages MANAGER TOOL...: prints the packages that contain the tools.
packages() {
    local manager=$1 tool
    shift
    for tool in "$@"; do
        case $tool:$manager in
            cargo:* | cargo-fuzz:*) ;;
            c++:apt-get | c++:zypper) echo g++ ;;
            c++:dnf) echo gcc-c++ ;;
            c++:*) echo gcc ;;
            cc:apt-get) echo gcc libc6-dev ;;
            cc:*) echo gcc ;;
            qemu:apt-get | qemu:pacman) echo qemu-system-x86 ;;
            qemu:dnf) echo qemu-system-x86-core ;;
            qemu:zypper) echo qemu-x86 ;;
            objdump:* | nm:* | addr2line:*) echo binutils ;;
            taskset:*) echo util-linux ;;
            modinfo:*) echo kmod ;;
            libc.a:apt-get) echo libc6-dev ;;
            libc.a:*) echo glibc-static ;;
            grub:apt-get) echo grub-common grub-pc-bin grub-efi-amd64-bin ;;
            grub:dnf) echo grub2-tools-extra grub2-pc-modules grub2-efi-x64-modules ;;
            grub:zypper) echo grub2-i386-pc grub2-x86_64-efi ;;
            xorriso:pacman) echo libisoburn ;;
            ovmf:dnf | ovmf:pacman) echo edk2-ovmf ;;
            ovmf:zypper) echo qemu-ovmf-x86_64 ;;
            ip:dnf | tc:dnf) echo iproute iproute-tc ;;
            ip:* | tc:*) echo iproute2 ;;
            nft:*) echo nftables ;;
            dnsmasq:apt-get) echo dnsmasq-base ;;
            lspci:*) echo pciutils ;;
            xz:apt-get) echo xz-utils ;;
            *) echo "$tool" ;;
        esac
    done | tr '\n' ' '
}

# install_line TOOL...: prints the command that installs them.
install_line() {
    local manager rust=() rest=() tool sudo=
    manager=$(package_manager)
    ((EUID == 0)) || sudo='sudo '
    for tool in "$@"; do
        if [[ $tool == cargo-fuzz ]]; then
            rust=('cargo install --locked cargo-fuzz')
        elif [[ $tool == cargo ]]; then
            rust=("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y")
        else
            rest+=("$tool")
        fi
    done
    if ((${#rest[@]})); then
        local names
        names=$(packages "$manager" "${rest[@]}")
        case $manager in
            apt-get) rest=("${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${names% }") ;;
            dnf) rest=("${sudo}dnf install -y ${names% }") ;;
            pacman) rest=("${sudo}pacman -S --needed ${names% }") ;;
            zypper) rest=("${sudo}zypper install -y ${names% }") ;;
            *) rest=("install, with your system's package manager: ${rest[*]}") ;;
        esac
    fi
    local both=("${rest[@]}" "${rust[@]}")
    if ((${#both[@]} == 2)); then echo "${both[0]} && ${both[1]}"; else echo "${both[0]}"; fi
}
