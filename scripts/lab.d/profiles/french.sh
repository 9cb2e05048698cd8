# shellcheck shell=sh
# Profile of a host: everybody's language is French, and the commands speak it. Run as root on the host, whose
# translations and locale layer.sh has made.

echo 'LANG=fr_FR.UTF-8' >/etc/default/locale
for service in su su-l sudo sudo-i sshd login; do
    echo 'session required pam_env.so envfile=/etc/default/locale' >>/etc/pam.d/$service
done
sed -i '1i account required pam_nologin.so' /etc/pam.d/sshd
sed -i 's/^UsePAM .*/UsePAM yes/' /etc/ssh/sshd_config
