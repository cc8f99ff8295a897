#!/usr/bin/env python3
"""Times whole processes on the anchor input, beside jq, Python and Node, in one run.

  cargo build --release && benches/whole/run.py [--binary PATH] [--folder DIR] [--rounds N] [--large GIB]

Prints a table: best of N rounds in seconds, MB/s, ratio to the slowest peer, peak memory of the process in MiB. What is not
installed is named and left out. --large also syncs an input of that many GiB, for memory alone.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "import json,sys\nfor line in sys.stdin: sys.stdout.write(json.dumps(json.loads(line),sort_keys=True,separators=(',',':'))+'\\n')"
NODE = "require('readline').createInterface({input:process.stdin}).on('line',l=>process.stdout.write(JSON.stringify(JSON.parse(l))+'\\n'))"


def run(command, stdin):
    """Runs a command with a file as standard input; gives seconds, peak MiB."""
    started = time.perf_counter()
    with open(stdin, "rb") as source, open(os.devnull, "wb") as sink:
        child = subprocess.Popen(command, stdin=source, stdout=sink)
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        sys.exit("%s ended with %d" % (command[0], os.waitstatus_to_exitcode(status)))
    return seconds, usage.ru_maxrss / 1024


def best(rounds, command, stdin, before=lambda: None):
    results = []
    for _ in range(rounds):
        before()
        results.append(run(command, stdin))
    return min(seconds for seconds, _ in results), max(memory for _, memory in results)


def generate(path, *arguments):
    with open(path, "wb") as file:
        subprocess.run([sys.executable, HERE / "generate.py", *map(str, arguments)], stdout=file, check=True)
    return path


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--binary", default=str(HERE.parent.parent / "target/release/nifi-idb"))
    options.add_argument("--folder", default=None)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--large", type=float, default=0)
    options = options.parse_args()
    if not os.access(options.binary, os.X_OK):
        sys.exit("%s is not there: cargo build --release" % options.binary)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(options, pathlib.Path(folder))


def measure(options, folder):
    rows, rounds = [], options.rounds
    anchor = generate(folder / "anchor.ndjson")
    size = anchor.stat().st_size / 1e6
    store = folder / "store"
    sync = [options.binary, "sync", "--store", "git:%s" % store, "--database", "bench", "--object-store", "data",
            "--key-path", "id", "--received-at", "1700000000000"]
    fresh = lambda: shutil.rmtree(store, ignore_errors=True)
    for name, command in (("jq -c .", ["jq", "-c", "."]), ("Python json, sorted", [sys.executable, "-c", PYTHON]),
                          ("Node JSON", ["node", "-e", NODE])):
        if shutil.which(command[0]) is None:
            print("left out, not installed: %s" % command[0])
        else:
            rows.append((name, size, *best(min(rounds, 2), command, anchor)))
    slowest = max((row[2] for row in rows), default=0)
    rows.append(("sync --dry-run (decode, normalize, merge, chunk, hash)", size,
                 *best(rounds, [*sync, "--dry-run"], anchor, fresh)))
    rows.append(("first sync, git", size, *best(rounds, sync, anchor, fresh)))
    full = [*sync, "--source", "bench", "--mode", "full"]
    fresh()
    run(full, anchor)
    rows.append(("unchanged full dump", size, *best(rounds, full, anchor)))
    empty = folder / "empty"
    empty.touch()
    rows.append(("start (--version)", 0, *best(20, [options.binary, "--version"], empty)))
    fresh()
    million = generate(folder / "million.ndjson", 1_000_000)
    rows.append(("first sync, git, 1,000,000 records", million.stat().st_size / 1e6, *run(sync, million)))
    with open(million, "rb") as file:
        line = next(line for number, line in enumerate(file) if number == 500_000)
    results = []
    for value in range(10):
        one = folder / "one.ndjson"
        one.write_bytes(line.replace(b'"name":"', b'"name":"%d ' % value))
        results.append(run(sync, one))
    rows.append(("1 change in 1,000,000", 0, min(seconds for seconds, _ in results), max(memory for _, memory in results)))
    if options.large:
        fresh()
        large = generate(folder / "large.ndjson", int(options.large * 2 ** 30 / 358))
        rows.append(("first sync, git, %g GiB" % options.large, large.stat().st_size / 1e6, *run(sync, large)))
    print("%-56s %9s %8s %8s %10s" % ("", "seconds", "MB/s", "ratio", "peak MiB"))
    for name, megabytes, seconds, memory in rows:
        rate = "%8.0f" % (megabytes / seconds) if megabytes else " " * 8
        ratio = "%8.1f" % (slowest / seconds) if megabytes == size and slowest else " " * 8
        print("%-56s %9.4f %s %s %10.0f" % (name, seconds, rate, ratio, memory))


main()
