# SPDX-License-Identifier: Apache-2.0
"""Bars as SVG, without a library: used by the reports of benchmarks and of the packet generator."""
import html


def short(v):
    """39361 as 39.4k: four places at most, never an exponent."""
    for unit in ("", "k", "M", "G"):
        if abs(v) < 999.5 or unit == "G":
            return ("%.3g" % v if abs(v) < 99.95 else "%.0f" % v) + unit
        v /= 1000


def bars(title, unit, rows):
    """rows: [(name, [(series, value), ...])], larger is longer."""
    series = []
    for _, values in rows:
        for s, _ in values:
            if s not in series:
                series.append(s)
    colours = ["#2563c9", "#b4540a", "#14783c", "#8a6100"]
    top = max((v for _, values in rows for _, v in values), default=0) or 1
    left, width, bar = 260, 520, 16
    out, y = [], 46
    for name, values in rows:
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (left - 8, y + bar - 4, html.escape(name)))
        for s, v in values:
            w = width * v / top
            out.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s" rx="2"><title>%s %s: %g %s</title></rect>' %
                       (left, y, max(w, 1), bar - 2, colours[series.index(s) % 4], html.escape(name), html.escape(s), v, html.escape(unit)))
            out.append('<text x="%.1f" y="%d">%s</text>' % (left + w + 6, y + bar - 4, short(v)))
            y += bar
        y += 8
    legend = "".join('<rect x="%d" y="24" width="10" height="10" fill="%s"/><text x="%d" y="33">%s</text>' %
                     (left + 150 * i, colours[i % 4], left + 150 * i + 14, html.escape(s)) for i, s in enumerate(series) if s)
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">'
            '<rect width="100%%" height="100%%" fill="#fff"/><text x="12" y="16" font-weight="bold">%s (%s)</text>%s%s</svg>\n' %
            (left + width + 90, y + 8, html.escape(title), html.escape(unit), legend, "".join(out)))
