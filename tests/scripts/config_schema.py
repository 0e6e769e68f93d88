#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema that `weir config schema` prints against a validator that is not ours: the examples
and what is shown of them are valid, and one wrong key or value makes each invalid."""

import copy
import glob
import json
import os
import subprocess
import sys

import jsonschema
import yaml

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "debug", "tests", "tools", "config_tool")
passed = failed = 0


def check(name, ok):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("FAILED:", name)


def tool(*args):
    return subprocess.run([TOOL, *args], check=True, capture_output=True, text=True).stdout


class Loader(yaml.SafeLoader):
    """YAML 1.2 scalars, as editors read them: 02:00:00:00:00:01 is no number in base 60."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in rules if tag != "tag:yaml.org,2002:int"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", __import__("re").compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))


def load(text):
    return yaml.load(text, Loader)


schema = json.loads(tool("schema"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

examples = sorted(glob.glob(os.path.join(ROOT, "docs", "examples", "*.yaml")))
check("there are examples", len(examples) >= 10)
for path in examples:
    for kind, text in (("", open(path).read()), (" as shown", tool("show", path))):
        errors = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(load(text))]
        check(f"{os.path.basename(path)}{kind}: {errors}", not errors)

full = load(open(os.path.join(ROOT, "docs", "examples", "full.yaml")).read())


def wrong(name, change):
    doc = copy.deepcopy(full)
    change(doc)
    check(f"refused: {name}", not validator.is_valid(doc))


def put(value, *keys):
    def change(doc):
        for key in keys[:-1]:
            doc = doc[key]
        doc[keys[-1]] = value
    return change


def drop(*keys):
    def change(doc):
        for key in keys[:-1]:
            doc = doc[key]
        del doc[keys[-1]]
    return change


wrong("unknown key", put(1, "prots"))
wrong("unknown key of a service", put(1, "services", 0, "wieght"))
wrong("no ports", drop("ports"))
wrong("empty ports", put([], "ports"))
wrong("port without device", drop("ports", 0, "device"))
wrong("service without backends", drop("services", 0, "backends"))
wrong("mtu out of range", put(70000, "ports", 0, "mtu"))
wrong("number in quotes", put("1500", "ports", 0, "mtu"))
wrong("duration without unit", put(10, "services", 0, "timeouts", "syn"))
wrong("size with a wrong unit", put("64mib", "memory", "dpdk"))
wrong("percentage without sign", put(10, "services", 0, "health", "jitter"))
wrong("unknown word", put("magelv", "services", 0, "scheduler"))
wrong("text for true", put("yes", "services", 0, "toa"))
wrong("port in words", put("http", "services", 0, "port"))
wrong("core range without end", put(["1-"], "workers", "cores"))
wrong("gue_port in mode fullnat", put(6080, "services", 0, "gue_port"))
wrong("toa in mode gue", put(True, "services", 1, "toa"))
wrong("send for a tcp probe", put("x", "services", 0, "health", "send"))
wrong("interval without a kind of probe", put({"interval": "1s"}, "services", 0, "health"))
wrong("map for a list", put({}, "services"))
wrong("list for a value", put(["a"], "ports", 0, "device"))

for name, doc in (("short forms", {
    "ports": [{"device": "a", "addresses": "192.0.2.2/24", "gateway": "192.0.2.1"}],
    "workers": 2,
    "services": [{"vip": "192.0.2.10:80", "backends": ["192.0.2.11:80"], "health": "tcp"}],
}), ("gue without its defaults", {
    "ports": [{"device": "a", "addresses": ["192.0.2.2/24"]}],
    "services": [{"vip": "192.0.2.10:80", "mode": "gue", "gue_port": 1, "backends": ["192.0.2.11"]}],
})):
    errors = [e.message for e in validator.iter_errors(doc)]
    check(f"{name}: {errors}", not errors)

print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
