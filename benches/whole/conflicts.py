#!/usr/bin/env python3
"""Times the merge of 1,000,000 changes of which one in ten is in conflict, with a policy and without.

  cargo build --release && benches/whole/conflicts.py [--binary PATH] [--folder DIR] [--records N] [--policy FILE] [--rounds N]

Three object stores with twelve fields a record. Version 1 holds all records; in version 2 another source has changed every
tenth; the batch that is timed started from version 1 and changes all. Prints seconds, changes a second and peak memory of the
process in MiB, for the built-in rules, for the policy, and for the batch without conflicts.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
STORES = ["customers", "orders", "products"]
STATES = ["new", "paid", "packed", "shipped", "done"]


def record(store, key, turn):
    """A record as one of the sources left it; turn 0 is what both started from."""
    return {
        "id": key, "store": store, "name": "name %d" % key, "note": "note %d of turn %d" % (key, turn),
        "status": STATES[(key + turn) % 5], "total": key % 1000 + turn * 7 + 0.25, "stock": 1000 - turn * 3,
        "tags": ["t%d" % (key % 7), "u%d" % turn], "address": {"street": "street %d" % key, "city": "city %d" % turn},
        "updatedAt": {"~date": 1700000000000 + turn * 1000 + key}, "priority": key % 10 + turn, "active": key % 2 == 0,
    }


def batch(path, source, base, turn, keys):
    header = {"format": "indexeddb-changes/1", "database": "shop", "source": source,
              "stores": [{"name": name, "keyPath": "id"} for name in STORES]}
    if base:
        header["base"] = base
    dump = json.JSONEncoder(separators=(",", ":")).encode
    count = 0
    with open(path, "w") as file:
        file.write(dump(header) + "\n")
        for key in keys:
            store = STORES[key % 3]
            file.write(dump({"op": "put", "store": store, "value": record(store, key, turn), "at": 1700000000000 + turn}) + "\n")
            count += 1
        file.write(dump({"op": "end", "count": count}) + "\n")


def run(command, stdin):
    started = time.perf_counter()
    with open(stdin, "rb") as source:
        child = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE)
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit("%s ended with %d" % (" ".join(command), os.waitstatus_to_exitcode(status)))
    return time.perf_counter() - started, usage.ru_maxrss / 1024, json.loads(out)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--binary", default=str(HERE.parent.parent / "target/release/nifi-idb"))
    options.add_argument("--folder", default=None)
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--policy", default=str(HERE.parent.parent / "examples/policies/shop.toml"))
    options.add_argument("--rounds", type=int, default=3)
    options = options.parse_args()
    if not os.access(options.binary, os.X_OK):
        sys.exit("%s is not there: cargo build --release" % options.binary)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(options, pathlib.Path(folder))


def measure(options, folder):
    every, tenth = range(options.records), range(0, options.records, 10)
    batch(folder / "first", "first", None, 0, every)
    batch(folder / "head", "head", 1, 1, tenth)
    batch(folder / "incoming", "incoming", 1, 2, every)
    repo = folder / "start.git"

    def sync(path, store, *more):
        command = [options.binary, "sync", "--store", "git:%s" % store, "--received-at", "1700000100000", "--report", "summary",
                   "--temp-dir", str(folder), *more]
        return run(command, folder / path)

    sync("first", repo)
    shutil.copytree(repo, folder / "free.git")
    sync("head", repo)
    print("%d changes, %.0f MiB of input" % (options.records, (folder / "incoming").stat().st_size / 2 ** 20))
    print("%-28s %8s %12s %10s %10s %8s" % ("", "seconds", "changes/s", "peak MiB", "conflicts", "parked"))
    for what, start, more in [("no conflicts", folder / "free.git", []), ("built-in rules", repo, []),
                              ("policy", repo, ["--policy", options.policy]),
                              ("policy, no conflicts", folder / "free.git", ["--policy", options.policy])]:
        results = []
        for _ in range(options.rounds):
            shutil.copytree(start, folder / "round.git")
            results.append(sync("incoming", folder / "round.git", *more))
            shutil.rmtree(folder / "round.git")
        seconds, memory = min(result[0] for result in results), max(result[1] for result in results)
        summary = results[0][2]
        print("%-28s %8.2f %12.0f %10.0f %10d %8d" % (what, seconds, options.records / seconds, memory, summary["conflicts"], summary["parked"]))


main()
