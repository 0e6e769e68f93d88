#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""json_path.py PATH: print one value of the JSON on standard input. PATH is keys and indexes with dots
between; NAME=VALUE picks the element of a list whose member NAME is VALUE."""
import json
import sys


def main():
    v = json.load(sys.stdin)
    for step in sys.argv[1].split("."):
        if isinstance(v, list):
            if "=" in step:
                name, _, value = step.partition("=")
                v = next(x for x in v if str(x[name]) == value)
            else:
                v = v[int(step)]
        else:
            v = v[step]
    print(v if isinstance(v, str) else json.dumps(v))


main()
