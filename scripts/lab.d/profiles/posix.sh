# shellcheck shell=sh
# Profile of a host: like an old Unix, with POSIX's commands and no more where it matters. Run as root on the host.
#
# sh and the users' shell are ksh93; there is no stat; head takes no -c, date no %s.

# A command that refuses an argument in which a pattern occurs, as its own usage error, and is GNU's otherwise.
refuse() { # COMMAND PATTERN
    mv "/usr/bin/$1" "/usr/libexec/$1"
    cat >"/usr/bin/$1" <<END
#!/bin/ksh93
for argument do
    case \$argument in
    $2)
        echo "$1: bad option: \$argument" >&2
        exit 1
        ;;
    esac
done
exec /usr/libexec/$1 "\$@"
END
    chmod 755 "/usr/bin/$1"
}

mkdir -p /usr/libexec
rm /usr/bin/stat
refuse head '-c*|--bytes*'
refuse date '+*%s*'
ln -sf ksh93 /bin/sh
sed -i '/^User_/s,/bin/bash$,/bin/ksh93,' /etc/passwd
