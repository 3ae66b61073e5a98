#!/bin/sh
# exits.sh CODE COMMAND...: succeeds if the command ends with that code; its output goes through, errors too.
want=$1
shift
"$@" 2>&1
got=$?
[ "$got" = "$want" ] || { echo "exit code $got instead of $want: $*"; exit 1; }
