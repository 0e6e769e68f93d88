#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make install and make uninstall, into a folder of ours.
NEED_ROOT=0
. "$(dirname "$0")/../netns/lib.sh"
dest=$TMP/dest
check "make install" make -s install DESTDIR="$dest" PREFIX=/usr
check "the program is there and runs" "$dest/usr/sbin/weir" --version
for f in docs/examples/*.yaml; do
	check "example ${f##*/} is installed" cmp "$f" "$dest/usr/share/doc/weir/examples/${f##*/}"
done
check "weir-doctor is there and runs" bash -c "'$dest/usr/sbin/weir-doctor' --help | grep -q 'what is wrong on this host'"
"$dest/usr/sbin/weir-doctor" -c docs/examples/bare-metal.none -s "$TMP/none" >"$TMP/doctor"
at_most "  and looks at this machine" 2 $?
check "  and says how to mend it" grep -q 'mend: ' "$TMP/doctor"
check "weir-setup-host knows its name" bash -c "'$dest/usr/sbin/weir-setup-host' show | grep -q ."
check "weir-perf is there" bash -c "'$dest/usr/sbin/weir-perf' --help | grep -q 'flame graph'"
check "make uninstall" make -s uninstall DESTDIR="$dest" PREFIX=/usr
equal "no file is left" "" "$(find "$dest" -type f -o -type l)"
finish
