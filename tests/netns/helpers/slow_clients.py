#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slow_clients.py ADDRESS PORT COUNT: as many connections that each send a request's head byte by byte and
never end it. Prints "open" when all stand, and at the end how each was ended by the peer:
"408=N closed=N reset=N"; exits 0 when all were, within two minutes."""
import collections
import resource
import selectors
import socket
import sys
import time

HEAD = b"GET / HTTP/1.1\r\nHost: slow\r\nX-Slow: "


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
    sel = selectors.DefaultSelector()
    ends = collections.Counter()
    live = []
    for i in range(count):
        s = socket.create_connection((address, port), timeout=30)
        s.sendall(HEAD[: 1 + i % len(HEAD)])
        s.setblocking(False)
        sel.register(s, selectors.EVENT_READ)
        live.append(s)
    print("open", flush=True)
    until, at = time.monotonic() + 120, 0
    while sel.get_map() and time.monotonic() < until:
        for key, _ in sel.select(0.05):
            s = key.fileobj
            try:
                d = s.recv(4096)
                ends["408" if b" 408 " in d else "closed" if not d else "other"] += 1
            except ConnectionError:
                ends["reset"] += 1
            sel.unregister(s)
            s.close()
        for _ in range(200):  # the next ones get one more byte
            at = (at + 1) % count
            try:
                live[at].send(b"x")
            except OSError:
                pass
    print(" ".join(f"{k}={v}" for k, v in sorted(ends.items())), flush=True)
    sys.exit(0 if sum(ends.values()) == count and ends["other"] == 0 else 1)


main()
