# shellcheck shell=bash
# A real Postfix on a lab's gateway: listens on 127.0.0.1:25, delivers mail to all addresses of the lab's domains into
# one Maildir, and answers addresses that begin with `refuse` with 550. Other domains are refused; no name is looked
# up.
#
# Sourced by init.sh. Configuration, queue, mail and log are under DIR, where `sendmail` finds them by
# MAIL_CONFIG=DIR/postfix. `postfix start` is not used: its checks take seconds, and the master ends with process 1.

mta=$LAB_DIR/postfix
# The master opens its lock as user postfix, who may have no access to DIR. So the state goes to a tmpfs that is
# mounted over the machine's folder, in the lab's mount namespace only.
mta_state=/var/lib/postfix

mta_queue() {
    local folder
    mkdir -p "$mta/queue" "$LAB_DIR/maildir"/{new,cur,tmp}
    (
        cd "$mta/queue" || exit
        mkdir active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace
        chown postfix active bounce corrupt defer deferred flush hold incoming private saved trace
        chmod 700 active bounce corrupt defer deferred flush hold incoming private saved trace
        for folder in maildrop public; do chown postfix:postdrop "$folder"; done
        chmod 1730 maildrop
        chmod 710 public
    )
    mount -t tmpfs -o mode=755 lab "$mta_state"
    chown postfix:postfix "$mta_state"
    : >"$LAB_DIR/postfix.log"
    : >"$mta_state/mail.log"
    mount --bind "$LAB_DIR/postfix.log" "$mta_state/mail.log"
    # Postfix does not deliver as root; by this mount the delivering user needs no access to DIR either.
    mkdir "$mta_state/maildir"
    chown -R postfix:postfix "$LAB_DIR/maildir"
    mount --bind "$LAB_DIR/maildir" "$mta_state/maildir"
}

mta_main() {
    cat <<END
compatibility_level = 3.6
config_directory = $mta
queue_directory = $mta/queue
data_directory = $mta_state
daemon_directory = $mta_programs
maillog_file = $mta_state/mail.log
maillog_file_prefixes = /var
myhostname = gateway.example.fr
myorigin = localhost
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
biff = no
append_dot_mydomain = no
message_size_limit = $LAB_MTA_SIZE
mailbox_size_limit = 0
virtual_mailbox_limit = 0
queue_minfree = 0
virtual_mailbox_domains = regexp:$mta_state/domains
virtual_mailbox_base = $mta_state
virtual_mailbox_maps = static:maildir/
virtual_uid_maps = static:$(id -u postfix)
virtual_gid_maps = static:$(id -g postfix)
virtual_minimum_uid = 1
transport_maps = regexp:$mta_state/transport
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access regexp:$mta_state/refused, reject_unauth_destination
default_transport = error:5.1.2 no way out of the lab
smtpd_tls_security_level = none
smtp_tls_security_level = none
in_flow_delay = 0
END
}

# These files are in the tmpfs too, since a list in main.cf cannot hold the blanks and commas that DIR may have.
mta_maps() {
    echo '/^(.*\.)?example\.fr$|^localhost(\.localdomain)?$/ yes' >"$mta_state/domains"
    echo '/^refuse/ 550 5.1.1 no such user here' >"$mta_state/refused"
    echo '/^refuse.*@/ error:5.1.1 no such user here' >"$mta_state/transport"
    touch -d '1 minute ago' "$mta_state"/{domains,refused,transport}
}

mta_services() {
    cat <<'END'
127.0.0.1:25 inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n -  0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n -  - trivial-rewrite
bounce    unix - - n -  0 bounce
defer     unix - - n -  0 bounce
trace     unix - - n -  0 bounce
verify    unix - - n -  1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n -  - proxymap
smtp      unix - - n -  - smtp
error     unix - - n -  - error
retry     unix - - n -  - error
discard   unix - - n -  - discard
local     unix - n n -  - local
virtual   unix - n n -  - virtual
anvil     unix - - n -  1 anvil
scache    unix - - n -  1 scache
showq     unix n - n -  - showq
postlog   unix-dgram n - n - 1 postlogd
END
}

start_postfix() {
    mkdir -p "$mta"
    mta_programs=$(postconf -d -h daemon_directory)
    mta_main >"$mta/main.cf"
    mta_services >"$mta/master.cf"
    # Postfix waits 1.5 s before it uses files that were just written, so make them look older.
    touch -d '1 minute ago' "$mta"/{main,master}.cf
    mta_queue
    mta_maps
    MAIL_CONFIG=$mta setsid "$mta_programs/master" -c "$mta" -d \
        </dev/null >>"$LAB_DIR/postfix.log" 2>&1 9>&- &
    mta_master=$!
}

await_postfix() {
    until (: <>/dev/tcp/127.0.0.1/25) 2>/dev/null; do
        if ! kill -0 "$mta_master" 2>/dev/null || ! pause; then
            cat "$LAB_DIR/postfix.log" >&2
            die "postfix does not start; its output is above, and in $LAB_DIR/postfix.log"
        fi
    done
}
