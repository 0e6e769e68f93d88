# SPDX-License-Identifier: Apache-2.0
"""Every change that the OpenAPI document has, first as a dry run: it answers, and nothing is another
than before; then for good: what was looked at is another. So a change without a dry run is found, and so
is a dry run that changes something.

    dry_run.py SOCKET FOLDER

Prints one line for each check: "ok NAME" or "FAILED NAME: WHY"."""
import http.client
import json
import os
import socket
import sys
import time

SOCKET, FOLDER = sys.argv[1:3]
bad = 0


def check(name, good, why=""):
    global bad
    bad += not good
    print(f"ok {name}" if good else f"FAILED {name}: {why}", flush=True)


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(SOCKET)


def ask(method, path, body=None):
    c = Connection("weir")
    c.request(method, path, None if body is None else json.dumps(body))
    r = c.getresponse()
    text = r.read().decode()
    c.close()
    try:
        return r.status, json.loads(text)
    except ValueError:
        return r.status, text


capture = 0


def state():
    """All that a change may change, and nothing that time does."""
    s = ask("GET", "/v1/status")[1]
    return {
        "process": [s["generation"], s["log_level"], s["draining"], s["reload_done"]],
        "overrides": ask("GET", "/v1/overrides")[1],
        "backends": [(b["backend"], b["state"], b["weight"]) for b in ask("GET", "/v1/backends")[1]["backends"]],
        "history": ask("GET", "/v1/config/history")[1],
        "config": ask("GET", "/v1/config")[1],
        "backup": ask("GET", "/v1/store/backup")[1],
        "folder": sorted(os.listdir(FOLDER)),
        "preload": ask("GET", "/v1/cache/preload")[1]["preload"][:1] != [],
        "purges": [m["purges"] for m in ask("GET", "/v1/cache")[1]["memory"]],
        "capture": [ask("GET", f"/v1/capture/{i}")[1].get("running") for i in range(1, 4)],
    }


def settled():
    end = time.time() + 10
    while time.time() < end and (not ask("GET", "/v1/status")[1]["reload_done"] or
                                 ask("GET", "/v1/store/backup")[1]["running"]):
        time.sleep(0.02)


BACKEND = {"service": "web", "backend": "198.51.100.11:80"}
# In an order in which each has something to change. The last word is what it must say of itself.
CHANGES = [
    ("POST", "/v1/backends/drain", BACKEND, "after"),
    ("POST", "/v1/backends/weight", dict(BACKEND, weight=7), "after"),
    ("POST", "/v1/backends/disable", BACKEND, "after"),
    ("POST", "/v1/backends/enable", BACKEND, "after"),
    ("POST", "/v1/cache/purge", {"all": True}, "items"),
    ("POST", "/v1/cache/preload", {"urls": "http://203.0.113.84/a\nhttp://203.0.113.84/b"}, "urls"),
    ("POST", "/v1/store/backup", {"to": FOLDER + "/backup"}, "bytes"),
    ("POST", "/v1/log-level", {"level": "warn"}, "level"),
    ("POST", "/v1/reload", None, "differences"),
    ("POST", "/v1/rollback", None, "differences"),
    ("POST", "/v1/capture", {"filter": "udp"}, "count"),
    ("DELETE", "/v1/capture/{id}", None, "packets"),
    ("POST", "/v1/stop", None, "stop_timeout_s"),
]
# They only read, whatever their method.
READS = {("POST", "/v1/plan"), ("POST", "/v1/explain")}
# What is refused is refused in the dry run, too.
WRONG = [
    ("POST", "/v1/backends/drain", dict(BACKEND, backend="192.0.2.99:1"), 404),
    ("POST", "/v1/cache/purge", {"regex": "("}, 422),
    ("POST", "/v1/cache/preload", {"urls": "nonsense"}, 422),
    ("POST", "/v1/store/backup", {"to": os.path.dirname(FOLDER)}, 422),
    ("POST", "/v1/store/backup", {"to": "relative"}, 422),
    ("POST", "/v1/log-level", {"level": "loud"}, 422),
    ("POST", "/v1/rollback", {"id": 99}, 404),
    ("POST", "/v1/capture", {"filter": "nonsense and"}, 422),
    ("DELETE", "/v1/capture/99", None, 404),
]

document = ask("GET", "/v1/openapi.json")[1]
changes = set()
for path, methods in document["paths"].items():
    for method, op in methods.items():
        if method == "get" or (method.upper(), path) in READS:
            continue
        changes.add((method.upper(), path))
        check(f"{method.upper()} {path} takes dry_run", any(p["name"] == "dry_run" for p in op["parameters"]))
check("these are the changes that are known here", changes == {c[:2] for c in CHANGES},
      changes ^ {c[:2] for c in CHANGES})

for method, path, body, status in WRONG:
    got, out = ask(method, path + "?dry_run=true", body)
    check(f"a dry {method} {path} of {body} is refused", got == status and out.get("error"), (got, out))

for method, path, body, key in CHANGES:
    path = path.replace("{id}", str(capture))
    settled()
    before = state()
    status, out = ask(method, path + "?dry_run=true", body)
    check(f"a dry {method} {path} tells", status < 300 and key in out, (status, out))
    check("  and says that nothing changed", isinstance(out, dict) and out.get("changed") is False, out)
    after = state()
    check("  and nothing did", before == after, [(k, before[k], after[k]) for k in before if before[k] != after[k]])
    status, out = ask(method, path, body)
    check("  for good it is done", status < 300 and out.get("changed") is True, (status, out))
    if path == "/v1/capture":
        capture = out.get("id", 0)
    if path == "/v1/stop":
        continue
    settled()
    check("  and to be seen", before != state(), before)
sys.exit(bad > 0)
