#!/usr/bin/env python3
"""Writes the flow definitions beside this file, and a picture of the canvas of each; with --check, says whether they are
what it would write. A canvas that nobody could read is an error (draw.py).

Five files of up to 100 KB that repeat each other cannot be kept consistent by hand. Python's standard library is all that
is needed; the same input gives the same bytes.
"""

import json
import pathlib
import sys

# The folder is part of the sources: nothing is left in it but what belongs there.
sys.dont_write_bytecode = True

import draw  # noqa: E402
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
    stale, unreadable = [], []
    for module in DEFINITIONS:
        it = module.definition()
        text = it.text()
        definition = json.loads(text)
        unreadable += [f"{it.name}: {fault}" for fault in draw.Canvas(definition["flowContents"]).faults()]
        for path, text in ((HERE / f"{it.name}.json", text), (HERE / f"{it.name}.svg", draw.picture(definition))):
            if arguments and (not path.exists() or path.read_text(encoding="utf-8") != text):
                stale.append(path.name)
            elif not arguments:
                path.write_text(text, encoding="utf-8")
    if unreadable:
        sys.exit("\n".join(["the canvas cannot be read; move parts, or give connections other bends:", *unreadable]))
    if stale:
        sys.exit(f"not as generated: {', '.join(stale)}; run nifi-templates/generate.py")


if __name__ == "__main__":
    main(sys.argv[1:])
