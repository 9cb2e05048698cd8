# shellcheck shell=sh
# Profile of a host: Debian 11, with its OpenSSH, sudo, su and bash. Run as root on the host, whose root layer.sh has
# made from packages that no script of theirs has configured.

[ -e /bin/sh ] || ln -s dash /bin/sh
[ -e /usr/bin/awk ] || ln -s gawk /usr/bin/awk
