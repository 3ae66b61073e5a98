#!/bin/sh
# packages.sh FOLDER MACHINE SUITE [ARCHIVE]: runs ./dev setup and ./dev build as on MACHINE of a distribution (SUITE of Ubuntu, or debian),
# where every package is installed, and prints what apt-get was asked for.  The libraries are in the first archive whose URL has
# ARCHIVE in it; without ARCHIVE, in the machine's own sources.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
rm -rf "$1" && mkdir -p "$1/bin" && cd "$1"
where=${4:-own}
[ "$3" = debian ] && echo ID=debian >os-release || printf 'ID=ubuntu\nUBUNTU_CODENAME=%s\n' "$3" >os-release
sed "s,/etc/os-release,$PWD/os-release,g" "$root/dev" >dev

stand_in() {
    { echo '#!/bin/sh'; cat; } >"bin/$1"
    chmod +x "bin/$1"
}
echo "[ \"\$1\" = -m ] && echo $2 || echo Linux" | stand_in uname
echo 'echo install ok installed' | stand_in dpkg-query
echo 'mkdir -p "$3"; echo unpacked "$(basename "$2")" >>"$ASKED"' | stand_in dpkg
for tool in cmake ninja; do echo : | stand_in $tool; done
for triple in aarch64 x86_64; do echo 'echo libutf8proc.a' | stand_in "$triple-linux-gnu-gcc"; done
stand_in apt-get <<'IN'
sources=own\ sources arch= parts=
while [ $# != 0 ]; do
    case $1 in
    -o) shift
        case $1 in
        APT::Architectures::=*) arch=${1#*=} ;;
        Dir::Etc::SourceParts=*) parts=${1#*=}
            sources=$(cat "$parts"/*.sources | sed -n 's/^URIs: //p; s/^Suites: //p' | paste -sd' ') ;;
        esac ;;
    update) echo "update, $sources, $arch" >>"$ASKED" ;;
    download) shift
        echo "download, $sources: $*" >>"$ASKED"
        case $sources in *"$WHERE"*) touch one.deb two.deb; exit 0 ;; esac
        exit 100 ;;
    esac
    shift
done
IN
export ASKED="$PWD/asked" WHERE="$where" PATH="$PWD/bin:$PATH"
sh dev setup 2>>asked
sh dev build 2>>asked
cat asked
