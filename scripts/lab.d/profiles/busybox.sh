# shellcheck shell=sh
# Profile of a host: busybox as its userland, as on a small appliance. Run as root on the host.
#
# Each command that busybox has is that of busybox: sh, su, ls, stat, … Its su knows neither PAM nor the age of a
# password. sshd and sudo are Debian's. bash stays only for `lab sh`; the users' shell is busybox's.

busybox=$(command -v busybox)
commands=$($busybox --list | $busybox grep -vx busybox)
for folder in /usr/sbin /usr/bin; do
    cd $folder || exit
    # shellcheck disable=SC2086 # one word for each command
    $busybox rm -f $commands
done
$busybox --install -s /usr/bin
# Accounts name it here.
ln -s "$busybox" /usr/sbin/nologin
sed -i '/^User_/s,/bin/bash$,/bin/sh,' /etc/passwd
