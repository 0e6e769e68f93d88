#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""All benchmarks of a folder as one page of Markdown with plots, beside an earlier one:

    scripts/lib/bench_report.py build/bench [EARLIER] > build/bench/report.md

Reads NAME.json (lists of {"case", "metric", "value", "unit", "peer", "peer_value", "ratio"}), writes NAME.svg
beside them. A change of more than 5 % is marked."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot  # noqa: E402

MARK = 0.05


def load(folder):
    out = {}
    for f in sorted(glob.glob(os.path.join(folder, "*.json"))):
        with open(f) as h:
            rows = json.load(h)
        if isinstance(rows, list):
            out[os.path.basename(f)[:-5]] = rows
    return out


def number(v):
    return "-" if v is None else "%.4g" % v


def change(now, was, less_is_better):
    if was in (None, 0) or now is None:
        return "-"
    d = now / was - 1
    text = "%+.1f %%" % (100 * d)
    if abs(d) < MARK:
        return text
    return ("**better** " if (d < 0) == less_is_better else "**worse** ") + text


def less(unit, metric):
    """Times, cycles and bytes: less is better; rates: more."""
    return "/s" not in unit and "per second" not in metric and unit not in ("ops", "Mpps", "Gbit/s", "%hit")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, earlier = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    now, was = load(folder), load(earlier) if earlier else {}
    if not now:
        sys.exit("bench_report: no results in " + folder)
    print("# Benchmarks\n")
    if earlier:
        print("Compared with `%s`; marked where it changed by more than %.0f %%.\n" % (earlier, 100 * MARK))
    for name, rows in now.items():
        before = {(r["case"], r["metric"]): r.get("value") for r in was.get(name, [])}
        print("## %s\n" % name)
        print("| case | metric | value | unit | peer | its value | ratio |" + (" before | change |" if earlier else ""))
        print("|---|---|---|---|---|---|---|" + ("---|---|" if earlier else ""))
        for r in rows:
            line = "| %s | %s | %s | %s | %s | %s | %s |" % (
                r["case"], r["metric"], number(r.get("value")), r.get("unit", ""), r.get("peer") or "-",
                number(r.get("peer_value")), number(r.get("ratio")))
            if earlier:
                b = before.get((r["case"], r["metric"]))
                line += " %s | %s |" % (number(b), change(r.get("value"), b, less(r.get("unit", ""), r["metric"])))
            print(line)
        units = {}
        for r in rows:
            if r.get("value") is not None:
                units.setdefault((r["metric"], r.get("unit", "")), []).append(r)
        (metric, unit), some = max(units.items(), key=lambda u: len(u[1]))
        bars = [(r["case"], [("weir", r["value"])] + ([(r["peer"], r["peer_value"])] if r.get("peer_value") else []) +
                 ([("before", before[(r["case"], metric)])] if before.get((r["case"], metric)) else [])) for r in some[:24]]
        with open(os.path.join(folder, name + ".svg"), "w") as f:
            f.write(plot.bars("%s: %s" % (name, metric), unit, bars))
        print("\n![%s](%s.svg)\n" % (name, name))


main()
