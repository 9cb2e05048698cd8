# shellcheck shell=sh
# Profile of a host: hardened, as security guides want it. Run as root on the host, before its setup scripts.
#
# sh is bash with a read-only TMOUT, umask 077, homes 0700, a /tmp of its own for each user, sudo with requiretty
# (but not for the login user) and use_pty, PAM for logins by ssh too. A script is installed in /opt/script.

ln -sf bash /bin/sh
echo 'readonly TMOUT=900; export TMOUT' >/etc/profile.d/tmout.sh
echo 'umask 077' >/etc/profile.d/umask.sh
sed -i 's/^UMASK.*/UMASK 077/' /etc/login.defs
chmod 700 /home/User_*

# What one user writes to /tmp no other one sees; the files are in /tmp-inst/USER.
mkdir -m 000 /tmp-inst
echo '/tmp /tmp-inst/ user root' >/etc/security/namespace.conf

cat >/etc/pam.d/common-account <<'END'
account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so
account requisite pam_deny.so
account required  pam_permit.so
END
cat >/etc/pam.d/common-session <<'END'
session optional pam_umask.so
session required pam_limits.so
session required pam_unix.so
session required pam_namespace.so unmnt_remnt
END
for service in su su-l sudo sudo-i sshd login other; do
    {
        case $service in
        su | su-l) echo 'auth sufficient pam_rootok.so' ;;
        sshd | login) echo 'account required pam_nologin.so' ;;
        esac
        echo 'auth required pam_unix.so'
        echo '@include common-account'
        echo 'password required pam_unix.so sha512'
        echo '@include common-session'
    } >/etc/pam.d/$service
done
sed -i 's/^UsePAM .*/UsePAM yes/' /etc/ssh/sshd_config

printf '%s\n' 'Defaults requiretty, use_pty' 'Defaults:User_VIP !requiretty' >/etc/sudoers.d/hardened
chmod 440 /etc/sudoers.d/hardened
