#!/usr/bin/env python3
"""Times whole processes on the anchor input, beside jq, Python and Node, in one run.

  cargo build --release && benches/whole/run.py [--binary PATH] [--before PATH] [--folder DIR] [--rounds N] [--large GIB]

Prints a table: best of N rounds in seconds, MB/s, ratio to the slowest peer, peak memory of the process in MiB. What is not
installed is named and left out. --before runs another nifi-idb by turns with this one; its ratio is new time by old time.
--large also syncs an input of that many GiB, for memory alone.
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


def best(rounds, command, stdin):
    results = [run(command, stdin) for _ in range(rounds)]
    return min(seconds for seconds, _ in results), max(memory for _, memory in results)


def generate(path, *arguments):
    with open(path, "wb") as file:
        subprocess.run([sys.executable, HERE / "generate.py", *map(str, arguments)], stdout=file, check=True)
    return path


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--binary", default=str(HERE.parent.parent / "target/release/nifi-idb"))
    options.add_argument("--before", default=None)
    options.add_argument("--folder", default=None)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--large", type=float, default=0)
    options = options.parse_args()
    for binary in filter(None, (options.binary, options.before)):
        if not os.access(binary, os.X_OK):
            sys.exit("%s is not there: cargo build --release" % binary)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(options, pathlib.Path(folder))


class Program:
    """One nifi-idb, with a store of its own."""

    def __init__(self, binary, store):
        self.binary, self.store = binary, store
        self.sync = [binary, "sync", "--store", "git:%s" % store, "--database", "bench", "--object-store", "data",
                     "--key-path", "id", "--received-at", "1700000000000"]
        self.full = [*self.sync, "--source", "bench", "--mode", "full"]

    def fresh(self):
        shutil.rmtree(self.store, ignore_errors=True)


def measure(options, folder):
    rows, rounds = [], options.rounds
    anchor = generate(folder / "anchor.ndjson")
    size = anchor.stat().st_size / 1e6
    programs = [Program(options.binary, folder / "store")]
    if options.before:
        programs.append(Program(options.before, folder / "store-before"))
    for name, command in (("jq -c .", ["jq", "-c", "."]), ("Python json, sorted", [sys.executable, "-c", PYTHON]),
                          ("Node JSON", ["node", "-e", NODE])):
        if shutil.which(command[0]) is None:
            print("left out, not installed: %s" % command[0])
        else:
            rows.append((name, size, [best(min(rounds, 2), command, anchor)]))
    slowest = max((row[2][0][0] for row in rows), default=0)

    def compare(name, megabytes, count, command, stdin, prepare=lambda program: None):
        """Times a command of each program, by turns, so that a busy moment of the machine meets both."""
        results = [[] for _ in programs]
        for turn in range(count):
            # Whoever is second finds a warmer machine.
            for place in (range(len(programs)) if turn % 2 else reversed(range(len(programs)))):
                prepare(programs[place])
                results[place].append(run(command(programs[place]), stdin))
        rows.append((name, megabytes, [(min(it[0] for it in result), max(it[1] for it in result)) for result in results]))

    fresh = lambda program: program.fresh()
    sync = lambda program: program.sync
    compare("sync --dry-run (decode, normalize, merge, chunk, hash)", size, rounds,
            lambda program: [*program.sync, "--dry-run"], anchor, fresh)
    compare("first sync, git", size, rounds, sync, anchor, fresh)
    for program in programs:
        program.fresh()
        run(program.full, anchor)
    compare("unchanged full dump", size, rounds, lambda program: program.full, anchor)
    empty = folder / "empty"
    empty.touch()
    compare("start (--version)", 0, 20, lambda program: [program.binary, "--version"], empty)
    million = generate(folder / "million.ndjson", 1_000_000)
    compare("first sync, git, 1,000,000 records", million.stat().st_size / 1e6, 1, sync, million, fresh)
    with open(million, "rb") as file:
        line = next(line for number, line in enumerate(file) if number == 500_000)
    one, turns = folder / "one.ndjson", {}

    def change(program):
        turns[program] = turns.get(program, 0) + 1
        one.write_bytes(line.replace(b'"name":"', b'"name":"%d ' % turns[program]))

    compare("1 change in 1,000,000", 0, 10, sync, one, change)
    if options.large:
        large = generate(folder / "large.ndjson", int(options.large * 2 ** 30 / 358))
        compare("first sync, git, %g GiB" % options.large, large.stat().st_size / 1e6, 1, sync, large, fresh)
    print("%-56s %9s %8s %8s %10s%s" % ("", "seconds", "MB/s", "ratio", "peak MiB", "  before: seconds  peak MiB  ratio" if options.before else ""))
    for name, megabytes, results in rows:
        seconds, memory = results[0]
        rate = "%8.0f" % (megabytes / seconds) if megabytes else " " * 8
        ratio = "%8.1f" % (slowest / seconds) if megabytes == size and slowest else " " * 8
        before = "%17.4f %9.0f %6.2f" % (*results[1], seconds / results[1][0]) if len(results) > 1 else ""
        print("%-56s %9.4f %s %s %10.0f%s" % (name, seconds, rate, ratio, memory, before))


main()
