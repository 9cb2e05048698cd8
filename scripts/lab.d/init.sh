#!/usr/bin/env bash
# The inside of a lab, run by `lab` in the lab's own net, mount, pid, uts and ipc namespaces.
#
#   init.sh boot HOST...   process 1 of the lab: starts everything, prints `ready`, stays until stdin ends or TERM
#   init.sh add  HOST...   a short-lived process that starts more hosts in the running lab
#
# When process 1 ends, for any reason, the kernel ends all processes of the lab.
# /proc stays that of the machine here, so that processes learn their PIDs as the machine sees them.
set -euo pipefail

: "${LAB_DIR:?}" "${LAB_PARTS:?}" "${LAB_WAIT:?}" "${LAB_LATENCY:?}" "${LAB_PROFILES?}" "${LAB_LAYERS:?}"
bridge=lab0
gateway=10.77.0.1
gateway_mac=02:4d:00:00:00:01
deadline=$((SECONDS + LAB_WAIT))

# shellcheck source=scripts/lab.d/template.sh
source "$LAB_PARTS/template.sh"
# shellcheck source=scripts/lab.d/postfix.sh
source "$LAB_PARTS/postfix.sh"

die() {
    echo "lab: $*" >&2
    exit 3
}

# Sleeps for a short time without starting a process, and ends the lab if stdin has ended.
pause() {
    local status=0
    if [[ $mode = boot ]]; then
        read -r -t 0.02 || status=$?
        [[ $status -ne 1 ]] || exit 0
    else
        read -r -t 0.02 <>"$LAB_DIR/work/never" || true
    fi
    [[ $SECONDS -lt $deadline ]] || return 1
}

gateway_network() {
    # IPv6 would only cause delays (duplicate address detection). lo keeps it, since programs expect ::1.
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null || true
    ip -batch - <<END
link set lo up
link add $bridge address $gateway_mac type bridge stp_state 0 mcast_snooping 0
addr add $gateway/16 dev $bridge
link set $bridge up
route replace 10.77.0.0/16 dev $bridge proto kernel src $gateway quickack 1
END
}

client_key() {
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$LAB_DIR/id_ed25519"
}

# The n-th host has the address 10.77.(1 + n/250).(1 + n%250); its network link is called h<n> in the gateway.
place() { # N; sets x, y, mac
    x=$((1 + $1 / 250)) y=$((1 + $1 % 250))
    printf -v mac '02:4d:00:00:%02x:%02x' "$x" "$y"
}

launch() { # NAME N
    local home=$LAB_DIR/hosts/$1
    place "$2"
    echo "10.77.$x.$y" >"$home/address"
    echo "h$2" >"$home/link"
    : >"$home/sshd.log"
    LAB_SELF=$self LAB_GATEWAY=$gateway LAB_GATEWAY_MAC=$gateway_mac \
        unshare --mount --uts --ipc --net --pid --fork --propagation unchanged \
        sh "$LAB_PARTS/host.sh" "$1" "10.77.$x.$y" "$mac" "h$2" \
        </dev/null >"$home/boot.log" 2>&1 9>&- &
}

# A host is ready when it has changed to its own root (/.lab exists only there) and sshd listens or must not run.
is_ready() { # NAME; sets pid
    pid=''
    [[ -s $LAB_DIR/hosts/$1/pid ]] && read -r pid <"$LAB_DIR/hosts/$1/pid" || return 1
    local root=/proc/$pid/root
    [[ -e $root/.lab ]] || return 1
    [[ -s $root/run/sshd.pid || -e $root/etc/ssh/sshd_not_to_be_run ]]
}

host_failed() { # NAME WHY
    sed "s/^/$1: /" "$LAB_DIR/hosts/$1/boot.log" "$LAB_DIR/hosts/$1/sshd.log" | tail -n 20 >&2
    die "host $1 $2; its output is above, and in $LAB_DIR/hosts/$1/boot.log"
}

# Waits for one host after the other: all must be ready anyway, and polling hundreds at once would slow them down.
await() { # NAME... ; process numbers in `started`
    local name
    for name in "$@"; do
        until is_ready "$name"; do
            kill -0 "${started[$name]}" 2>/dev/null || host_failed "$name" "did not start"
            pause || host_failed "$name" "has not started after $LAB_WAIT s"
        done
    done
}

# The address for ssh_config: the host's own, or that of the proxy that adds the latency.
public_address() { # sets shown
    shown=10.77.$x.$y
    [[ $LAB_LATENCY = 0 ]] || shown=127.77.$x.$y
}

connect_all() { # FIRST NAME...
    local n=$1 name
    shift
    for name in "$@"; do
        place "$n"
        echo "link set h$n master $bridge up"
        # A permanent neighbour entry, since the kernel limits the number of those that it learns.
        echo "neigh replace 10.77.$x.$y lladdr $mac nud permanent dev $bridge"
        n=$((n + 1))
    done | ip -batch -
}

describe_all() { # FIRST NAME... ; appends to ssh_config and known_hosts
    local n=$1 name pid file key rest
    # In ssh_config a % starts a token, so it is doubled.
    local here=${LAB_DIR//%/%%}
    shift
    for name in "$@"; do
        place "$n"
        public_address
        is_ready "$name" || true
        cat <<END

Host $name
    HostName $shown
    User User_VIP
    IdentityFile "$here/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "$here/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
END
        for file in /proc/"$pid"/root/etc/ssh/ssh_host_*_key.pub; do
            [[ -e $file ]] || continue
            read -r key rest <"$file"
            echo "$name,$shown $key ${rest%% *}" >&3
        done
        n=$((n + 1))
    done >>"$LAB_DIR/ssh_config" 3>>"$LAB_DIR/known_hosts"
}

start_proxy() { # FIRST COUNT
    local n map=()
    for ((n = $1; n < $1 + $2; n++)); do
        place "$n"
        map+=("127.77.$x.$y=10.77.$x.$y")
    done
    local ready=$LAB_DIR/work/proxy.$1
    printf '%s\n' "${map[@]}" | python3 -I "$LAB_PARTS/latency.py" "$LAB_LATENCY" "$ready" \
        >>"$LAB_DIR/latency.log" 2>&1 9>&- &
    local proxy=$!
    until [[ -e $ready ]]; do
        if ! kill -0 "$proxy" 2>/dev/null || ! pause; then
            die "the latency proxy does not start; see $LAB_DIR/latency.log"
        fi
    done
}

start_hosts() { # NAME...
    [[ $# -gt 0 ]] || return 0
    local first name n folders=()
    read -r first <"$LAB_DIR/work/count"
    [[ $((first + $#)) -le 1000 ]] || die "a lab holds 1000 hosts at most"
    for name in "$@"; do
        [[ ! -s $LAB_DIR/hosts/$name/pid ]] || die "$name is already in this lab"
        folders+=("$LAB_DIR/hosts/$name" "$LAB_DIR/work/host/$name")
    done
    mkdir -p -- "${folders[@]}"
    echo $((first + $#)) >"$LAB_DIR/work/count"
    local -A started=()
    n=$first
    for name in "$@"; do
        launch "$name" "$n"
        started[$name]=$!
        n=$((n + 1))
    done
    await "$@"
    connect_all "$first" "$@"
    [[ $LAB_LATENCY = 0 ]] || start_proxy "$first" $#
    describe_all "$first" "$@"
}

boot() {
    trap 'exit 0' TERM
    echo "$self" >"$LAB_DIR/pid"
    mkdir -p -- "$LAB_DIR/work" "$LAB_DIR/hosts"
    mount -t tmpfs -o mode=755 lab "$LAB_DIR/work"
    echo 0 >"$LAB_DIR/work/count"
    mkfifo "$LAB_DIR/work/never"
    mkdir "$LAB_DIR/work/old"
    [[ ! -d $LAB_LAYERS/old ]] || mount --bind "$LAB_LAYERS/old" "$LAB_DIR/work/old"
    gateway_network
    client_key
    make_template "$LAB_DIR/work" "$LAB_DIR/id_ed25519.pub"
    : >"$LAB_DIR/ssh_config"
    : >"$LAB_DIR/known_hosts"
    [[ -z $LAB_MTA ]] || start_postfix
    start_hosts "$@"
    [[ -z $LAB_MTA ]] || await_postfix
    echo ready
    # The caller reads only that one line.
    exec >/dev/null
    while read -r || [[ $? -gt 128 ]]; do :; done
}

mode=$1 && shift
read -r self _ </proc/self/stat
case $mode in
boot) boot "$@" ;;
add)
    read -r self <"$LAB_DIR/pid"
    start_hosts "$@"
    ;;
esac
