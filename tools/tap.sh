# The tap of `make run NET=tap`: a network of this host and the guest alone. Sourced after qemu.sh.

# The name of the device, the guest's address, and the options of the kernel command line; empty without a tap.
tap= tap_guest= tap_options=
tap_dnsmasq=

# tap_start: makes a tap with an address for this host, and starts dnsmasq on it where that is installed; prints what it did.
tap_start() {
    local number network
    ((EUID == 0)) || fail 'NET=tap: only root may make a network device; use NET=user'
    [[ -e /dev/net/tun ]] || fail 'NET=tap: there is no /dev/net/tun; use NET=user'
    command -v ip >/dev/null || fail "NET=tap: there is no ip; $(install_line ip)"
    for ((number = 0; number < 100; number++)); do
        # Of the network for benchmarks (RFC 2544), which no LAN should have.
        network=198.18.$number
        [[ ! -e /sys/class/net/sb-tap$number && -z $(ip route show "$network.0/24") ]] && break
    done
    ((number < 100)) || fail 'NET=tap: 100 taps are in use'
    trap tap_end EXIT
    tap=sb-tap$number tap_guest=$network.2
    ip tuntap add "$tap" mode tap || { tap=; fail 'NET=tap: the kernel refused; its message is above'; }
    ip addr add "$network.1/24" dev "$tap"
    ip link set "$tap" up
    say "made $tap with the address $network.1; the guest's is $tap_guest, and it reaches only this host"
    if command -v dnsmasq >/dev/null; then
        dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --leasefile-ro --log-facility=- --quiet-dhcp \
            --port=0 --bind-interfaces --interface="$tap" --except-interface=lo --dhcp-authoritative \
            --dhcp-range="$tap_guest,$tap_guest,1h" </dev/null >/dev/null 2>&1 &
        tap_dnsmasq=$!
        say "started dnsmasq on $tap, which gives the guest its address"
    else
        tap_options="ip=$tap_guest/24,$network.1"
        say "no dnsmasq here: the guest gets its address on its command line ($tap_options)"
    fi
}

# tap_end: removes what tap_start made.
tap_end() {
    [[ -n $tap ]] || return 0
    [[ -z $tap_dnsmasq ]] || kill "$tap_dnsmasq" 2>/dev/null || true
    # QEMU may still hold it for a moment.
    ip link delete "$tap" 2>/dev/null || true
    say "removed $tap"
    tap=
}
