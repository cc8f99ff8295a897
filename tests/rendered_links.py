#!/usr/bin/env python3
"""Follows every relative link of rendered HTML: `tests/rendered_links.py FOLDER…`, for what mdBook and rustdoc write.

A link has to lead to a file, and its fragment to an element of that file. Links to other hosts are not followed.
"""

import html.parser
import pathlib
import sys
import urllib.parse


# Links in the docs of other crates' traits, which rustdoc copies to our types.
OTHERS = ("dispatcher#setting-the-default-subscriber",)


class Page(html.parser.HTMLParser):
    """The links and the identifiers of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.identifiers = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.identifiers.add(value)
            # Styles and scripts are the renderer's own.
            if tag in ("a", "img") and name in ("href", "src") and value:
                self.links.add(value)


def is_lines(fragment):
    """Whether a fragment names lines of a source file, which rustdoc's script makes: 12-34."""
    return fragment.replace("-", "").isdigit()


def dead_links(folder):
    pages = {}

    def page(path):
        if path not in pages:
            pages[path] = Page(path)
        return pages[path]

    count = 0
    for path in sorted(folder.rglob("*.html")):
        for link in sorted(page(path).links):
            parts = urllib.parse.urlsplit(link)
            # mdBook's page of all pages and its 404 name their targets from the root of the site.
            if parts.scheme or parts.netloc or path.name in ("404.html", "toc.html") or link in OTHERS:
                continue
            count += 1
            target = path if not parts.path else (path.parent / urllib.parse.unquote(parts.path)).resolve()
            fragment = parts.fragment
            if target.is_dir():
                target = target / "index.html"
            if not target.exists():
                yield f"{path}: {link}: there is no such file"
            elif fragment and target.suffix == ".html" and not is_lines(fragment):
                # Rustdoc escapes some identifiers, and mdBook none.
                if not {fragment, urllib.parse.unquote(fragment)} & page(target).identifiers:
                    yield f"{path}: {link}: there is no such place"
    if not count:
        yield f"{folder} has no links"


def main(arguments):
    if not arguments:
        sys.exit("usage: rendered_links.py FOLDER…")
    dead = [it for folder in arguments for it in dead_links(pathlib.Path(folder).resolve())]
    if dead:
        sys.exit("\n".join(dead))


if __name__ == "__main__":
    main(sys.argv[1:])
