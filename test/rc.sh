#!/bin/sh
# rc.sh CODE COMMAND ...: runs the command and fails unless it ends with CODE.
want=$1
shift
"$@"
got=$?
[ "$got" = "$want" ] || { echo "exit $got instead of $want: $*" >&2; exit 1; }
