#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Results of a comparison as a table and plots of a page:

    scripts/lib/bench_doc.py docs/perf/cache.md cache_veth build/bench/cache_veth.json

What stands between the lines <!-- NAME: begin --> and <!-- NAME: end --> of the page is replaced: a table with a row
for each case and a column for each metric, the values of all that were compared in one cell, and a plot for the first
metric, NAME.svg beside the page. METRICS in the environment names the metrics (comma-separated; default: all)."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot  # noqa: E402


def number(v):
    return "%.0f" % v if v >= 1000 else "%.3g" % v


def replace(page, name, text):
    """Put `text` between the page's lines of `name`."""
    with open(page) as f:
        whole = f.read()
    begin, end = "<!-- %s: begin -->\n" % name, "<!-- %s: end -->" % name
    if begin not in whole or end not in whole:
        sys.exit("%s has no place for %s" % (page, name))
    head, rest = whole.split(begin, 1)
    with open(page, "w") as f:
        f.write(head + begin + text + "\n" + end + rest.split(end, 1)[1])


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    page, name, results = sys.argv[1:]
    with open(results) as f:
        rows = json.load(f)
    cases, metrics, who, values, units = [], [], ["weir"], {}, {}
    for r in rows:
        for seen, v in ((cases, r["case"]), (metrics, r["metric"]), (who, r["peer"])):
            if v not in seen:
                seen.append(v)
        units[r["metric"]] = r["unit"]
        values[r["case"], r["metric"], "weir"] = r["value"]
        values[r["case"], r["metric"], r["peer"]] = r["peer_value"]
    wanted = [m for m in os.environ.get("METRICS", "").split(",") if m]
    metrics = [m for m in wanted or metrics if m in metrics]
    out = ["Each cell: %s.\n" % ", ".join(who),
           "| Case | %s |" % " | ".join("%s, %s" % (m, units[m]) for m in metrics),
           "|---|%s" % ("---|" * len(metrics))]
    for c in cases:
        out.append("| %s | %s |" % (c, " | ".join(
            ", ".join(number(values[c, m, w]) for w in who if (c, m, w) in values) for m in metrics)))
    first = metrics[0]
    svg = os.path.join(os.path.dirname(page), name + ".svg")
    with open(svg, "w") as f:
        f.write(plot.bars(first, units[first],
                          [(c, [(w, values[c, first, w]) for w in who if (c, first, w) in values]) for c in cases]))
    out.append("\n![%s](%s)" % (first, os.path.basename(svg)))
    replace(page, name, "\n".join(out))


if __name__ == "__main__":
    main()
