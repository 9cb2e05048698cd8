# shellcheck shell=sh disable=SC2154
# Puts the script and the launcher into the install folder, and prints what lies there.
# Set before: t the staged copy; s the script's path; n a temporary name beside it; x its mode; w the launcher's path,
# or nothing; l the launcher's text; c "check" to leave no script; a "again" after an earlier attempt. Ends with
# status 0, or with the words of cp or chmod on stderr.
LC_ALL=C
export LC_ALL
umask 077
# An earlier attempt of the run may still hang in this program: each has a temporary name of its own, and a later one
# takes its staged copy away, since the earlier one removes that name when it ends.
n=$n.$$
[ -z "$a" ] || { mv -f -- "$t" "$t.$$" && t=$t.$$; } || exit
trap 'rm -f "$t" "$n" "$n.l"' 0
if [ -h "$s" ]; then
    echo "$s is a link, nothing is written through it" >&2
    exit 1
fi
# Those of the two files that have their mode.
r=$(find "$s" ${w:+"$w"} -prune \( -name .recolte-run-1 -perm 755 -o ! -name .recolte-run-1 -perm "$x" \) 2>/dev/null)
b=$s
# The same bytes and the same mode stay as they are: a script that still runs keeps its text.
case $r in
"$s"*) [ -z "$c" ] && cmp -s "$t" "$s" ;;
*) false ;;
esac || {
    cp -P -- "$t" "$n" && chmod "$x" "$n" || exit
    if [ "$c" ]; then b=$n; else mv -f -- "$n" "$s" || exit; fi
}
if [ "$w" ]; then
    o=
    case $r in
    *"$w") while IFS= read -r k; do o=$o${o:+
}$k; done <"$w" ;;
    esac
    # Its text holds nothing that an echo would interpret.
    [ "$o" = "$l" ] || { echo "$l" >"$n.l" && chmod 755 "$n.l" && mv -f "$n.l" "$w"; } || exit
fi
cat "$b"
