#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tcp_client.py MODE ADDRESS PORT [ARGUMENT...]: a kernel TCP client that checks every byte.

echo BYTES [CONNECTIONS]   send and expect back, on all connections at once; then half close
short COUNT                COUNT connections, each 64 bytes back and forth
slow BYTES                 echo whose reader stops until the window is shut
source BYTES               read the pattern to the end; BYTES 0: 8 MiB of an endless one, then close
discard BYTES              send; the peer closes after our end of file
reset                      send, then reset; afterwards a new connection must work
half BYTES                 send, end, then read all that comes back
first TEXT                 send TEXT (with backslash escapes) and print what comes until the end
named KIND SOURCE DESTINATION TEXT   a PROXY protocol header, then as first; KIND: see proxy_header()
hold SECONDS               echo a number every 50 ms for so long
put BYTES [HOW]            to a blob.py, HOW as it says (put): its hash of what came must be that of what was sent
get BYTES [CONNECTIONS]    from a blob.py, whose stream is known, on all connections at once
torn                       from a blob.py: a byte, then a reset
drip COUNT                 from a blob.py: COUNT bytes, slowly
Prints one line and exits 0, or says what was wrong and exits 1."""
import errno
import hashlib
import os
import selectors
import socket
import struct
import sys
import threading
import time

from blob import stream

LIMIT = 40


def connect(addr, port, **opts):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM)
    if "rcvbuf" in opts:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, opts["rcvbuf"])
    s.settimeout(LIMIT)
    s.connect((addr, port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_all(s):
    out = bytearray()
    while True:
        d = s.recv(1 << 16)
        if not d:
            return bytes(out)
        out += d


def echo(addr, port, size, count=1):
    size, count = int(size), int(count)
    data = os.urandom(size)
    sel = selectors.DefaultSelector()
    state = {}
    for _ in range(count):
        s = connect(addr, port)
        s.setblocking(False)
        state[s] = [0, 0]
        sel.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE)
    end = time.monotonic() + LIMIT
    while state:
        assert time.monotonic() < end, f"{len(state)} connections did not finish: {list(state.values())[:3]}"
        for key, ev in sel.select(1):
            s = key.fileobj
            st = state[s]
            if ev & selectors.EVENT_WRITE and st[0] < size:
                st[0] += s.send(data[st[0]:st[0] + 65536])
                if st[0] == size:
                    s.shutdown(socket.SHUT_WR)
                    sel.modify(s, selectors.EVENT_READ)
            if ev & selectors.EVENT_READ:
                d = s.recv(1 << 16)
                if not d:
                    assert st[1] == size, f"closed after {st[1]} of {size} bytes"
                    sel.unregister(s)
                    s.close()
                    del state[s]
                    continue
                assert data[st[1]:st[1] + len(d)] == d, f"wrong byte after {st[1]}"
                st[1] += len(d)
    return f"echo {count} x {size} bytes"


def short(addr, port, count):
    for i in range(int(count)):
        s = connect(addr, port)
        d = struct.pack("!QQ", i, ~i & (1 << 64) - 1) * 4
        s.sendall(d)
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == d, f"connection {i}"
        s.close()
    return f"{count} connections"


def slow(addr, port, size):
    size = int(size)
    data = os.urandom(size)
    s = connect(addr, port, rcvbuf=4096)
    s.settimeout(0.5)
    sent = 0
    try:
        while sent < size:
            sent += s.send(data[sent:sent + 16384])
    except socket.timeout:
        pass
    assert sent < size, "nothing held the sender back"
    time.sleep(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
    s.setblocking(False)
    got, end = bytearray(), time.monotonic() + LIMIT
    while len(got) < size:
        assert time.monotonic() < end, f"stalled after {len(got)} of {size}"
        try:
            got += s.recv(1 << 16)
        except BlockingIOError:
            time.sleep(0.001)
        if sent < size:
            try:
                sent += s.send(data[sent:sent + 16384])
            except BlockingIOError:
                pass
    assert bytes(got) == data, "wrong bytes"
    return f"echo of {size} bytes through a shut window"


def source(addr, port, size):
    size = int(size)
    s = connect(addr, port)
    pattern = bytes(i % 251 for i in range(251 * 600))
    got, want = 0, size or 8 << 20
    while got < want:
        d = s.recv(1 << 16)
        if not d:
            break
        at = got % 251
        assert d == pattern[at:at + len(d)], f"wrong byte after {got}"
        got += len(d)
    if size:
        assert got == size and s.recv(1) == b"", f"{got} bytes instead of {size}"
    assert got >= want
    return f"source {got} bytes"


def discard(addr, port, size):
    s = connect(addr, port)
    s.sendall(bytes(int(size)))
    s.shutdown(socket.SHUT_WR)
    assert read_all(s) == b""
    return f"discard {size} bytes"


def reset(addr, port):
    s = connect(addr, port)
    s.sendall(bytes(100000))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    return short(addr, port, 1)


def half(addr, port, size):
    data = os.urandom(int(size))
    s = connect(addr, port)
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    got = read_all(s)
    assert got == data, f"{len(got)} bytes of {size}"
    return f"half close, {size} bytes"


def first(addr, port, text, before=()):
    s = connect(addr, port)
    # A reset may come between any two of these: a shutdown after it says "not connected".
    try:
        for piece in before:
            s.sendall(piece)
            time.sleep(0.002)
        s.sendall(text.encode().decode("unicode_escape").encode("latin-1"))
        s.shutdown(socket.SHUT_WR)
        return read_all(s).decode("latin-1").strip()
    except OSError as e:
        if e.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
            return "reset"
        raise


def proxy_header(kind, src, dst):
    """v1, v2; -unknown, -local: without a name; -tlv: with one; -command, -family: numbers that mean nothing;
    -short: shorter than its addresses; -long: a line without end; ports are 5555 and 8080"""
    version, _, special = kind.partition("-")
    six = ":" in src
    if version == "v1":
        if special == "unknown":
            return b"PROXY UNKNOWN\r\n"
        if special == "long":
            return b"PROXY TCP4 " + b"1" * 100
        return f"PROXY TCP{6 if six else 4} {src} {dst} 5555 8080\r\n".encode()
    af = socket.AF_INET6 if six else socket.AF_INET
    rest = socket.inet_pton(af, src) + socket.inet_pton(af, dst) + struct.pack("!HH", 5555, 8080)
    if special == "tlv":
        rest += b"\x04\x00\x03abc"
    if special == "short":
        rest = rest[:8]
    command = {"local": 0x20, "command": 0x2F}.get(special, 0x21)
    family = {"family": 0x51}.get(special, 0x21 if six else 0x11)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", command, family, len(rest)) + rest


def named(addr, port, kind, src, dst, text):
    h = proxy_header(kind, src, dst)
    return first(addr, port, text, [h[i:i + 1] for i in range(len(h))] if kind.endswith("pieces") else [h])


def hold(addr, port, seconds):
    s = connect(addr, port)
    end, n = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        d = struct.pack("!I", n)
        s.sendall(d)
        assert s.recv(4, socket.MSG_WAITALL) == d, f"turn {n}"
        n += 1
        time.sleep(0.05)
    return f"held for {n} turns"


def put(addr, port, size, how="put"):
    data = os.urandom(int(size))
    s = connect(addr, port)
    s.sendall(how.encode() + b"\n" + data)
    s.shutdown(socket.SHUT_WR)
    got = read_all(s).decode()
    assert got == hashlib.sha256(data).hexdigest(), f"the hash is {got!r}"
    return f"{how} {size} bytes"


def get_one(addr, port, size, seed):
    s = connect(addr, port)
    s.sendall(f"get {size} {seed}\n".encode())
    want, got, n = hashlib.sha256(), hashlib.sha256(), 0
    while d := s.recv(1 << 16):
        got.update(d)
        n += len(d)
    for piece in stream(seed, size):
        want.update(piece)
    assert n == size, f"{n} bytes of {size}"
    assert got.digest() == want.digest(), "wrong bytes"


def get(addr, port, size, count=1):
    wrong = []

    def one(i):
        try:
            get_one(addr, port, int(size), f"{os.getpid()}-{i}")
        except (AssertionError, OSError) as e:
            wrong.append(f"connection {i}: {e!r}")

    threads = [threading.Thread(target=one, args=(i,)) for i in range(int(count))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    return f"get {count} x {size} bytes"


def torn(addr, port):
    s = connect(addr, port)
    s.sendall(b"reset\n")
    try:
        got = read_all(s)
    except ConnectionResetError:
        return "reset"
    raise AssertionError(f"an end in order after {got!r}")


def drip(addr, port, count):
    s = connect(addr, port)
    s.sendall(b"drip %d\n" % int(count))
    got = read_all(s)
    assert got == b"x" * int(count), f"{len(got)} bytes"
    return f"{count} bytes, slowly"


MODES = {f.__name__: f for f in (echo, short, slow, source, discard, reset, half, first, named, hold, put, get, torn, drip)}
try:
    print(MODES[sys.argv[1]](sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
except (AssertionError, OSError) as e:
    print(f"{sys.argv[1]}: {e!r}")
    sys.exit(1)
