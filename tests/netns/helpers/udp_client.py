#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""udp_client.py ADDRESS PORT LENGTH [COUNT]: send COUNT datagrams (default 1) of LENGTH bytes, each
from a socket of its own, and print each answer's first word; exit 1 when an answer is missing after
three tries or is not about the bytes that were sent."""
import errno
import random
import socket
import sys
import zlib

TRIES = 3


def ask(family, to, data):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(1.5)
        # Answer and question may be fragmented on the way: no path MTU discovery (IP_MTU_DISCOVER).
        if family == socket.AF_INET:
            s.setsockopt(socket.IPPROTO_IP, 10, 0)
        s.connect(to)
        for _ in range(TRIES):
            try:
                s.send(data)
                return s.recv(65536).decode()
            except (socket.timeout, ConnectionRefusedError):
                continue
            except OSError as e:
                if e.errno != errno.EMSGSIZE:  # "too big" came back: the kernel cuts smaller now
                    raise
    return None


def main():
    address, port, length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    rng = random.Random(length)
    for _ in range(count):
        data = bytes(rng.getrandbits(8) for _ in range(length))
        answer = ask(family, (address, port), data)
        if answer is None:
            sys.exit("no answer")
        name, got, crc = answer.split()
        if int(got) != length or int(crc, 16) != zlib.crc32(data):
            sys.exit("sent %d bytes %08x, the backend saw: %s" % (length, zlib.crc32(data), answer))
        print(name)


main()
