#!/bin/sh
# numbers.sh DONE COUNT PAUSE SIZE...: prints numbered lines up to COUNT in bursts of the given sizes, one after the
# other and again, as fast as it can, with a pause of PAUSE seconds after each. Then it makes the file DONE and lives on,
# so that its pipe does.
done=$1 count=$2 pause=$3
shift 3
n=0
while [ "$n" -lt "$count" ]; do
  for size in "$@"; do
    to=$((n + size))
    [ "$to" -gt "$count" ] && to=$count
    [ "$to" -gt "$n" ] && seq -f 'line %.0f of a script that prints many of them, none of which may be lost or come twice' $((n + 1)) "$to"
    n=$to
    sleep "$pause"
  done
done
: >"$done"
exec sleep 100000
