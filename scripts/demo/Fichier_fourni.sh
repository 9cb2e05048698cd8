#!/bin/sh
# A sample of a supplied script: writes its arguments, its user and the environment of the login shell to a log file.
#
# Of all other variables only the names are written, since their values may be confidential and the log is mailed.
set -u
LC_ALL=C
log=/tmp/fichier_$(uname -n)_log.txt
{
    echo "host        $(uname -n)"
    echo "date        $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    echo "script      $0"
    echo "arguments   $#"
    for argument in "$@"; do echo "            <$argument>"; done
    echo "user        $(id -un) ($(id -u)), groups: $(id -Gn)"
    echo "folder      $(pwd), umask $(umask)"
    echo "environment of the login shell:"
    for name in DOLLARU_HOME U_ENV HOME SHELL PATH; do
        echo "            $name=$(printenv "$name")"
    done
    echo "            and: $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' | sort | tr '\n' ' ')"
} >"$log"
echo "written: $log"
