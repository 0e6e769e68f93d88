# SPDX-License-Identifier: Apache-2.0
"""Both ends of the crash test of the HTTP cache.

    cache_crash.py origin PORT            every answer has its version, and its sum in X-Sum; POST makes the next
                                          version; bodies come slowly, so that a crash meets them half way
    cache_crash.py read BASE PATH...      all at once; for each a line: PATH complete|cut|WRONG VERSION CACHE-STATUS
"""
import hashlib
import http.client
import os
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 65536
versions = {}
lock = threading.Lock()


def body_of(path, version):
    """/N/NAME: so many KiB, no two pieces alike."""
    size = int(path.split("/")[1]) * 1024
    seed = ("%s %d " % (path, version)).encode()
    return b"".join(hashlib.sha256(seed + b"%d" % i).digest() for i in range(size // 32))


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        with lock:
            v = versions.setdefault(self.path, 1)
        body = body_of(self.path, v)
        self.send_response(200)
        self.send_header("X-Version", str(v))
        self.send_header("X-Sum", hashlib.md5(body).hexdigest())
        self.send_header("ETag", '"%d"' % v)
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for at in range(0, len(body), PIECE):
            self.wfile.write(body[at:at + PIECE])
            time.sleep(0.004)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
            v = versions[self.path] = versions.get(self.path, 1) + 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("X-Version", str(v))
        self.end_headers()


def read(base, path, out):
    host = urllib.parse.urlsplit(base)
    said, version, status = "cut", "-", "-"
    try:
        c = http.client.HTTPConnection(host.hostname, host.port or 80, timeout=float(os.environ.get("PATIENCE", "8")))
        c.request("GET", path)
        r = c.getresponse()
        version, status = r.getheader("X-Version", "-"), r.getheader("Cache-Status", "-").replace(" ", "")
        body = r.read()
        if r.status == 200:
            good = hashlib.md5(body).hexdigest() == r.getheader("X-Sum")
            said = "complete" if good else "WRONG"
    except (OSError, http.client.HTTPException):
        pass
    out.append("%s %s %s %s" % (path, said, version, status))


def main():
    if sys.argv[1] == "origin":
        ThreadingHTTPServer.request_queue_size = 1024
        ThreadingHTTPServer(("", int(sys.argv[2])), Origin).serve_forever()
    out = []
    threads = [threading.Thread(target=read, args=(sys.argv[2], p, out)) for p in sys.argv[3:]]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print("\n".join(sorted(out)))


main()
