#!/usr/bin/env python3
"""Writes the anchor input of the whole-process benchmark to standard output: NDJSON, the same bytes every time.

  generate.py [RECORDS] [--change KEY]

298,880 records of about 350 bytes (the default) are 100 MiB. Members are unsorted, as applications write them.
"""
import sys

WORDS = ("alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
         "sierra tango uniform victor whiskey xray yankee zulu").split()


def record(key, state, changed):
    def chance(below):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
        return (state >> 33) % below

    text = " ".join(WORDS[chance(26)] for _ in range(26))
    tags = ",".join('"%s"' % WORDS[chance(26)] for _ in range(3))
    return ('{"id":%d,"name":"%s %s","price":%d.%02d,"stock":%d,"updated":17%011d,"active":%s,"tags":[%s],'
            '"address":{"street":"%s %d","city":"%s"},"note":"%s"}\n'
            % (key, WORDS[chance(26)], WORDS[chance(26)], chance(1000), chance(99) + 1 if key % 2 else 0 or 50, chance(10000),
               chance(10 ** 9), "true" if chance(2) else "false", tags, WORDS[chance(26)], chance(300), WORDS[chance(26)],
               "changed" if changed else text)), state


def main():
    change = int(sys.argv[sys.argv.index("--change") + 1]) if "--change" in sys.argv else None
    count = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 298_880
    state, lines = 42, []
    for key in range(count):
        line, state = record(key, state, key == change)
        lines.append(line)
        if len(lines) == 10_000:
            sys.stdout.write("".join(lines))
            lines.clear()
    sys.stdout.write("".join(lines))


main()
