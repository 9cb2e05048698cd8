# shellcheck shell=sh disable=SC2154
# Tells two lines about the install folder $d: its device and inode, and how many others are in the login user's
# group.
LC_ALL=C
export LC_ALL
stat -c '%d %i' -- "$d" 2>/dev/null || echo
g=$(id -g)
u=$(id -un)
{
    getent group "$g" | cut -d: -f4 | tr ',' '\n'
    getent passwd | awk -F: -v g="$g" '$4 == g { print $1 }'
} 2>/dev/null | sort -u | grep -c -v -e '^$' -e "^$u\$"
