#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A backend whose answers, right and wrong, are asked for by the path.

    http_backend.py PORT

/chunked/N /eof/N  the lines 1 to N, in chunks or to the connection's end
/md5               the digest of the request's body
/status/N          a response with that status and no body
/method            the request's method
/head              the request's head as it came
/stall             nothing
/garbage           what is no HTTP
/close             the connection's end
/short             half of what Content-Length says
/short-chunked     chunks without the last one
/torn              as /short, and then a reset
/bytes/N           N bytes
/slow/N            N bytes, one every 100 ms
/early             413 at once, without reading the body
/ws                101, then everything comes back
"""
import hashlib
import socket
import struct
import sys
import threading
import time


class Gone(Exception):
    pass


class Reader:
    def __init__(self, sock):
        self.sock = sock
        self.buf = b""

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Gone
        self.buf += data

    def line(self):
        while b"\r\n" not in self.buf:
            self.more()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def take(self, n):
        while len(self.buf) < n:
            self.more()
        data, self.buf = self.buf[:n], self.buf[n:]
        return data


def read_head(r):
    start = r.line().decode("latin-1")
    fields = []
    while line := r.line():
        name, _, value = line.decode("latin-1").partition(":")
        fields.append((name.lower(), value.strip()))
    return start, fields


def read_body(r, fields):
    get = dict(fields)
    if get.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(r.line(), 16):
            body += r.take(size)
            r.line()
        while r.line():
            pass
        return body
    return r.take(int(get.get("content-length", 0)))


def plain(sock, body, status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
    sock.sendall(head.encode() + body)


def lines(n):
    return "".join(f"{i}\n" for i in range(1, n + 1)).encode()


def send_chunked(sock, body, last):
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(0, len(body), 5000):
        piece = body[at : at + 5000]
        sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
    if last:
        sock.sendall(b"0\r\n\r\n")


def echo(sock, r):
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    try:
        if r.buf:
            sock.sendall(r.buf)
        while data := sock.recv(65536):
            sock.sendall(data)
    except OSError:
        pass


# True: the connection goes on.
def answer(sock, r):
    start, fields = read_head(r)
    method, target, _ = start.split(" ")
    word, _, arg = target.strip("/").partition("?")[0].partition("/")
    if word == "early":
        plain(sock, b"too much\n", "413 Content Too Large")
        return False
    if word == "ws":
        echo(sock, r)
        return False
    body = read_body(r, fields)
    if word == "chunked":
        send_chunked(sock, lines(int(arg)), True)
    elif word == "short-chunked":
        send_chunked(sock, lines(1000), False)
        return False
    elif word == "eof":
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + lines(int(arg)))
        return False
    elif word == "md5":
        plain(sock, hashlib.md5(body).hexdigest().encode())
    elif word == "status":
        sock.sendall(f"HTTP/1.1 {arg} Word\r\n\r\n".encode())
    elif word == "method":
        plain(sock, method.encode())
    elif word == "head":
        plain(sock, (start + "\n" + "".join(f"{n}: {v}\n" for n, v in fields)).encode())
    elif word == "stall":
        time.sleep(30)
        return False
    elif word == "garbage":
        sock.sendall(b"\x00\x01\x02 this is not the protocol you look for\r\n\r\n")
        return False
    elif word == "close":
        return False
    elif word == "short":
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        return False
    elif word == "torn":
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    elif word == "bytes":
        plain(sock, hashlib.shake_128(b"weir").digest(int(arg)))
    elif word == "slow":
        sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {arg}\r\n\r\n".encode())
        for _ in range(int(arg)):
            time.sleep(0.1)
            sock.sendall(b"x")
    else:
        plain(sock, b"b3\n")
    return True


def serve(sock):
    with sock:
        r = Reader(sock)
        try:
            while answer(sock, r):
                pass
        except (Gone, OSError):
            pass


def main():
    server = socket.create_server(("", int(sys.argv[1])), backlog=1024)
    while True:
        sock = server.accept()[0]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


main()
