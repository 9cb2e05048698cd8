# shellcheck shell=sh disable=SC2154
# Sends the file $f, of which $b bytes are wanted: one that grows is sent to its old end. Then its facts (facts.sh).
# Set before: m the marker; o the stream of answers; f, b, and b divided by 65536: k, rest r.
# Answers: file:0:N and N bytes, or error:N and N bytes of the shell's own words; facts:KIND and a line; end:0
(
    LC_ALL=C
    export LC_ALL
    PATH=/usr/bin:/bin:$PATH
    if [ -h "$f" ] || { [ -e "$f" ] && ! [ -f "$f" ]; }; then
        e='no regular file'
    elif e=$( (: <"$f") 2>&1); then
        echo "$m:file:0:$b"
        {
            dd bs=65536 count="$k"
            [ "$r" = 0 ] || dd bs="$r" count=1
        } <"$f"
        echo
        e=
    else
        e=${e:-cannot be opened}
    fi
    if [ "$e" ]; then
        echo "$m:error:${#e}"
        echo "$e"
    fi
    # @facts
    echo "$m:facts:$kind"
    facts "$f"
) </dev/null 1>&"$o" 2>/dev/null
echo "$m:end:0" 1>&"$o"
