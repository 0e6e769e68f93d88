# SPDX-License-Identifier: Apache-2.0
"""An origin for the cache: GET /max-age/N[/TAG...] answers with that lifetime, an ETag and tags; every
answer says how many there were. /slow takes a second, /blob/N has N bytes of a pattern, /down fails
while the file FAIL exists. Usage: cache_origin.py PORT FAIL"""
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
asked = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, **fields):
        self.send_response(status)
        for k, v in fields.items():
            self.send_header(k.replace("_", "-"), v)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 304 and self.command != "HEAD":
            self.wfile.write(body)

    def count(self):
        with lock:
            asked[self.path] = asked.get(self.path, 0) + 1
            return asked[self.path]

    def do_GET(self):
        n = self.count()
        part = self.path.split("?")[0].strip("/").split("/")
        if part[0] == "down" and os.path.exists(sys.argv[2]):
            self.answer(503, b"down\n")
            return
        if part[0] == "slow":
            time.sleep(1)
        if part[0] == "count":
            self.answer(200, str(asked.get("/" + "/".join(part[1:]), 0)).encode(), Cache_Control="no-store")
            return
        if part[0] == "blob":
            size = int(part[1])
            self.answer(200, (b"0123456789abcdef" * (size // 16 + 1))[:size], Cache_Control="max-age=60", ETag='"b%d"' % size)
            return
        life = part[1] if len(part) > 1 else "60"
        if self.headers.get("If-None-Match") == '"v1"':
            self.answer(304, b"", ETag='"v1"', Cache_Control="max-age=" + life)
            return
        self.answer(200, b"answer %d\n" % n, ETag='"v1"', Surrogate_Key=" ".join(part[2:]) or "none",
                    Cache_Control="max-age=" + life + (", stale-if-error=600" if part[0] == "down" else ""))

    do_HEAD = do_GET

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(204, b"")


ThreadingHTTPServer.request_queue_size = 1024
ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
