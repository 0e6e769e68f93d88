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
check "make uninstall" make -s uninstall DESTDIR="$dest" PREFIX=/usr
equal "no file is left" "" "$(find "$dest" -type f)"
finish
