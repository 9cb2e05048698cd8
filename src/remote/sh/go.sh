# shellcheck shell=sh disable=SC2154,SC2086
# Runs the supplied script, "$@", once, and waits for its end.
# Set before: m the marker; o the stream of answers; i the run's id; same(), which compares "$@" with what was meant.
# Answers: refused:arguments, refused:executable, or exit:STATUS behind the script's output, on both streams.
# A newline on stdin, or its end, stops the script: TERM, ten seconds later KILL, to its process group.
exec 3<&0 4>&2 5>&"$o" 6>&1 2>/dev/null
if ! same "$@"; then
    echo "$m:refused:arguments" >&5
elif ! [ -x "$1" ]; then
    echo "$m:refused:executable" >&5
else
    # The host's own log is told, where it has one; nobody waits for it.
    logger -t recolte "begun $i $1" </dev/null >/dev/null 3<&- 4>&- 5>&- 6>&- &
    # A session of its own: `kill 0` in the script spares this shell. Job control does the same where setsid is
    # missing.
    for s in /usr/bin/setsid /bin/setsid ''; do [ -x "$s" ] && break; done
    # The script runs in the foreground: in the background it would ignore INT and QUIT. Its process id, then its
    # status, go through the pipe to the part that waits.
    if [ "$s" ]; then
        # ksh93 would end with a script that INT ended.
        trap : INT QUIT
        # In a subshell: dash would tell of its death where the stderr of the script goes.
        (exec /bin/sh -c 'echo $$ >&7; exec "$@" 7>&-' sh "$s" "$@" 7>&1 </dev/null >&6 2>&4 3<&- 4>&- 5>&- 6>&-)
        echo "$?"
    else
        set -m
        "$@" </dev/null >&6 2>&4 3<&- 4>&- 5>&- 6>&- &
        echo "$!"
        wait "$!"
        echo "$?"
    fi | {
        read -r p
        # The watcher. USR2 ends it as long as nobody asked it to stop the script: a profile may ignore other signals.
        (
            PATH=/usr/bin:/bin:$PATH
            read -r _ <&3
            trap '' USR2
            # The process alone where it has no group of its own: without setsid dash and busybox make none.
            signal() { kill "$1" "-$p" || kill "$1" "$p"; }
            signal -TERM
            # A stopped process takes TERM only once it goes on.
            signal -CONT
            sleep 0.1
            n=0
            while [ "$n" -lt 10 ] && signal -0; do
                sleep 1
                n=$((n + 1))
            done
            signal -KILL
        ) >/dev/null 4>&- 5>&- 6>&- &
        w=$!
        read -r r
        kill -USR2 "$w"
        wait "$w"
        # Where the script killed the shell that waited for it, there is no status. ksh93 says 256 and the signal's
        # number where others say 128.
        r=${r:-137}
        [ "$r" -le 256 ] || r=$((r - 128))
        echo "$m:exit:$r" >&6
        echo "$m:exit:$r" >&4
    }
fi
exec 2>&4 3<&- 4>&- 5>&- 6>&-
