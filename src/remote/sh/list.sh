# shellcheck shell=sh disable=SC2154,SC2086
# Lists what the globs match: the names, then the facts of each (see facts.sh), then the beginnings of the first ones.
# Set before: m the marker; o the stream of answers; g the globs, as the shell reads them; k how many beginnings of
# files are sent. Answers: names:N and N bytes, a NUL behind each name · facts:KIND and lines · file:NTH:32768 and up
# to so many bytes · end:0
(
    LC_ALL=C
    export LC_ALL
    PATH=/usr/bin:/bin:$PATH
    eval "set -- $g"
    # Nothing that costs a process is run where no glob matches.
    there=
    for f do
        if [ -e "$f" ] || [ -h "$f" ]; then
            there=yes
            break
        fi
    done
    [ "$there" ] || set --
    n=0
    for f do n=$((n + ${#f} + 1)); done
    echo "$m:names:$n"
    for f do printf '%s\0' "$f"; done
    echo
    if [ "$there" ]; then
        # @facts
        echo "$m:facts:$kind"
        # No command line takes all names of a full folder.
        if [ $# -le 50 ]; then
            facts "$@"
        else
            (
                i=0
                for f do
                    [ "$i" -gt 0 ] || set --
                    set -- "$@" "$f"
                    i=$((i + 1))
                    if [ "$i" -eq 50 ]; then
                        facts "$@"
                        i=0
                    fi
                done
                [ "$i" -eq 0 ] || facts "$@"
            )
        fi
        i=0
        for f do
            [ "$k" -gt 0 ] || break
            if [ -s "$f" ] && [ -f "$f" ] && ! [ -h "$f" ] && [ -r "$f" ]; then
                # Whatever its length: the next message ends it. A longer one is sent again.
                k=$((k - 1))
                echo "$m:file:$i:32768"
                dd bs=32768 count=1 <"$f"
                echo
            fi
            i=$((i + 1))
        done
    fi
) </dev/null 1>&"$o" 2>/dev/null
echo "$m:end:0" 1>&"$o"
