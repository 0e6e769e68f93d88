#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""gen.py [--check] [DIR]: write the packet scenarios' folders (default tests/packet/scenarios).

With --check nothing is written: the committed folders must be what this would write."""
import filecmp
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

import weirgen
from weirgen import modules  # noqa: F401 (registers the scenarios)


def differences(want, have):
    for name in sorted(set(os.listdir(want)) | set(os.listdir(have))):
        a, b = os.path.join(want, name), os.path.join(have, name)
        if not os.path.isdir(a) or not os.path.isdir(b):
            yield name
            continue
        files = set(os.listdir(a)) | set(os.listdir(b))
        same, _, _ = filecmp.cmpfiles(a, b, files, shallow=False)
        for f in sorted(files - set(same)):
            yield name + "/" + f


def main():
    args = sys.argv[1:]
    check = "--check" in args
    out = ([a for a in args if a != "--check"] or [os.path.join(HERE, "scenarios")])[0]
    if not check:
        shutil.rmtree(out, ignore_errors=True)
        weirgen.write_all(out)
        print("%d scenarios" % len(weirgen.SCENARIOS))
        return 0
    with tempfile.TemporaryDirectory() as tmp:
        weirgen.write_all(tmp)
        bad = list(differences(tmp, out))
    for b in bad:
        print("differs from what gen.py writes: %s" % b)
    print("%d passed, %d failed, 0 skipped" % (len(weirgen.SCENARIOS) - min(len(bad), 1), min(len(bad), 1)))
    return 1 if bad else 0


sys.exit(main())
