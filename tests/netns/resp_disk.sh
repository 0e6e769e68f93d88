#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that is full, and one on which writes fail, behind the Redis protocol: what clients are told, what
# goes on, and that it comes back without a restart with all that was acknowledged.
#
#   c eth0 ------ p0 [ lb ] p1 ------ sw (unused)
source "$(dirname "$0")/lib.sh"
topo_two_arm
export WORKERS=2
mkdir "$TMP/store"
mount -t tmpfs -o size=40m tmpfs "$TMP/store" || die "a tmpfs"
trap 'umount -l "$TMP/store"; cleanup' EXIT
{
	head_two_arm
	cat <<-CONF
		store:
		  dir: $TMP/store
		  namespaces: {kv: always}
		  low_space: 20MiB
		  ballast: 2MiB
		  cache: 16MiB
		  request_memory: 64MiB
		  block_cache: 8MiB
		  memtable: 1MiB
		  blob_min: 4KiB
		listeners:
		  - {name: data, bind: ["192.0.2.80:6379"], action: resp}
	CONF
} >"$TMP/weir.yaml"
weir_start
cli() { ns c timeout 10 redis-cli -h 192.0.2.80 "$@"; }
full="MISCONF The disk is full; not done"
read_only="MISCONF The shard is read-only after an error of its disk; not done"
unknown="ERR The write failed half-way: outcome unknown"
state() { ask status shards.0.state; }

# keys set FIRST COUNT: until one is refused; prints how many were acknowledged and the error.
# keys check COUNT: all that were acknowledged are there, byte for byte.
keys() {
	ns c timeout 60 $PYTHON - "$@" <<-'PY'
		import random, socket, sys, time
		s = socket.create_connection(("192.0.2.80", 6379), timeout=20)
		f = s.makefile("rb")
		value = lambda i: random.Random(i).randbytes(8000)
		def ask(*args):
		    s.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args))
		    line = f.readline().rstrip().decode()
		    return f.read(int(line[1:]) + 2)[:-2] if line[0] == "$" and line != "$-1" else line
		if sys.argv[1] == "set":
		    first, count = map(int, sys.argv[2:])
		    for i in range(first, first + count):
		        r = ask(b"SET", b"key%d" % i, value(i))
		        while r.startswith("-TRYAGAIN"):
		            time.sleep(0.02)
		            r = ask(b"SET", b"key%d" % i, value(i))
		        if r != "+OK":
		            print(i, r[1:])
		            sys.exit()
		    print(first + count, "all")
		else:
		    bad = [i for i in range(int(sys.argv[2])) if ask(b"GET", b"key%d" % i) != value(i)]
		    print("missing or wrong:", bad[:10]) if bad else print("all")
	PY
}

# Full: adding is refused before the disk is, everything else goes on.
read -r acked error < <(keys set 0 10000)
equal "a write to a full disk" "$full" "$error"
at_least "how many fitted" 500 "$acked"
equal "INCR, too" "$full" "$(cli incr n)"
equal "MULTI, too" "$full" "$(printf 'multi\nset a 1\nexec\n' | cli | grep MISCONF)"
equal "reads go on" 8000 "$(cli strlen key0)"
equal "deletes go on" 1 "$(cli del key0)"
equal "which stay" 0 "$(cli exists key0)"
equal "the shard's state" ok "$(state)"
mount -o remount,size=120m "$TMP/store"
added() { [ "$(cli set added 1)" = OK ]; }
check "with room it goes on" wait_for 15 added
equal "and takes more" "50 all" "$(keys set 0 50)"

# Writes that fail: a limit on the size of files stands for a device with errors.
wait_for 10 added # no longer busy with what came before
prlimit --pid "$weir_pid" --fsize=4096:unlimited
said=$(cli set lost 1)
case $said in
"$unknown" | "$read_only") pass "a write that fails" ;;
*) fail "a write that fails" "$said" ;;
esac
refused() { [ "$(cli set lost 1)" = "$read_only" ]; }
check "later ones are not done" wait_for 5 refused
equal "the state is read-only" read-only "$(state)"
equal "reads go on" 8000 "$(cli strlen key1)"
equal "a delete is a write" "$read_only" "$(cli del key1)"
equal "nothing that was acknowledged is gone" all "$(keys check "$acked")"
prlimit --pid "$weir_pid" --fsize=unlimited:unlimited
check "it comes back by itself" wait_for 15 added
equal "the state is ok" ok "$(state)"

kill -9 "$weir_pid"
wait "$weir_pid" 2>/dev/null
weir_start
equal "after kill -9, all that was acknowledged" all "$(keys check "$acked")"
finish
