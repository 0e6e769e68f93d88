#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hold.py ADDRESS PORT CONNECTIONS: keep HTTP connections busy until SIGTERM.

Each connection sends a request, reads the answer and goes on; the answer's first word (the
backend's name) must never change on a connection. At the end prints
"requests=N moved=N broken=N b1=CONNECTIONS ..." and exits 0 when nothing moved or broke. Says "held"
on a line once every connection had its first answer, and "broken" at the first one that ends."""
import collections
import selectors
import signal
import socket
import sys
import time


class Conn:
    def __init__(self, family, to):
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(5)
        self.sock.connect(to)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = None
        self.data = b""

    def ask(self):
        self.data = b""
        self.sock.send(b"GET / HTTP/1.1\r\nHost: held\r\n\r\n")

    def read(self):
        """The answer's first word once it is whole, else None."""
        part = self.sock.recv(65536)
        if not part:
            raise ConnectionError("closed")
        self.data += part
        head, sep, body = self.data.partition(b"\r\n\r\n")
        if not sep:
            return None
        length = [int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")]
        return body.split()[0].decode() if length and len(body) >= length[0] else None


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    sel = selectors.DefaultSelector()
    conns = []
    for _ in range(count):
        c = Conn(family, (address, port))
        c.ask()
        sel.register(c.sock, selectors.EVENT_READ, c)
        conns.append(c)
    requests = moved = broken = named = 0
    why = collections.Counter()
    while not stop and sel.get_map():
        time.sleep(0.005)  # a steady trickle, not a load
        for key, _ in sel.select(0.2):
            c = key.data
            try:
                name = c.read()
                if name is None:
                    continue
                requests += 1
                if c.name is None:
                    c.name = name
                    named += 1
                    if named == count:
                        print("held", flush=True)
                elif c.name != name:
                    moved += 1
                c.ask()
            except OSError as e:
                if broken == 0:
                    print("broken", flush=True)
                broken += 1
                why[str(e)] += 1
                sel.unregister(c.sock)
    names = collections.Counter(c.name for c in conns)
    print("requests=%d moved=%d broken=%d" % (requests, moved, broken), dict(why) or "")
    print(" ".join("%s=%d" % (k, v) for k, v in sorted(names.items(), key=str)))
    sys.exit(0 if moved == 0 and broken == 0 and named == count else 1)


main()
