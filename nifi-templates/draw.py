#!/usr/bin/env python3
"""Draws the canvas of a flow definition as an SVG picture: `draw.py FILE.json > FILE.svg`. With --faults, lists what nobody
could read on that canvas instead.

Sizes and lines are those of NiFi: a line leads from the edge of one part to the edge of the other, over the bends of the
connection, and the connection's label is at a bend or in the middle. So the picture shows what the canvas shows, without
the figures of a running flow and with the comments that NiFi hides. The same definition gives the same bytes.
"""

import json
import math
import sys
from xml.sax.saxutils import escape

# Width and height of the parts on NiFi's canvas.
PROCESSOR, GROUP, PORT, FUNNEL = (352, 128), (384, 176), (240, 48), (48, 48)
# A connection's label: its relationships, and what is in its queue.
CONNECTION = (224, 44)
# Space around everything, and space that a line keeps from a part that it does not belong to.
MARGIN, CLEARANCE = 40, 8
# Two lines may run beside each other over this length.
NOTICED = 120

FONT = "Roboto, 'Helvetica Neue', Arial, sans-serif"
# Widths of characters of the widest common font, in hundredths of the font's size; all others have OTHER.
WIDTHS = {width: letters for width, letters in (
    (30, "ijlI'|.,:; "), (42, "ftr()[]-/\"!"), (55, "szcJkxyv?"), (80, "wCDGOQUHNATVXYBRK&=+<>_"), (99, "mMW@%"),
)}
CHARACTERS = {letter: width for width, letters in WIDTHS.items() for letter in letters}
OTHER = 64


def text_width(text, size, bold=False):
    hundredths = sum(CHARACTERS.get(letter, OTHER) for letter in text)
    return hundredths * size * (1.1 if bold else 1) / 100


def fitting(text, size, width, bold=False):
    """The largest font size, up to this one, in which a line has room."""
    while size > 8 and text_width(text, size, bold) > width:
        size -= 1
    return size


def wrapped(text, size, width):
    """The lines of a text in a column of this width. A line break of the text stays."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and text_width(longer, size) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        lines.append(line)
    return lines


class Box:
    """A part of the canvas with its place."""

    def __init__(self, kind, part, size):
        self.kind, self.part = kind, part
        self.x, self.y = part["position"]["x"], part["position"]["y"]
        self.width, self.height = size
        self.name = part.get("name") or part.get("label", kind)

    @property
    def centre(self):
        return self.x + self.width / 2, self.y + self.height / 2

    def edge(self, to):
        """The point of the box's edge in the direction of another point."""
        (x, y), (dx, dy) = self.centre, (to[0] - self.centre[0], to[1] - self.centre[1])
        scale = min(
            self.width / 2 / abs(dx) if dx else math.inf,
            self.height / 2 / abs(dy) if dy else math.inf,
        )
        return (x + dx * scale, y + dy * scale) if scale < 1 else to

    def overlaps(self, other, space=0):
        return (
            self.x < other.x + other.width + space and other.x < self.x + self.width + space
            and self.y < other.y + other.height + space and other.y < self.y + self.height + space
        )

    def is_crossed(self, start, end, space=0):
        """Whether a line passes through the box: Liang and Barsky's clipping."""
        enter, leave = 0.0, 1.0
        for here, there, low, high in (
            (start[0], end[0], self.x - space, self.x + self.width + space),
            (start[1], end[1], self.y - space, self.y + self.height + space),
        ):
            step = there - here
            if step == 0:
                if not low < here < high:
                    return False
                continue
            near, far = sorted(((low - here) / step, (high - here) / step))
            enter, leave = max(enter, near), min(leave, far)
        return enter < leave


class Line:
    """A connection, with the points that its line passes and its label."""

    def __init__(self, connection, boxes):
        self.connection = connection
        self.source, self.destination = (boxes[connection[end]["id"]] for end in ("source", "destination"))
        bends = [(it["x"], it["y"]) for it in connection.get("bends") or []]
        start = self.source.edge(bends[0] if bends else self.destination.centre)
        end = self.destination.edge(bends[-1] if bends else self.source.centre)
        self.points = [start, *bends, end]
        if bends:
            middle = bends[min(max(0, connection.get("labelIndex") or 0), len(bends) - 1)]
        else:
            middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        width, height = CONNECTION
        self.text = connection.get("name") or ", ".join(connection.get("selectedRelationships") or [])
        place = {"x": middle[0] - width / 2, "y": middle[1] - height / 2}
        self.label = Box("connection", {"position": place, "name": self.text}, CONNECTION)

    @property
    def segments(self):
        return list(zip(self.points, self.points[1:]))

    def runs_along(self, other):
        """Whether a piece of both lines looks like one line."""
        return any(beside(one, another) for one in self.segments for another in other.segments)

    def __str__(self):
        return f"{self.source.name} -- {self.text} --> {self.destination.name}"


def beside(one, another):
    """Whether two segments are closer than CLEARANCE over a length that the eye notices."""
    (start, end), length = one, math.dist(*one)
    steps = max(1, int(length / 20))
    close = 0
    for step in range(steps + 1):
        point = [start[axis] + (end[axis] - start[axis]) * step / steps for axis in (0, 1)]
        close += distance(point, another) < CLEARANCE
    return close * 20 > NOTICED


def distance(point, segment):
    (x, y), ((left, top), (right, bottom)) = point, segment
    dx, dy = right - left, bottom - top
    along = ((x - left) * dx + (y - top) * dy) / (dx * dx + dy * dy) if dx or dy else 0
    along = min(1, max(0, along))
    return math.dist(point, (left + along * dx, top + along * dy))


class Canvas:
    """The parts of one process group."""

    def __init__(self, group):
        self.group = group
        sizes = (
            ("processors", PROCESSOR), ("processGroups", GROUP), ("remoteProcessGroups", GROUP),
            ("inputPorts", PORT), ("outputPorts", PORT), ("funnels", FUNNEL),
        )
        self.boxes = [Box(kind, part, size) for kind, size in sizes for part in group.get(kind, [])]
        self.labels = [Box("labels", it, (it["width"], it["height"])) for it in group.get("labels", [])]
        ends = {box.part["identifier"]: box for box in self.boxes}
        # A connection may end at a port of a group on this canvas: its line ends at the group.
        for box in self.boxes:
            for kind in ("inputPorts", "outputPorts") if box.kind.endswith("rocessGroups") else ():
                ends.update((port["identifier"], box) for port in box.part.get(kind, []))
        self.lines = [Line(it, ends) for it in group.get("connections", [])]

    def faults(self):
        """What nobody could read: parts upon each other, lines through parts, text that does not fit."""
        found = []
        parts = self.boxes + self.labels
        labels = [line.label for line in self.lines]
        for number, one in enumerate(parts):
            found += [f"{one.name} covers {other.name}" for other in parts[number + 1:] if one.overlaps(other)]
        for line in self.lines:
            ends = (line.source, line.destination)
            found += [f"{line}: the label covers {it.name}" for it in parts if line.label.overlaps(it)]
            crossed = [
                it for it in parts if it not in ends and any(it.is_crossed(*segment, CLEARANCE) for segment in line.segments)
            ]
            found += [f"{line}: the line passes {it.name}" for it in crossed]
            crossed = [
                other for other in self.lines
                if other is not line and any(other.label.is_crossed(*segment) for segment in line.segments)
            ]
            found += [f"{line}: the line passes the label of {other}" for other in crossed]
            if line.points[0] == line.points[-1]:
                found.append(f"{line}: the line has no length")
        for number, one in enumerate(self.lines):
            found += [f"{one}: the line runs along that of {other}"
                      for other in self.lines[number + 1:] if one.runs_along(other)]
        for number, one in enumerate(labels):
            found += [f"the labels of two connections, {one.name} and {other.name}, cover each other"
                      for other in labels[number + 1:] if one.overlaps(other)]
        for box in self.labels:
            needed = len(label_lines(box)) * label_size(box) * LINE_HEIGHT + 2 * PADDING
            if needed > box.height:
                found.append(f"label {box.name[:40]!r}: its text is {needed:.0f} high, the label {box.height}")
        return found

    def extent(self):
        parts = self.boxes + self.labels + [line.label for line in self.lines] or [Box("nothing", {"position": {"x": 0, "y": 0}}, (0, 0))]
        points = [(it.x, it.y) for it in parts] + [(it.x + it.width, it.y + it.height) for it in parts]
        points += [point for line in self.lines for point in line.points]
        low = [min(point[axis] for point in points) - MARGIN for axis in (0, 1)]
        high = [max(point[axis] for point in points) + MARGIN for axis in (0, 1)]
        return low[0], low[1], high[0] - low[0], high[1] - low[1]


LINE_HEIGHT, PADDING = 1.3, 8
DARK, MUTED, FRAME = "#262626", "#775351", "#b5c0c9"


def label_size(box):
    return int((box.part.get("style") or {}).get("font-size", "12px").removesuffix("px"))


def label_lines(box):
    return wrapped(box.part.get("label") or "", label_size(box), box.width - 2 * PADDING)


def number(value):
    return f"{round(value, 1):g}"


def rectangle(x, y, width, height, fill, more=""):
    return f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" fill="{fill}"{more}/>'


def text(x, y, content, size, more=""):
    return f'<text x="{number(x)}" y="{number(y)}" font-size="{size}"{more}>{escape(content)}</text>'


def frame(box, more=""):
    return rectangle(box.x, box.y, box.width, box.height, "#ffffff", f' stroke="{FRAME}"{more}')


def processor(box):
    part = box.part
    kind = part["type"].rsplit(".", 1)[-1]
    period = part.get("schedulingPeriod", "0 sec")
    tasks = part.get("concurrentlySchedulableTaskCount", 1)
    facts = [kind]
    if period != "0 sec":
        facts.append(f"runs {period}" if part.get("schedulingStrategy") == "CRON_DRIVEN" else f"every {period}")
    if tasks != 1:
        facts.append(f"{tasks} tasks")
    if part.get("executionNode") == "PRIMARY":
        facts.append("primary node")
    yield frame(box)
    yield rectangle(box.x, box.y, box.width, 50, "#eef3f6")
    for y, line, largest, bold, style in (
        (21, box.name, 18, True, f' font-weight="bold" fill="{DARK}"'),
        (41, " · ".join(facts), 14, False, f' fill="{MUTED}"'),
    ):
        yield text(box.x + 10, box.y + y, line, fitting(line, largest, box.width - 20, bold), style)
    ends = []
    if part.get("retriedRelationships"):
        ends.append(f"retried {part.get('retryCount')} times: {', '.join(part['retriedRelationships'])}")
    if part.get("autoTerminatedRelationships"):
        ends.append(f"ends here: {', '.join(part['autoTerminatedRelationships'])}")
    # The largest size in which everything has room.
    for size in (14, 13, 12, 11):
        lines = [(line, f' fill="{DARK}"') for line in wrapped(part.get("comments") or "", size, box.width - 20) if line]
        lines += [(line, f' fill="{MUTED}" font-style="italic"')
                  for end in ends for line in wrapped(end, size, box.width - 20)]
        if 52 + len(lines) * (size + 2) + 6 <= box.height:
            break
    for count, (line, style) in enumerate(lines):
        yield text(box.x + 10, box.y + 52 + (size + 2) * (count + 1), line, size, style)


def group(box):
    yield frame(box)
    yield rectangle(box.x, box.y, box.width, 34, "#d3dde3")
    yield text(box.x + 10, box.y + 23, box.name, 17, f' font-weight="bold" fill="{DARK}"')
    counts = [f"{len(box.part.get(kind, []))} {words}" for kind, words in (
        ("processors", "processors"), ("inputPorts", "input ports"), ("outputPorts", "output ports"),
    )]
    comments = wrapped(box.part.get("comments") or "", 12, box.width - 20)
    for count, line in enumerate([" · ".join(counts), *comments]):
        yield text(box.x + 10, box.y + 56 + 15 * count, line, 12, f' fill="{DARK}"')


def port(box):
    arrow = "→ " if box.kind == "inputPorts" else "← "
    yield frame(box, ' rx="6"')
    yield text(box.x + 12, box.y + 30, arrow + box.name, 16, f' fill="{DARK}"')


def funnel(box):
    x, y = box.centre
    yield frame(box, ' rx="24"')
    shape = f"M{number(x - 12)} {number(y - 11)}h24l-9 11v11h-6v-11z"
    yield f'<path d="{shape}" fill="#ad9897"/>'


def label(box):
    style, size = box.part.get("style") or {}, label_size(box)
    yield rectangle(box.x, box.y, box.width, box.height, style.get("background-color", "#fff7d7"))
    for count, line in enumerate(label_lines(box)):
        y = box.y + PADDING + size * (1 + LINE_HEIGHT * count)
        bold = ' font-weight="bold"' if count == 0 and "\n" in box.name else ""
        yield text(box.x + PADDING, y, line, size, f' fill="{DARK}"{bold}')


def line_of(line):
    points = " ".join(f"{number(x)},{number(y)}" for x, y in line.points)
    yield f'<polyline points="{points}" fill="none" stroke="#5a6b76" stroke-width="2" stroke-linejoin="round" marker-end="url(#arrow)"/>'


def label_of(line):
    width, _ = CONNECTION
    size = fitting(line.text, 17, width - 12)
    # The queue's figures are left out, so the name has the whole label.
    shown = max(text_width(line.text, size) + 24, 60)
    x, y = line.label.centre
    yield rectangle(x - shown / 2, y - 15, shown, 30, "#ffffff", f' stroke="{FRAME}" rx="4"')
    yield text(x, y + 6, line.text, size, f' fill="#1d4f71" text-anchor="middle"')


SHAPES = {
    "processors": processor, "processGroups": group, "remoteProcessGroups": group,
    "inputPorts": port, "outputPorts": port, "funnels": funnel,
}


def picture(definition):
    """The SVG text of a definition's outermost group."""
    contents = definition["flowContents"]
    canvas = Canvas(contents)
    x, y, width, height = canvas.extent()
    box = " ".join(number(it) for it in (x, y, width, height))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{number(width)}" height="{number(height)}" '
        f'font-family="{FONT}" role="img" aria-labelledby="title">',
        f'<title id="title">The canvas of {escape(contents["name"])}: {escape(contents.get("comments") or "")}</title>',
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L10 5L0 10z" fill="#5a6b76"/></marker></defs>',
        rectangle(x, y, width, height, "#f9fafb"),
    ]
    for part in canvas.labels:
        out += label(part)
    for line in canvas.lines:
        out += line_of(line)
    for part in canvas.boxes:
        out += SHAPES[part.kind](part)
    for line in canvas.lines:
        out += label_of(line)
    return "\n".join([*out, "</svg>"]) + "\n"


def main(arguments):
    if len(arguments) != 1 and (len(arguments) != 2 or arguments[0] != "--faults"):
        sys.exit("usage: draw.py [--faults] FILE.json")
    with open(arguments[-1], encoding="utf-8") as file:
        definition = json.load(file)
    if len(arguments) == 1:
        sys.stdout.write(picture(definition))
        return
    faults = Canvas(definition["flowContents"]).faults()
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
