#!/bin/sh
# A linker driver as it is with weights beyond its reach: a shared library links only with a script that places them, and
# with FAR=never not at all.
case " $* " in
*" -shared "*-Wl,-T,*) [ "$FAR" != never ] || { echo "relocation truncated to fit (2)"; exit 1; } ;;
*" -shared "*) echo "relocation truncated to fit (1)"; exit 1 ;;
esac
exec cc "$@"
