# Shared by the scripts here: messages, checks of values, and what the project needs installed.
# Only bash, coreutils and what each script names: a fresh machine has nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# one_of NAME VALUE ALLOWED...: the value is among the allowed ones.
one_of() {
    local name=$1 value=$2 allowed
    shift 2
    for allowed in "$@"; do
        [[ $value != "$allowed" ]] || return 0
    done
    fail "$name=$value is not known; it is one of: $*"
}

# has TOOL: the tool is here. The tools are named as in `describe`.
has() {
    case $1 in
        qemu) command -v qemu-system-x86_64 >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# describe TOOL: what it is for.
describe() {
    case $1 in
        cargo) echo 'builds everything' ;;
        cc) echo 'links what cargo builds' ;;
        qemu) echo 'boots the image' ;;
        objdump) echo 'takes the image apart, in tests and in the bench' ;;
        gdb) echo 'make debug' ;;
        python3) echo 'asks lspci about dumps, in tests' ;;
        lspci) echo 'decodes dumps too, in tests' ;;
        tar) echo "makes the image's disk" ;;
        *) echo 'used by the scripts' ;;
    esac
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

# packages MANAGER TOOL...: the packages that hold the tools.
packages() {
    local manager=$1 tool
    shift
    for tool in "$@"; do
        case $tool:$manager in
            cargo:*) ;;
            cc:apt-get) echo gcc libc6-dev ;;
            cc:*) echo gcc ;;
            qemu:apt-get | qemu:pacman) echo qemu-system-x86 ;;
            qemu:dnf) echo qemu-system-x86-core ;;
            qemu:zypper) echo qemu-x86 ;;
            objdump:*) echo binutils ;;
            lspci:*) echo pciutils ;;
            *) echo "$tool" ;;
        esac
    done | tr '\n' ' '
}

# install_line TOOL...: the one line to type.
install_line() {
    local manager rust=() rest=() tool sudo=
    manager=$(package_manager)
    ((EUID == 0)) || sudo='sudo '
    for tool in "$@"; do
        if [[ $tool == cargo ]]; then
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
