#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""blob.py PORT: a backend on kernel TCP that sends and takes bytes whose hash the client checks.

The first line of a connection says what happens:
put          the rest until the end of file is taken; the answer is its SHA-256 in hex
late         as put, but the reader sleeps a second first: its window shuts
small        as late, and the buffer becomes smaller than what is under way: the window shrinks
get N SEED   N bytes of the stream of SEED (see stream), then the end
drip N       one byte every 50 ms, N times
echo         what comes
reset        a byte, then a reset"""
import hashlib
import random
import socket
import struct
import sys
import threading
import time


def stream(seed, size):
    """The same bytes at both ends; pieces so that size has no bound."""
    rng = random.Random(seed)
    while size > 0:
        n = min(size, 1 << 20)
        yield rng.randbytes(n)
        size -= n


def take(c, f):
    digest = hashlib.sha256()
    while d := f.read1(1 << 16):
        digest.update(d)
    c.sendall(digest.hexdigest().encode())


def serve(c):
    try:
        f = c.makefile("rb")
        cmd, *args = f.readline().decode().split()
        if cmd == "put":
            take(c, f)
        elif cmd == "late":
            time.sleep(1)
            take(c, f)
        elif cmd == "small":
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            time.sleep(1)
            take(c, f)
        elif cmd == "get":
            for piece in stream(args[1], int(args[0])):
                c.sendall(piece)
        elif cmd == "drip":
            for _ in range(int(args[0])):
                c.sendall(b"x")
                time.sleep(0.05)
        elif cmd == "echo":
            while d := f.read1(1 << 16):
                c.sendall(d)
        elif cmd == "reset":
            c.sendall(b"x")
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        f.close()
    except (OSError, ValueError):
        pass  # the client's verdict counts
    finally:
        c.close()


def main():
    s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True)
    while True:
        c, _ = s.accept()
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(c,), daemon=True).start()


if __name__ == "__main__":
    main()
