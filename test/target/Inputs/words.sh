#!/bin/sh
# A linker driver that says what it was asked for, a word a line.
printf '<%s>\n' "$@"
exit 1
