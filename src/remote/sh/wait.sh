# shellcheck shell=sh disable=SC2154
# Waits until no launcher's shell of the script $s runs any more: that of an earlier attempt lost its input and ends.
n=0
while [ "$n" -lt 20 ]; do
    case $(ps -e -o args 2>/dev/null || ps -o args 2>/dev/null || ps) in
    *"sh -s -- $s"*) ;;
    *) break ;;
    esac
    sleep 1
    n=$((n + 1))
done
