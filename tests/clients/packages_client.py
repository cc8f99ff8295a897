"""The Python package nifi-flowfile as writer and reader of FlowFile packages.

write SEED COUNT PACKAGE   writes COUNT random FlowFiles, and prints each as a line of JSON
read PACKAGE               prints each FlowFile that it reads as a line of JSON

A line is {"attributes": {...}, "content": "<base64>"}.
"""

import base64
import json
import random
import sys

from nifi.flowfile.flowfile import FlowFile
from nifi.flowfile.stream import FlowFileStreamReader, FlowFileStreamWriter

LENGTHS = [0, 1, 17, 65533, 65534, 65535, 65536, 70000]


def show(flowfile):
    content = base64.b64encode(flowfile.get_content()).decode()
    print(json.dumps({"attributes": flowfile.get_attributes(), "content": content}))


def text(rng, length):
    """A text of exactly that many bytes of UTF-8."""
    signs = ["a", "Z", " ", "\n", "\t", "\x01", "=", '"', "$", "é", "ключ"[rng.randrange(4)], "€", "😀"]
    out = ""
    while length > 0:
        sign = rng.choice(signs)
        size = len(sign.encode())
        if size > length:
            sign, size = "x", 1
        # Long ones in steps, so that a thousand packages do not take minutes.
        times = 1 if length < 300 else min(200, length // size)
        out += sign * times
        length -= size * times
    return out


def flowfile(rng, number):
    attributes = {"uuid": str(number)}
    for _ in range(rng.randrange(12)):
        length = rng.choice(LENGTHS) if rng.random() < 0.02 else rng.randrange(60)
        attributes[text(rng, 1 + rng.randrange(30))] = text(rng, length)
    size = rng.choice([0, 1, 65535, 300_000]) if rng.random() < 0.05 else rng.randrange(500)
    return FlowFile(attributes, rng.randbytes(size))


def main():
    if sys.argv[1] == "write":
        rng = random.Random(int(sys.argv[2]))
        with open(sys.argv[4], "wb") as out:
            writer = FlowFileStreamWriter(out)
            for number in range(int(sys.argv[3])):
                each = flowfile(rng, number)
                writer.write(each)
                show(each)
    else:
        with open(sys.argv[2], "rb") as package:
            for each in FlowFileStreamReader(package):
                show(each)


main()
