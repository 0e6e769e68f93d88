#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A flame graph from `perf script`: one box for each function on each stack, as wide as it was hot.

    perf script -i perf.data | scripts/lib/flamegraph.py TITLE > flame.svg

The picture is one SVG without a script; a box says its share when the pointer rests on it."""
import html
import sys
import zlib

WIDTH, ROW, FONT = 1200, 17, 11


def stacks(lines):
    """Yields (thread, [outermost, ..., innermost], count)."""
    thread, frames = None, []
    for line in lines:
        line = line.rstrip("\n")
        if not line.strip():
            if thread is not None and frames:
                yield thread, frames[::-1], 1
            thread, frames = None, []
        elif not line[0].isspace():
            thread, frames = line.split()[0], []
        elif thread is not None:
            part = line.split(None, 1)
            name = part[1] if len(part) > 1 else "?"
            name = name.rsplit(" (", 1)[0].split("+0x")[0]
            name = name if name != "[unknown]" else "?"
            # A chain of frames that cannot be followed is one box, not a tower of them.
            if name != "?" or not frames or frames[-1] != "?":
                frames.append(name)
    if thread is not None and frames:
        yield thread, frames[::-1], 1


class Node:
    def __init__(self):
        self.count, self.children = 0, {}

    def add(self, frames, n):
        self.count += n
        node = self
        for f in frames:
            node = node.children.setdefault(f, Node())
            node.count += n

    def depth(self):
        return 1 + max((c.depth() for c in self.children.values()), default=0)


def colour(name):
    h = zlib.crc32(name.encode()) % 1000 / 1000
    return "hsl(%d %d%% %d%%)" % (18 + 34 * h, 78, 66 - 10 * h)


def boxes(node, name, x, level, total, height, out):
    w = WIDTH * node.count / total
    if w < 0.4:
        return
    y = height - (level + 1) * ROW
    share = "%s: %d samples, %.1f %%" % (name, node.count, 100 * node.count / total)
    text = name if len(name) * FONT * 0.6 < w - 6 else name[: max(0, int((w - 6) / (FONT * 0.6)) - 1)]
    out.append('<g><title>%s</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" rx="1"/>' %
               (html.escape(share), x, y, max(w - 0.5, 0.4), ROW - 1, colour(name)))
    if len(text) > 2:
        out.append('<text x="%.1f" y="%d">%s</text>' % (x + 3, y + ROW - 5, html.escape(text)))
    out.append("</g>")
    for child in sorted(node.children):
        boxes(node.children[child], child, x, level + 1, total, height, out)
        x += WIDTH * node.children[child].count / total


def main():
    root, title = Node(), sys.argv[1] if len(sys.argv) > 1 else "flame graph"
    for thread, frames, n in stacks(sys.stdin):
        root.add([thread] + frames, n)
    if root.count == 0:
        sys.exit("flamegraph: no stacks in the input")
    height = (root.depth() + 2) * ROW
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="monospace" font-size="%d">' %
           (WIDTH, height, WIDTH, height, FONT),
           '<rect width="100%" height="100%" fill="#fff"/>',
           '<text x="8" y="14" font-weight="bold">%s: %d samples</text>' % (html.escape(title), root.count)]
    boxes(root, "all", 0, 0, root.count, height, out)
    out.append("</svg>")
    print("\n".join(out))


main()
