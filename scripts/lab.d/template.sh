# shellcheck shell=bash
# Makes the two overlay layers that all hosts of a lab share.
#
#   hide/  hides folders of the machine (in an overlay, a character device 0,0 marks a deleted name)
#   top/   users, sudoers, PAM, sshd's configuration, device nodes, empty folders
#
# Sourced by init.sh. Nothing is written to the machine's disk: both layers are in the lab's tmpfs.

hidden=(dev tmp home root run var/tmp var/log var/mail var/spool etc/ssh etc/sudoers.d etc/pam.d)

make_template() { # FOLDER CLIENT_KEY.pub
    hide_folders "$1/hide"
    (
        umask 022
        mkdir -p "$1/top" "$1/host"
        cd "$1/top" || exit
        make_folders
        make_devices
        make_accounts
        make_homes "$2"
        make_pam
        make_sudoers
        make_sshd
        # Shows that a root is that of a host and not that of the machine.
        : >.lab
    )
}

hide_folders() {
    local folder
    mkdir -p "$1/etc" "$1/var"
    for folder in "${hidden[@]}"; do mknod "$1/$folder" c 0 0; done
}

make_folders() {
    mkdir -p dev/pts dev/shm proc sys home root run/sshd run/lock tmp \
        var/tmp var/log var/mail var/spool etc/ssh etc/sudoers.d etc/pam.d
    chmod 1777 tmp var/tmp dev/shm run/lock
    chmod 700 root
    chmod 750 etc/sudoers.d
    : >var/log/sshd.log
}

make_devices() {
    mknod -m 666 dev/null c 1 3
    mknod -m 666 dev/zero c 1 5
    mknod -m 666 dev/full c 1 7
    mknod -m 666 dev/random c 1 8
    mknod -m 666 dev/urandom c 1 9
    mknod -m 666 dev/tty c 5 0
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s /proc/self/fd/0 dev/stdin
    ln -s /proc/self/fd/1 dev/stdout
    ln -s /proc/self/fd/2 dev/stderr
}

# The machine's accounts and those of the lab. The password `*` matches nothing, but does not lock out login by key.
make_accounts() {
    local file
    for file in passwd group shadow gshadow; do
        [[ ! -e /etc/$file ]] || grep -v '^User_' "/etc/$file" >"etc/$file" || true
    done
    cat >>etc/passwd <<'END'
User_VIP:x:7701:7701:VIP:/home/User_VIP:/bin/bash
User_DollarU:x:7702:7702:Dollar Universe:/home/User_DollarU:/bin/bash
END
    printf 'User_VIP:x:7701:\nUser_DollarU:x:7702:\n' >>etc/group
    printf 'User_VIP:*:19000:0:99999:7:::\nUser_DollarU:*:19000:0:99999:7:::\n' >>etc/shadow
    printf 'User_VIP:!::\nUser_DollarU:!::\n' >>etc/gshadow
    chmod 640 etc/shadow etc/gshadow
    # Only files, so that nothing waits for a name server or a directory service.
    printf '%s: files\n' passwd group shadow gshadow hosts networks protocols services >etc/nsswitch.conf
    : >etc/resolv.conf
}

make_homes() { # CLIENT_KEY.pub
    local vip=home/User_VIP user=home/User_DollarU
    # Where users may not enter each other's homes, this is the folder of the script.
    mkdir -p "$vip/script" "$vip/.ssh" "$user" opt/script
    [[ ! -d /etc/skel ]] || { cp -a /etc/skel/. "$vip/" && cp -a /etc/skel/. "$user/"; }
    cp "$1" "$vip/.ssh/authorized_keys"
    cat >>"$user/.profile" <<'END'

# Dollar Universe
export DOLLARU_HOME=/opt/dollaru
export U_ENV=production
END
    chmod 755 "$vip" "$vip/script" "$user" opt/script
    chmod 700 "$vip/.ssh"
    chmod 600 "$vip/.ssh/authorized_keys"
    chown -R 7701:7701 "$vip" opt/script
    chown -R 7702:7702 "$user"
}

# PAM rules in place of the machine's, which may start sessions, mount home folders or contact servers.
make_pam() {
    local file
    for file in su su-l sudo sudo-i sshd login other; do
        cat >"etc/pam.d/$file" <<'END'
auth     sufficient pam_rootok.so
auth     required   pam_unix.so
account  required   pam_unix.so
password required   pam_unix.so
session  required   pam_limits.so
session  required   pam_unix.so
END
    done
}

make_sudoers() {
    cat >etc/sudoers <<'END'
Defaults env_reset, use_pty, !mail_no_user, !mail_badpass
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
END
    cat >etc/sudoers.d/vip <<'END'
User_VIP ALL=(root) NOPASSWD: /usr/bin/su - User_DollarU, /usr/bin/su - User_DollarU -c *
END
    chmod 440 etc/sudoers etc/sudoers.d/vip
}

make_sshd() {
    # The key exchange of most fleets: the default of OpenSSH 9 costs about 200 ms of processor time per connection.
    cat >etc/ssh/sshd_config <<'END'
Port 22
AddressFamily inet
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
LogLevel VERBOSE
KexAlgorithms curve25519-sha256
UsePAM no
UseDNS no
StrictModes no
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
X11Forwarding no
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
END
}
