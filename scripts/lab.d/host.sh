#!/bin/sh
# One host of a lab: run by init.sh as process 1 of the host's own mount, uts, ipc, net and pid namespaces.
#
#   host.sh NAME ADDRESS MAC LINK
#
# Makes the host's root file system (an overlay of three layers: the machine's files, the template, a tmpfs of the
# host), its network and its key; runs the profile and the setup scripts; then stays as a minimal init that reaps
# orphans. It starts as few programs as possible, since hundreds of hosts are started at once.
set -eu

name=$1 address=$2 mac=$3 cable=$4
read -r pid _ </proc/self/stat
echo "$pid" >"$LAB_DIR/hosts/$name/pid"
echo "$name" >/proc/sys/kernel/hostname

# quickack: without it, delayed TCP acknowledgements slow every ssh connection down by 80 ms.
# /proc is still that of the machine here, so the gateway's network namespace can be named by its PID.
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null || true
ip -batch - <<END
link add eth0 address $mac type veth peer name $cable netns /proc/$LAB_SELF/ns/net
addr add $address/16 dev eth0
link set lo up
link set eth0 up
neigh replace $LAB_GATEWAY lladdr $LAB_GATEWAY_MAC nud permanent dev eth0
route replace 10.77.0.0/16 dev eth0 proto kernel src $address quickack 1
END

# LAB_PROFILES holds the words HOST=PROFILE.
profile=
case " $LAB_PROFILES " in *" $name="*)
    profile=${LAB_PROFILES##*" $name="}
    profile=${profile%% *}
    ;;
esac
files=/
[ "$profile" != old ] || files=../../old

# Relative paths, since the options of an overlay cannot hold the commas and colons that an absolute path may have.
disk=$LAB_DIR/work/host/$name
mount -t tmpfs -o "mode=755${LAB_DISK:+,size=$LAB_DISK}" lab "$disk"
cd "$disk"
mkdir upper work root
mount -t overlay -o lowerdir=../../top:../../hide:$files,upperdir=upper,workdir=work lab "$disk/root"
[ "$profile" != french ] || cp -R "$LAB_LAYERS/french/." root/
mount -t proc proc root/proc
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts root/dev/pts
mount --bind "$LAB_DIR/hosts/$name/sshd.log" root/var/log/sshd.log
printf '%s\n' "$name" >root/etc/hostname
printf '127.0.0.1 localhost\n%s %s\n' "$address" "$name" >root/etc/hosts
ssh-keygen -q -t ed25519 -N '' -C "$name" -f root/etc/ssh/ssh_host_ed25519_key

for setup in "${profile:+$LAB_PARTS/profiles/$profile.sh}" "$LAB_DIR/setup/all.sh" "$LAB_DIR/setup/$name.sh"; do
    if [ -e "$setup" ]; then
        # Passed as an open file, since the script is outside the host's root.
        LAB_HOST=$name chroot root /bin/sh /dev/fd/7 7<"$setup" || {
            echo "$setup failed with status $?"
            exit 1
        }
    fi
done

# Process 1 must outlive sshd; `wait` reaps the orphans that it inherits.
# shellcheck disable=SC2016
exec env -i PATH="$PATH" chroot root /bin/sh -c '
    cd /
    [ -e /etc/ssh/sshd_not_to_be_run ] || /usr/sbin/sshd -E /var/log/sshd.log || exit 1
    while :; do sleep infinity & wait; done'
