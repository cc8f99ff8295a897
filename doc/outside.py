#!/usr/bin/env python3
"""A preprocessor of mdBook: a link to a file outside of the book becomes its text, because the book has no such page.

On a forge these links work, so the pages keep them.
"""

import json
import os.path
import re
import sys

INLINE = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def is_outside(page, target):
    path = os.path.normpath(os.path.join(os.path.dirname(page), target))
    return "://" not in target and path.startswith("..")


def inside(page, text):
    """The page's text without links that leave the book."""
    return INLINE.sub(lambda link: link[1] if is_outside(page, link[2]) else link[0], text)


def walk(items):
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            chapter["content"] = inside(chapter["path"], chapter["content"])
            walk(chapter["sub_items"])


def main(arguments):
    # mdBook asks first whether the preprocessor knows the renderer.
    if arguments[:1] == ["supports"]:
        return
    _, book = json.load(sys.stdin)
    walk(book.get("items") or book["sections"])
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
