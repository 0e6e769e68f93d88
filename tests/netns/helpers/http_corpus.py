#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the ambiguous messages of tests/corpus/http1 through weir: what arrives on the other side must be
what the verdict says, and nothing else.

    http_corpus.py requests|responses CLIENT-NETNS BACKEND-NETNS VIP PORT BACKEND-PORT

Client and backend are threads of one process, each in its network namespace: what the backend has seen
belongs to the message that was just sent. Prints a line for each difference, then a count; exits 1 if
there was any.
"""
import ctypes
import os
import pathlib
import re
import socket
import sys
import threading
import time

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "corpus/http1"
CLONE_NEWNET = 0x40000000
# What a gateway adds by itself; it may, and that is tested elsewhere.
ADDED = {"via", "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
         "x-forwarded-port", "x-request-id", "traceparent", "date", "server", "alt-svc",
         "proxy-status", "age", "cache-status"}
QUIET = 0.25  # seconds without a byte: nothing will come


def enter(namespace):
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    os.close(fd)


def unescape(text):
    return re.sub(r"\\(\\|x[0-9a-f]{2})",
                  lambda m: "\\" if m[1] == "\\" else chr(int(m[1][1:], 16)), text)


class Message:
    """A head (list of lines) and what is known of its body."""

    def __init__(self, lines):
        self.lines = lines
        self.body = b""
        self.complete = True

    def shown(self):
        state = "" if self.complete else " (incomplete)"
        return f"{self.lines!r} {self.body!r}"[:400] + state

    def same(self, other, loose):
        """other came; fields that a gateway adds may be in it, wherever we did not ask for them."""
        mine = [line.lower() for line in self.lines[1:]]
        names = {line.split(":")[0] for line in mine}
        theirs = []
        for line in other.lines[1:]:
            name = line.split(":")[0].lower()
            if name in names or name not in ADDED | loose:
                theirs.append(line.lower())
        return (self.lines[0] == other.lines[0] and sorted(mine) == sorted(theirs)
                and self.complete == other.complete
                and (self.body == other.body if self.complete else True))


class Verdict:
    def __init__(self, path):
        self.cite = ""
        self.method, self.upgrade = "GET", False
        self.messages, self.end = [], ""
        head = None
        for line in path.read_text().splitlines():
            if line.startswith("# "):
                self.cite = line[2:]
            elif line.startswith("request "):
                self.method, *rest = line.split()[1:]
                self.upgrade = rest == ["upgrade"]
            elif line.startswith("> "):
                head = head or []
                head.append(unescape(line[2:]).rstrip(" "))
            elif line == ">":
                self.messages.append(Message(head))
                head = None
            elif line.startswith("= "):
                self.messages[-1].body = unescape(line[2:]).encode("latin-1")
            else:
                self.end = line
        broken = self.end == "incomplete" or (self.end.startswith("refused") and self.messages
                                              and self.unfinished(self.messages[-1]))
        if broken:
            self.messages[-1].complete = False

    @staticmethod
    def unfinished(m):
        """The last message has a framing, and what came of its body is less."""
        for line in m.lines:
            name, _, value = line.partition(":")
            if name.lower() == "content-length" and m.lines[0].startswith(("GET", "POST", "HTTP")):
                return len(m.body) < int(value)
            if name.lower() == "transfer-encoding":
                return True
        return False


class Stream:
    """Messages out of a socket's bytes, which weir wrote: so only its own form is understood."""

    def __init__(self):
        self.raw = b""
        self.eof = False

    def head(self):
        end = self.raw.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self.raw[:end].decode("latin-1").split("\r\n")
        self.raw = self.raw[end + 4:]
        for i, line in enumerate(lines):
            if re.search(r"[\r\n\0]", line):
                raise ValueError(f"a line end inside of a line: {line!r}")
            lines[i] = line.rstrip(" ")
        return Message(lines)

    def chunked(self, m):
        rest, body = self.raw, b""
        while True:
            line, sep, rest = rest.partition(b"\r\n")
            if not sep:
                break
            if not re.fullmatch(rb"[0-9a-f]+", line):
                raise ValueError(f"not a chunk size as weir writes it: {line!r}")
            size = int(line, 16)
            if size == 0:
                if rest.startswith(b"\r\n"):
                    self.raw = rest[2:]
                    m.body, m.complete = body, True
                    return True
                end = rest.find(b"\r\n\r\n")
                if end < 0:
                    break
                self.raw = rest[end + 4:]
                m.body, m.complete = body, True
                return True
            body += rest[:size]
            if len(rest) < size + 2:
                break
            if rest[size:size + 2] != b"\r\n":
                raise ValueError("a chunk that does not end in CR LF")
            rest = rest[size + 2:]
        m.body, m.complete = body, False
        return False

    def message(self, bodiless):
        """The next message, None if none has begun; m.complete says whether all of it is there."""
        before = self.raw
        m = self.head()
        if m is None:
            return None
        fields = {}
        for line in m.lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() in ("content-length", "transfer-encoding", "host") and name.lower() in fields:
                raise ValueError(f"twice {name}")
            fields[name.lower()] = value.strip()
        if "content-length" in fields and "transfer-encoding" in fields:
            raise ValueError("two framings")
        if bodiless(m):
            return m
        if "transfer-encoding" in fields:
            done = self.chunked(m)
        elif "content-length" in fields:
            n = int(fields["content-length"])
            m.body, m.complete = self.raw[:n], len(self.raw) >= n
            done = m.complete
            self.raw = self.raw[n:] if done else self.raw
        elif m.lines[0].startswith("HTTP/"):
            m.body, m.complete, done = self.raw, self.eof, self.eof
            self.raw = b"" if done else self.raw
        else:
            done = True
        if not done:
            self.raw = before
        return m

    def all(self, bodiless):
        out = []
        while True:
            m = self.message(bodiless)
            if m is None:
                return out
            out.append(m)
            if not m.complete:
                return out


class Backend(threading.Thread):
    """Records what arrives on each connection. Answers a complete request with `answer`, or with 200;
    then closes if told to."""

    def __init__(self, namespace, port):
        super().__init__(daemon=True)
        self.namespace, self.port = namespace, port
        self.lock = threading.Lock()
        self.ready = threading.Event()
        self.reset(None, False)

    def reset(self, answer, close):
        with self.lock:
            self.answer, self.close = answer, close
            self.arrived, self.errors, self.accepted = [], [], 0
            self.parts = {}

    def run(self):
        enter(self.namespace)
        s = socket.create_server(("", self.port), backlog=128)
        self.ready.set()
        while True:
            c, _ = s.accept()
            with self.lock:
                self.accepted += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def take(self, stream, key):
        """Complete requests that came; what is left of an incomplete one is kept under the key."""
        got = []
        with self.lock:
            try:
                for m in stream.all(lambda m: False):
                    if m.complete:
                        got.append(m)
                        self.arrived.append(m)
                        self.parts.pop(key, None)
                    else:
                        self.parts[key] = m
                if stream.raw and key not in self.parts:
                    self.parts[key] = Message([stream.raw.decode("latin-1")])
            except ValueError as e:
                self.errors.append(str(e))
        return got

    def serve(self, c):
        stream = Stream()
        with c:
            while True:
                try:
                    data = c.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                stream.raw += data
                for _ in self.take(stream, id(c)):
                    with self.lock:
                        answer, close = self.answer, self.close
                        first = len(self.arrived) == 1
                    if answer is None or (not first and not close):
                        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        continue
                    try:
                        c.sendall(answer)
                        if close:
                            c.shutdown(socket.SHUT_WR)
                    except OSError:
                        return  # weir has seen enough


class Run:
    def __init__(self, vip, port, backend):
        self.addr, self.backend = (vip, port), backend
        self.count, self.bad = 0, 0

    def differ(self, name, cite, text):
        self.bad += 1
        print(f"DIFFERS {name} ({cite}): {text}", flush=True)

    def read(self, c, stream, enough, seconds):
        """Until enough(stream) or the end; True if it was enough. Only ever stops early, never late."""
        end = time.monotonic() + seconds
        while not enough(stream):
            left = end - time.monotonic()
            if left <= 0 or stream.eof:
                return False
            c.settimeout(left)
            try:
                data = c.recv(65536)
            except TimeoutError:
                return False
            except OSError:
                data = b""
            if not data:
                stream.eof = True
            stream.raw += data
        return True


def no_body(m):
    status = m.lines[0].split()[1]
    return status[0] == "1" or status in ("204", "304")


def statuses(stream):
    """The status codes of complete answers in a copy of the stream."""
    copy = Stream()
    copy.raw, copy.eof = stream.raw, stream.eof
    return [int(m.lines[0].split()[1]) for m in copy.all(no_body) if m.complete]


def run_request(run, path):
    v = Verdict(path.with_suffix(".verdict"))
    want = [m for m in v.messages if m.complete]
    expect = [200] * len(want)
    # What is asked of the server as a whole, weir answers by itself.
    if want and want[0].lines[0].startswith("OPTIONS * "):
        want, expect = [], [204]
    if v.end.startswith("refused"):
        expect.append(int(v.end.split()[1]))
    run.backend.reset(None, False)
    stream = Stream()
    with socket.create_connection(run.addr, timeout=5) as c:
        c.sendall(path.read_bytes())
        run.read(c, stream, lambda s: len(statuses(s)) >= len(expect), 8 if expect else QUIET)
        # Refused, or told to close: weir ends the connection, whatever else was sent.
        if v.end.startswith("refused") or v.end == "closed":
            if not run.read(c, stream, lambda s: s.eof, 8):
                run.differ(path.stem, v.cite, "the connection was not closed")
        elif v.end == "incomplete":
            run.read(c, stream, lambda s: False, QUIET)
    got = statuses(stream)
    if got != expect:
        run.differ(path.stem, v.cite, f"answers {got} instead of {expect}")
    with run.backend.lock:
        arrived, errors = list(run.backend.arrived), list(run.backend.errors)
    for e in errors:
        run.differ(path.stem, v.cite, f"the backend got nonsense: {e}")
    if len(arrived) != len(want):
        run.differ(path.stem, v.cite,
                   f"{len(arrived)} requests arrived instead of {len(want)}: {[m.shown() for m in arrived]}")
    for w, m in zip(want, arrived):
        if not w.same(m, {"connection"}):
            run.differ(path.stem, v.cite, f"arrived {m.shown()} instead of {w.shown()}")


def run_response(run, path):
    v = Verdict(path.with_suffix(".verdict"))
    keep = v.end in ("unsolicited", "closed")
    run.backend.reset(path.read_bytes(), not keep)
    tunnel = v.end == "tunnel"
    target, host = ("a.example:443",) * 2 if v.method == "CONNECT" else ("/", "a.example")
    request = f"{v.method} {target} HTTP/1.1\r\nHost: {host}\r\n"
    if v.upgrade:
        request += "Connection: upgrade\r\nUpgrade: websocket\r\n"

    def bodiless(m):
        return v.method == "HEAD" or no_body(m) or (tunnel and m.lines[0].split()[1][0] in "12")

    def answers(stream):
        copy = Stream()
        copy.raw, copy.eof = stream.raw, stream.eof
        return copy.all(bodiless)

    def final(stream):
        return any(m.complete and not m.lines[0].split()[1].startswith("1") for m in answers(stream))

    stream = Stream()
    with socket.create_connection(run.addr, timeout=5) as c:
        c.sendall((request + "\r\n").encode())
        run.read(c, stream, final, 8)
        try:
            got = answers(stream)
        except ValueError as e:
            run.differ(path.stem, v.cite, f"the client got nonsense: {e}")
            return True
        want = list(v.messages)
        if v.end.startswith("refused") and (not want or want[-1].complete):
            want.append(Message(["HTTP/1.1 502 Bad Gateway"]))
        shown = [m.shown() for m in got]
        if len(got) != len(want):
            run.differ(path.stem, v.cite, f"{shown} instead of {[m.shown() for m in want]}")
            return True
        for w, m in zip(want, got):
            if w.lines[0].startswith("HTTP/1.1 502"):
                if m.lines[0] != w.lines[0]:
                    run.differ(path.stem, v.cite, f"{m.shown()} instead of 502")
            elif not w.same(m, {"connection"}):
                run.differ(path.stem, v.cite, f"{m.shown()} instead of {w.shown()}")
        if keep:
            again(run, path, v, c, stream)
    return True


def again(run, path, v, c, stream):
    """The client asks once more: its answer is its own, and comes over another connection."""
    with run.backend.lock:
        before = run.backend.accepted
    with socket.create_connection(run.addr, timeout=5) as c2:
        c2.sendall(b"GET /again HTTP/1.1\r\nHost: a.example\r\n\r\n")
        s2 = Stream()
        run.read(c2, s2, lambda s: len(statuses(s)) >= 1, 8)
    copy = s2.all(lambda m: False)
    if len(copy) != 1 or copy[0].body != b"ok":
        run.differ(path.stem, v.cite, f"the next client got {[m.shown() for m in copy]}")
    with run.backend.lock:
        if run.backend.accepted == before:
            run.differ(path.stem, v.cite, "the connection was used again")


def main():
    kind, client_ns, backend_ns, vip, port, backend_port = sys.argv[1:]
    backend = Backend(backend_ns, int(backend_port))
    backend.start()
    if not backend.ready.wait(5):
        sys.exit("no backend")
    enter(client_ns)
    run = Run(vip, int(port), backend)
    for path in sorted((CORPUS / kind).glob("*.http")):
        done = (run_request if kind == "requests" else run_response)(run, path)
        run.count += done is not False
    print(f"{run.count} {kind}, {run.bad} differ")
    sys.exit(run.bad > 0)


main()
