#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian packages: built, looked at, installed into a copy of this machine's tree (an overlay that
# is thrown away), run there, removed without a trace. And the unit file and the man pages.
NEED_ROOT=0
. "$(dirname "$0")/../netns/lib.sh"
BUILD=${BUILD:-build}

# --- man pages and the unit file
dest=$TMP/dest
check "make install" make -s install DESTDIR="$dest" PREFIX=/usr UNITDIR=/usr/lib/systemd/system
for page in man8/weir.8 man5/weir.conf.5 man1/weirctl.1; do
	f=$dest/usr/share/man/$page
	check "${page#*/} is there" test -s "$f"
	equal "${page#*/}: groff has nothing to say" "" "$(groff -man -Tutf8 -ww -z "$f" 2>&1 | head -n 5)"
done
check "weir.conf(5) has every section of the reference" bash -c "
	! comm -23 <(sed -n 's/^## //p' docs/configuration.md | grep -v 'Values\|The file' | sed 's/\`//g' | sort) \
		<(sed -n 's/^.SH \"\(.*\)\"\$/\1/p' '$dest/usr/share/man/man5/weir.conf.5' | sort) | grep ."
for command in $("$dest/usr/bin/weirctl" help | awk '/^  [a-z]/{print $1}'); do
	check "weirctl(1) has $command" grep -q "^.fB${command//-/.-}.fR" "$dest/usr/share/man/man1/weirctl.1"
done
if command -v systemd-analyze >/dev/null; then
	mkdir -p "$dest/usr/lib/systemd/system"
	for u in network.target multi-user.target sysinit.target basic.target shutdown.target; do
		cp "/lib/systemd/system/$u" "$dest/usr/lib/systemd/system/" 2>/dev/null
	done
	equal "systemd-analyze verify has nothing to say of the unit" "" "$(systemd-analyze verify --man=no \
		--root="$dest" weir.service 2>&1 | grep -i 'weir')"
	check "its exposure is low" systemd-analyze security --offline=yes --threshold=40 --no-pager \
		"$dest/usr/lib/systemd/system/weir.service"
else
	skip "the unit file" "no systemd-analyze here"
fi

# --- the packages
check "make deb" make -s deb
deb=$(ls "$BUILD"/deb/weir_*.deb) dbg=$(ls "$BUILD"/deb/weir-dbg_*.deb)
dpkg-deb -c "$deb" >"$TMP/list"
for f in ./usr/sbin/weir ./usr/bin/weirctl ./lib/systemd/system/weir.service ./usr/share/man/man8/weir.8.gz \
	./usr/sbin/weir-doctor ./usr/sbin/weir-setup-host ./usr/lib/weir/lib/host.sh ./usr/share/bash-completion/completions/weir ./usr/share/bash-completion/completions/weirctl ./usr/share/doc/weir/copyright; do
	check "the package has $f" grep -qE " $f( -> .*)?\$" "$TMP/list"
done
check "all of it is root's" bash -c "! grep -v ' root/root ' '$TMP/list'"
check "libraries are named as dependencies" bash -c "dpkg-deb -f '$deb' Depends | grep -q libmicrohttpd"
check_not "the program is stripped" bash -c "readelf -S '$BUILD/deb/weir/usr/sbin/weir' | grep -q debug_info"
check "the symbols are in weir-dbg" bash -c "readelf -S $BUILD/deb/weir-dbg/usr/lib/debug/.build-id/*/*.debug | grep -q debug_info"

# --- installed, run, removed
if [ "$(id -u)" -ne 0 ]; then
	skip "installing" "needs root"
	finish
fi
cat >"$TMP/inside" <<'SH'
set -u
root=$1 deb=$2 dbg=$3
mount -t tmpfs tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/all"
mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/all" || exit 77
cp "$deb" "$root/all/weir.deb"
cp "$dbg" "$root/all/dbg.deb"
mkdir -p "$root/all/proc" "$root/all/dev" "$root/all/run" "$root/all/tmp" "$root/all/sys"
mount -t proc proc "$root/all/proc"
mount --bind /dev "$root/all/dev"
mount --bind /sys "$root/all/sys"
mount -t tmpfs tmpfs "$root/all/run"
mount -t tmpfs tmpfs "$root/all/tmp"
cat >"$root/all/run/steps" <<'STEPS'
step() { echo "step $1 $2"; }
dpkg -i /weir.deb /dbg.deb >/run/log 2>&1
step install $?
cat /run/log >&2
test -d /etc/weir && getent passwd weir >/dev/null
step user $?
cat >/etc/weir/weir.yaml <<'YAML'
ports: [{device: net_null0, addresses: [192.0.2.1/24]}]
memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}
workers: {stop_timeout: 0s}
admin: {socket: /run/weir.sock}
services: [{vip: 203.0.113.1:80, backends: [192.0.2.11]}]
YAML
weir check /etc/weir/weir.yaml
step check $?
weir -c /etc/weir/weir.yaml 2>/run/weir.log &
pid=$!
for _ in $(seq 100); do weirctl status >/dev/null 2>&1 && break; sleep 0.1; done
weirctl status
step status $?
cat /run/weir.log >&2
weirctl explain 198.51.100.1:1000 203.0.113.1:80
step explain $?
. /usr/share/bash-completion/completions/weirctl && declare -F _weirctl >/dev/null &&
	. /usr/share/bash-completion/completions/weir && declare -F _weir >/dev/null
step completion $?
for page in man8/weir.8 man5/weir.conf.5 man1/weirctl.1; do zcat /usr/share/man/$page.gz | grep -q '^\.TH' || echo "no $page"; done >/run/pages
test ! -s /run/pages
step man $?
weir-doctor >/run/doctor
[ $? -lt 2 ] && grep -q 'good   weir answers' /run/doctor
step doctor $?
sum=$(md5sum </etc/weir/weir.yaml)
dpkg -i /weir.deb /dbg.deb >>/run/log 2>&1 && [ "$sum" = "$(md5sum </etc/weir/weir.yaml)" ] && weirctl status >/dev/null &&
	[ "$(stat -c '%a %U %G' /etc/weir)" = '750 root weir' ]
step upgrade $?
weirctl stop
wait $pid
step stop $?
dpkg -r weir-dbg weir >>/run/log 2>&1
step remove $?
test ! -e /usr/sbin/weir && test ! -e /lib/systemd/system/weir.service && test -e /etc/weir/weir.yaml
step gone $?
rm /etc/weir/weir.yaml
dpkg -P weir weir-dbg >>/run/log 2>&1
step purge $?
test ! -e /etc/weir && ! dpkg -s weir >/dev/null 2>&1
step trace $?
STEPS
chroot "$root/all" bash /run/steps
SH
mkdir "$TMP/root"
unshare --mount --propagation private bash "$TMP/inside" "$TMP/root" "$deb" "$dbg" >"$TMP/steps" 2>"$TMP/steps.err"
rc=$?
if [ $rc = 77 ]; then
	skip "installing" "no overlay file system here"
	finish
fi
for s in install user check status explain completion man doctor upgrade stop remove gone purge trace; do
	equal "in a clean tree: $s" "step $s 0" "$(grep "^step $s " "$TMP/steps" || tail -n 5 "$TMP/steps.err")"
done
finish
