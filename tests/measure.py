#!/usr/bin/env python3
"""Counts how the code and the pages read, for the table of doc/internals/numbers.md.

    tests/measure.py            the table
    tests/measure.py --list     each finding behind a number that misses its aim
    tests/measure.py --circles  only the import circles
    tests/measure.py FOLDER     the same for another checkout

It fails if an aim is missed. With --circles it fails if there is any circle.

Python's standard library only. Code is that of `src` without tests; text is the pages and the comments of that code.
"""

import pathlib
import re
import statistics
import sys

COLUMNS = 100
PARAMETERS = 5
PAGES = ("doc", "nifi-templates", "client", "examples", "tests/real_nifi", "README.md", "CONTRIBUTING.md", "SECURITY.md",
         "CHANGELOG.md")
# Pages that quote the phrases which they advise against.
QUOTING = ("doc/internals/numbers.md",)

# Turns of phrase, and the counts of conserve, jj and nextest per 10,000 words.
MANNERISMS = (
    ('"what is / stands / came" as a noun', r"\bwhat (is|are|was|were|stands?|came|comes|has|had|lies)\b", (2.6, 1.4, 0.5)),
    ("say, said, tell, told", r"\b(say|says|said|tell|tells|told)\b", (5.5, 3.5, 0.9)),
    ("stand(s), lie(s)", r"\b(stand|stands|stood|lie|lies)\b", (0.0, 0.0, 0.1)),
    ('"is no X"', r"\b(is|are|was|were) no\b", (5.5, 2.6, 1.1)),
    ('"of its/their own"', r"\bof (its|their) own\b", (0.0, 0.1, 0.0)),
    ('"behind"', r"\bbehind\b", (0.0, 0.1, 0.1)),
    ('"but-for" for "except"', r"\bbut for\b", (0.4, 0.1, 0.0)),
)


def is_test(path):
    return path.name == "tests.rs" or "tests" in path.parts


def library(root):
    """The library's files without tests: path and text."""
    found = {}
    for path in sorted((root / "src").rglob("*.rs")):
        if not is_test(path.relative_to(root)):
            found[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests {")[0]
    return found


def comments(text):
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line.lstrip("/!") for line in lines if line.startswith("//"))


def prose(root, code):
    """Everything that people read: pages and comments, by path."""
    found = {}
    for name in PAGES:
        path = root / name
        pages = sorted(path.rglob("*.md")) if path.is_dir() else [path] if path.exists() else []
        # Pages were once beside the code.
        for page in pages:
            where = page.relative_to(root).as_posix()
            if "node_modules" not in where and where not in QUOTING:
                found[where] = page.read_text(encoding="utf-8")
    for page in sorted((root / "src").rglob("*.md")):
        found[page.relative_to(root).as_posix()] = page.read_text(encoding="utf-8")
    found.update((path, comments(text)) for path, text in code.items())
    return {path: without_code(text) for path, text in found.items()}


def without_code(text):
    return re.sub(r"`[^`\n]*`", "``", re.sub(r"(?ms)^\s*```.*?^\s*```\s*$", "", text))


def types(code):
    """Where each type's name is defined."""
    homes = {}
    for path, text in code.items():
        for name in re.findall(r"^\s*(?:pub(?:\([a-z]+\))? )?(?:struct|enum|trait|union) (\w+)", text, re.M):
            homes.setdefault(name, set()).add(path)
    return homes


def docs(code):
    """The first line of each doc comment."""
    found = []
    for path, text in code.items():
        before = ""
        for number, line in enumerate(map(str.strip, text.splitlines()), 1):
            match = re.match(r"//[/!] ?(.*)", line)
            if match and not re.match(r"//[/!]", before):
                found.append((f"{path}:{number}", match.group(1)))
            before = line
    return found


def functions(code):
    """The functions: place, lines of the whole, comment lines inside, by the indentation that rustfmt gives them."""
    found = []
    for path, text in code.items():
        lines = text.splitlines()
        for number, line in enumerate(lines):
            match = re.match(r"( *)(?:pub(?:\([a-z]+\))? )?(?:const |async |unsafe )*fn (\w+)", line)
            if not match:
                continue
            last = number
            while last < len(lines) - 1 and not re.match(match.group(1) + r"[^ ]*[}]\s*$|.*;\s*$", lines[last]) or (
                last > number and not lines[last].startswith(match.group(1) + "}")
            ):
                if last >= len(lines) - 1 or (last == number and lines[last].rstrip().endswith("}")):
                    break
                last += 1
                if lines[last].startswith(match.group(1) + "}"):
                    break
                if lines[last].rstrip().endswith(";") and not any("{" in it for it in lines[number:last + 1]):
                    break
            body = lines[number + 1:last]
            inside = sum(1 for it in body if re.match(r"\s*//(?![/!])", it))
            found.append((f"{path}:{number + 1} {match.group(2)}", last - number + 1, inside))
    return found


def module(path):
    """The module of a file, as a tuple of names."""
    parts = path.removeprefix("src/").removesuffix(".rs").split("/")
    return tuple(parts[:-1] if parts[-1] in ("mod", "lib") else parts)


def paths(tree, before=()):
    """The paths of a `use` tree: a::{b, c::d} gives a::b and a::c::d."""
    depth, item, items = 0, "", []
    for letter in tree:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            items.append(item)
            item = ""
        else:
            item += letter
    for item in filter(None, map(str.strip, [*items, item])):
        head, brace, rest = item.partition("{")
        names = tuple(it.strip() for it in head.split(" as ")[0].split("::") if it.strip())
        if brace:
            yield from paths(rest.rsplit("}", 1)[0], before + names)
        else:
            yield before + names


def imports(code):
    """Which file uses which: an edge for each path that names another module of the crate."""
    files = {module(path): path for path in code}
    edges = {path: set() for path in code}
    for path, text in code.items():
        here = module(path)
        # What is in comments and strings imports nothing.
        text = re.sub(r"//[^\n]*", "", text)
        named = [used for tree in re.findall(r"\buse ([^;]+);", text) for used in paths(tree)]
        named += [tuple(it.split("::")) for it in re.findall(r"\b((?:crate|super|self)(?:::\w+)+)", text)]
        for used in named:
            if used[0] == "crate":
                target = used[1:]
            elif used[0] in ("super", "self"):
                base = here
                while used and used[0] in ("super", "self"):
                    base = base[:-1] if used[0] == "super" else base
                    used = used[1:]
                target = base + used
            elif here + used[:1] in files:
                target = here + used
            else:
                continue
            while target and target not in files:
                target = target[:-1]
            if target and target != here:
                edges[path].add(files[target])
    return edges


def circles(edges):
    """Groups of files that reach each other (Tarjan), without the way from a module to its own parts and back."""
    def kin(one, other):
        one, other = module(one), module(other)
        return one[:len(other)] == other or other[:len(one)] == one

    edges = {path: {to for to in targets if not kin(path, to)} for path, targets in edges.items()}
    order, low, stack, found = {}, {}, [], []

    def visit(path):
        order[path] = low[path] = len(order)
        stack.append(path)
        for to in edges[path]:
            if to not in order:
                visit(to)
                low[path] = min(low[path], low[to])
            elif to in stack:
                low[path] = min(low[path], order[to])
        if low[path] == order[path]:
            group = stack[stack.index(path):]
            del stack[stack.index(path):]
            if len(group) > 1:
                found.append(sorted(group))

    for path in sorted(edges):
        if path not in order:
            visit(path)
    return found


def parameters(code):
    """Functions with more parameters than `PARAMETERS`, beside self."""
    found = []
    for path, text in code.items():
        for hit in re.finditer(r"\bfn (\w+)(?:<[^>]*>)?\(([^{;]*?)\)\s*(?:->|\{|where)", text, re.S):
            # Commas inside of types are none between parameters.
            flat = hit.group(2)
            while (inner := re.sub(r"<[^<>]*>|\([^()]*\)|\[[^\[\]]*\]", "", flat)) != flat:
                flat = inner
            names = [it for it in flat.split(",") if it.strip() and not re.fullmatch(r"\s*(&('\w+ )?)?(mut )?self\s*", it)]
            if len(names) > PARAMETERS:
                found.append(f"{path}: {hit.group(1)} has {len(names)}")
    return found


def percent(part, whole):
    return 100 * part / max(1, whole)


def rows(root):
    """Each row: what is counted, the number, its aim, whether it is met, the numbers of conserve, rustic_core, jj, nextest and
    object_store as far as they were counted, and the findings behind the number."""
    code = library(root)
    lines = [(f"{path}:{number}", line) for path, text in code.items() for number, line in enumerate(text.splitlines(), 1)]
    lengths = sorted(len(text.splitlines()) for text in code.values())
    whole = {path: len((root / path).read_text(encoding="utf-8").splitlines()) for path in code}
    kloc = len(lines) / 1000
    yield "files / lines without tests", f"{len(code)} / {len(lines)}", None, True, "", []
    median = statistics.median(lengths)
    yield "lines of a file: median", f"{median:g}", "150", median <= 150, "120, 219, 346, 225, 293", []
    longest = max(whole, key=whole.get)
    yield ("lines of a file: longest, with inline tests", str(whole[longest]), "750", whole[longest] <= 750,
           "1507, 1910, 6506, 4908, 2667", [longest])
    all_functions = functions(code)
    longest = max(all_functions, key=lambda it: it[1])
    percentile = sorted(it[1] for it in all_functions)[len(all_functions) * 95 // 100]
    yield "lines of a function: 95th percentile", str(percentile), None, True, "41, 60, 58, 67, 50", []
    yield "lines of a function: longest", str(longest[1]), None, True, "307, 237, 368, 983, 401", [longest[0]]
    large = [it for it in all_functions if it[1] > 40]
    silent = [f"{it[0]}: {it[1]} lines" for it in large if not it[2]]
    yield ("functions over 40 lines without a comment inside", f"{len(silent)} of {len(large)}", "0", not silent, "", silent)
    wide = parameters(code)
    yield (f"functions with more than {PARAMETERS} parameters", str(len(wide)), "0", not wide, "", wide)
    inside = sum(it[2] for it in all_functions)
    yield "comment lines inside functions", f"{percent(inside, len(lines)):.1f} %", None, True, "", []
    long = [place for place, line in lines if len(line) > COLUMNS]
    share = percent(len(long), len(lines))
    yield f"lines over {COLUMNS} columns", f"{share:.2f} %", "0.2 %", share <= 0.2, "0.1, 0.7, 0.0, 0.1, 0.1", long
    tuples = [place for place, line in lines if re.match(r"\s*(let )?\((mut )?\w+(, (mut )?\w+)+\) = \(.*,", line)]
    yield ("assignments of tuples, per 1,000 lines", f"{len(tuples) / kloc:.1f}", None, True, "0, 0.1, 0, 0, 0", tuples)
    closures = [place for place, line in lines if re.match(r"\s*let (mut )?\w+ = (move )?\|", line)]
    yield ("closures bound to a name, per 1,000 lines", f"{len(closures) / kloc:.1f}", None, True, "0.1, 0.5, 1.7, 0.0, 0.3",
           closures)
    homes = types(code)
    shared = sorted(f"{name}: {', '.join(sorted(it))}" for name, it in homes.items() if len(it) > 1)
    share = percent(len(shared), len(homes))
    yield ("type names defined in more than one file", f"{share:.1f} %", "1 %", share <= 1, "3.2, 1.6, 3.9, 0.5, 3.3", shared)
    sizes = sorted(map(len, homes))
    yield "letters of a type name: median", f"{statistics.median(sizes):g}", None, True, "9, 12, 15, 15, 13", []
    short = percent(sum(size <= 6 for size in sizes), len(sizes))
    yield "type names of six letters or fewer", f"{short:.0f} %", None, True, "26, 7, 3, 2, 15", []
    all_docs = docs(code)
    openings = [f"{place}: {text}" for place, text in all_docs if re.match(r"(What|How|Its|Whether|Who|Where|Why)\b", text)]
    share = percent(len(openings), len(all_docs))
    yield ('docs that begin with "What", "How", "Its" …', f"{share:.1f} %", "1 %", share <= 1, "1, 0, 0, 1, 0", openings)
    found = circles(imports(code))
    named = [f"{len(it)} files: {', '.join(it)}" for it in found]
    yield "import circles between files", str(len(found)), "3", len(found) <= 3, "", named
    texts = prose(root, code)
    words = sum(len(text.split()) for text in texts.values())
    yield "words in pages and comments", str(words), None, True, "", []
    for name, pattern, anchors in MANNERISMS:
        aim = 2 * max(anchors)
        hits = [f"{path}: …{re.sub(chr(10), ' ', text[max(0, hit.start() - 40):hit.end() + 40])}…"
                for path, text in texts.items() for hit in re.finditer(pattern, text, re.I)]
        rate = 10000 * len(hits) / words
        shown = "{}, –, {}, {}, –".format(*anchors)
        yield f"{name}, per 10,000 words", f"{rate:.1f}", f"{aim:g}", round(rate, 1) <= aim, shown, hits


def main(arguments):
    listing = "--list" in arguments
    folders = [it for it in arguments if not it.startswith("--")]
    root = pathlib.Path(folders[0] if folders else pathlib.Path(__file__).parent.parent).resolve()
    if "--circles" not in arguments:
        return 0 if table(root, listing) else 1
    found = circles(imports(library(root)))
    for group in found:
        print(f"import each other in a circle: {', '.join(group)}", file=sys.stderr)
    return 1 if found else 0


def table(root, listing):
    """Prints the table; returns True if every aim is met."""
    print("| counted | found | at most | | anchors |")
    print("| --- | --- | --- | --- | --- |")
    details = []
    for name, found, aim, met, anchors, findings in rows(root):
        print(f"| {name} | {found} | {aim or ''} | {'' if aim is None else 'met' if met else '**missed**'} | {anchors} |")
        if not met:
            details.append((name, findings))
    if listing:
        for name, findings in details:
            print(f"\n{name}: {len(findings)}")
            print("\n".join(f"  {it}" for it in findings))
    return not details


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
