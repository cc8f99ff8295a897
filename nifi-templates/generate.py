#!/usr/bin/env python3
"""Writes the flow definitions beside this file; with --check, says whether they are what it would write.

Five files of up to 100 KB that repeat each other cannot be kept consistent by hand. Python's standard library is all that
is needed; the same input gives the same bytes.
"""

import pathlib
import sys

# The folder is part of the sources: nothing is left in it but what belongs there.
sys.dont_write_bytecode = True

import grpc_sync  # noqa: E402
import http_sync  # noqa: E402
import live_sync  # noqa: E402
import scheduled_restore  # noqa: E402
import scheduled_sync  # noqa: E402

DEFINITIONS = [scheduled_sync, live_sync, http_sync, scheduled_restore, grpc_sync]
HERE = pathlib.Path(__file__).resolve().parent


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit("usage: generate.py [--check]")
    stale = []
    for module in DEFINITIONS:
        it = module.definition()
        path = HERE / f"{it.name}.json"
        text = it.text()
        if arguments and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not arguments:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"not as generated: {', '.join(stale)}; run nifi-templates/generate.py")


if __name__ == "__main__":
    main(sys.argv[1:])
