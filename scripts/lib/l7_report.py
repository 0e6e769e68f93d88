#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Samples of tests/bench/veth_l7 as tables, JSON rows and, with --docs, as the measured part of a page:

    l7_report.py SAMPLES --json PATH --title TEXT [--docs PAGE]

A line is `CASE KIND requests=N errors=N us=N p50=N p99=N p999=N proxy=A,B back=A,B client=A,B`, where A,B are CPU times
in us before and after: user,system,user,system of a process, or their sum of the client. Also
`idle-SCHEME KIND bytes=N` and `memory KIND resident=N`. The page's part is what bench_doc.py calls l7_veth; plots stand
beside the page."""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_doc  # noqa: E402
import plot  # noqa: E402

KINDS = ["weir", "nginx", "haproxy"]
METRICS = [  # key, JSON's name, unit, more is better
    ("cpu", "cpu of the process per request", "us", False),
    ("user", "user time per request", "us", False),
    ("added", "cpu added per request", "us", False),
    ("p50", "latency p50", "us", False),
    ("p99", "latency p99", "us", False),
    ("p999", "latency p99.9", "us", False),
    ("rate", "requests a second", "1/s", True),
]


def spent(text):
    """User and whole CPU time between two readings."""
    v = [float(x) for x in text.split(",")]
    half = len(v) // 2
    return v[half] - v[0], sum(v[half:]) - sum(v[:half])


def sample(f):
    n = float(f["requests"])
    if n == 0:
        return None
    user, cpu = spent(f["proxy"])
    return {"cpu": cpu / n, "user": user / n, "all": (cpu + spent(f["back"])[1] + spent(f["client"])[1]) / n,
            "p50": float(f["p50"]), "p99": float(f["p99"]), "p999": float(f["p999"]), "rate": n / float(f["us"]) * 1e6,
            "errors": float(f["errors"])}


def read(path):
    """{case: {kind: {metric: median}}} in order, and {what: {kind: bytes}} of memory."""
    runs, memory = {}, collections.defaultdict(dict)
    with open(path) as lines:
        for line in lines:
            case, kind, *fields = line.split()
            f = dict(x.split("=", 1) for x in fields)
            if "bytes" in f or "resident" in f:
                memory[case][kind] = float(f.get("bytes") or f["resident"])
                continue
            s = sample(f)
            runs.setdefault(case, {}).setdefault(kind, [])
            if s is not None:
                runs[case][kind].append(s)
    out = {}
    for case, kinds in runs.items():
        out[case] = {k: {m: statistics.median(s[m] for s in v) for m in v[0]} for k, v in kinds.items() if v}
        direct = out[case].get("direct")
        for v in out[case].values():
            v["added"] = v["all"] - direct["all"] if direct else None
    return out, memory


def cell(row, metric, digits=1, scale=1.0):
    """The kinds' values side by side."""
    values = [row.get(k, {}).get(metric) for k in KINDS]
    while values and values[-1] is None:
        values.pop()
    return " / ".join("-" if v is None else "%.*f" % (digits, v * scale) for v in values) or "-"


def ratio(row, metric):
    """weir's value beside the better peer's."""
    peers = [row[k][metric] for k in KINDS[1:] if k in row and row[k][metric]]
    own = row.get("weir", {}).get(metric)
    return "-" if not peers or not own else "%.2f" % (own / min(peers))


def name_of(case):
    """What stands in a table's first column, without what its title says."""
    parts = case.replace("tls-", "", 1).split("-")
    size = {"1": "1 B", "1k": "1 KB", "64k": "64 KB", "1m": "1 MB"}
    if parts[0] == "fixed":
        return "fixed response, %s connections" % parts[1]
    what = "file of " if parts[0] == "file" else ""
    return "%s%s, %s connections%s" % (what, size.get(parts[1], parts[1]), parts[2],
                                       ", closed" if parts[0] == "close" else "")


def table(cases):
    lines = ["| case | CPU us a request | ratio | user us | added us | p50 ms | p99 ms | ratio | no proxy | p99.9 ms | requests a second |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    for case, row in cases.items():
        lines.append("| %s |" % " | ".join([
            name_of(case), cell(row, "cpu"), ratio(row, "cpu"), cell(row, "user"), cell(row, "added"),
            cell(row, "p50", 2, 1e-3), cell(row, "p99", 1, 1e-3), ratio(row, "p99"),
            "%.1f" % (row["direct"]["p99"] / 1e3) if "direct" in row else "-", cell(row, "p999", 1, 1e-3),
            cell(row, "rate", 0)]))
    return lines


SECTIONS = [
    ("Proxied, plain", lambda c: c.startswith(("keep", "close"))),
    ("Proxied, TLS 1.3 with ECDSA P-256", lambda c: c.startswith(("tls-keep", "tls-close"))),
    ("Fixed responses and files", lambda c: c.replace("tls-", "").startswith(("fixed", "file")) and not c.startswith("tls")),
    ("Fixed responses and files, TLS 1.3", lambda c: c.startswith(("tls-fixed", "tls-file"))),
]


def memory_lines(memory):
    lines = []
    for scheme, text in (("http", "plain"), ("https", "TLS")):
        got = memory.get("idle-" + scheme)
        if got:
            lines.append("| idle connection, %s, bytes | %s |" % (text, " | ".join("%.0f" % got.get(k, 0) for k in KINDS)))
    if lines and "memory" in memory:
        lines.append("| resident at the end, MiB | %s |" %
                     " | ".join("%.0f" % (memory["memory"].get(k, 0) / 1048576) for k in KINDS))
    return ["| memory of the process | weir | nginx | haproxy |", "|---|---|---|---|"] + lines if lines else []


def page(results, memory, title):
    version = {"nginx": ["nginx", "-v"], "HAProxy": ["haproxy", "-v"]}
    seen = []
    for n, cmd in version.items():
        p = subprocess.run(cmd, capture_output=True, text=True)
        words = (p.stdout + p.stderr).replace("/", " ").split()
        seen.append("%s %s" % (n, next((w for w in words if w[0].isdigit()), "?")))
    lines = ["%s. Each cell: weir / nginx / HAProxy; a ratio is weir's beside the better of the others; \"no proxy\" is the "
             "p99 of client and backend alone, on their one core. %s." %
             (title, ", ".join(seen)), ""]
    for text, chosen in SECTIONS:
        some = {c: r for c, r in results.items() if chosen(c)}
        if some:
            lines += ["### " + text, ""] + table(some) + [""]
    return lines + memory_lines(memory)


def plots(results, folder):
    """SVG files; returns their names."""
    names = []
    for file, metric, what, chosen in (
            ("l7-cpu", "cpu", "CPU time of the proxy a request", lambda c: c.startswith("keep") and "1m" not in c and "64k" not in c),
            ("l7-cpu-tls", "cpu", "CPU time of the proxy a request, TLS", lambda c: c.startswith("tls-keep") and "1m" not in c and "64k" not in c),
            ("l7-cpu-large", "cpu", "CPU time of the proxy a request", lambda c: c.startswith("keep-64k")),
            ("l7-p99", "p99", "latency, 99th percentile", lambda c: c.startswith("keep-1"))):
        rows = [(name_of(c), [(k, r[k][metric]) for k in KINDS if k in r]) for c, r in results.items() if chosen(c)]
        if not rows:
            continue
        with open(os.path.join(folder, file + ".svg"), "w") as f:
            f.write(plot.bars(what, "us", rows))
        names.append((file, what))
    return names


def json_rows(results):
    for case, row in results.items():
        for key, metric, unit, more in METRICS:
            own = row.get("weir", {}).get(key)
            for peer in KINDS[1:]:
                theirs = row.get(peer, {}).get(key)
                if own is None or theirs is None:
                    continue
                r = 0 if not own or not theirs else own / theirs if more else theirs / own
                yield {"case": "veth " + case, "metric": metric, "value": round(own, 3), "unit": unit,
                       "peer": peer, "peer_value": round(theirs, 3), "ratio": round(r, 3)}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("samples")
    args.add_argument("--json", required=True)
    args.add_argument("--title", required=True)
    args.add_argument("--docs")
    a = args.parse_args()
    results, memory = read(a.samples)
    print("\nHTTP over veth: %s; weir / nginx / haproxy" % a.title)
    print("%-18s %24s %6s %22s %24s %26s" % ("case", "CPU us a request", "ratio", "user us", "p99 ms", "requests a second"))
    for case, row in results.items():
        print("%-18s %24s %6s %22s %24s %26s" % (case, cell(row, "cpu"), ratio(row, "cpu"), cell(row, "user"),
                                                 cell(row, "p99", 1, 1e-3), cell(row, "rate", 0)))
        for k, v in row.items():
            if v["errors"]:
                print("%-18s %s: %d errors" % ("", k, v["errors"]))
    print("\n".join(memory_lines(memory)))
    os.makedirs(os.path.dirname(a.json) or ".", exist_ok=True)
    with open(a.json, "w") as f:
        json.dump(list(json_rows(results)), f, indent=1)
    if a.docs:
        lines = page(results, memory, a.title)
        for file, what in plots(results, os.path.dirname(a.docs) or "."):
            lines += ["", "![%s](%s.svg)" % (what, file)]
        bench_doc.replace(a.docs, "l7_veth", "\n".join(lines))


main()
