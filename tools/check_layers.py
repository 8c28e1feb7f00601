#!/usr/bin/env python3
"""Checks which folder of src/ includes which: the include graph of docs/design.md.

Usage: check_layers.py [SOURCE_ROOT]      (default: src/ beside this script's folder)
Prints each include that is not allowed, as file:line, and ends with 1 if there is any.
"""

import pathlib
import re
import sys

# What each folder may include: whole folders, and single headers of others.
ALLOWED = {
    "base": (set(), set()),
    "oci": ({"base"}, set()),
    "transport": ({"base"}, set()),
    "storage": ({"base", "oci"}, set()),
    "scheduler": ({"base"}, {"transport/admission.h"}),
    "registry": ({"base", "oci", "transport"}, set()),
    "engine": (
        {"base", "oci", "scheduler"},
        {"storage/journal.h", "storage/manifest_cache.h"},
    ),
    "server": ({"base", "oci", "storage"}, set()),
    # A configuration is checked as it is read: globs, versions, digests and platforms are content's.
    "config": (
        {"base", "oci"},
        {
            f"{folder}/options.h"
            for folder in (
                "oci", "transport", "storage", "scheduler", "registry", "engine", "server")
        },
    ),
    "cli": (
        {"base", "oci", "transport", "storage", "scheduler", "registry", "engine", "server",
         "config"},
        set(),
    ),
}

# Sub-folders in their order: each includes itself, those before it, and what stands in the folder.
PARTS = {
    "engine": ("pipe", "ranges", "transfer", "graph", "copy", "sync", "compare"),
    "transport": ("curl",),
}

# Libraries that stay behind one folder's edge: no header of ours may show them.
HIDDEN_IN_HEADERS = ("curl/", "sqlite3.h", "toml++/", "nats/")

# Parsing one of these costs seconds a file: what is used is named, and headers declare alone.
UMBRELLAS = ("boost/asio.hpp", "boost/beast.hpp", "boost/json.hpp")
DECLARED_IN_HEADERS = "boost/json/fwd.hpp"

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def rank(folder, below):
    """Where `below`, a path under `folder`, stands among its parts: 0 in the folder itself."""
    part = below.split("/", 1)[0] if "/" in below else ""
    return ("", *PARTS[folder], part).index(part)


def problem(folder, below, bracket, target):
    """Why `folder`/`below` may not include this; None when it may."""
    is_header = below.endswith(".h")
    if bracket == "<":
        if target in UMBRELLAS:
            return f"<{target}> is all of a library: include what is used"
        if is_header and target.startswith("boost/json/") and target != DECLARED_IN_HEADERS:
            return f"<{target}> in a header: <{DECLARED_IN_HEADERS}> declares it"
        if is_header and target.startswith(HIDDEN_IN_HEADERS):
            return f"<{target}> in a header: keep the library behind the .cc"
        return None
    other = target.split("/", 1)[0]
    if "/" not in target or other not in ALLOWED:
        return f'"{target}" is not written from the root of src/'
    folders, headers = ALLOWED[folder]
    if other == folder and folder in PARTS:
        if rank(folder, target.split("/", 1)[1]) > rank(folder, below):
            return f"{folder}/{below.rpartition('/')[0]} may not include {target}"
        return None
    if other == folder or other in folders or target in headers:
        return None
    return f"{folder} may not include {target}"


def check_file(path, folder, below):
    """Yields (line number, reason) of each include of `path` that is not allowed."""
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        reason = problem(folder, below, match[1], match[2])
        if reason:
            yield number, reason


def check_tree(root):
    """All problems below `root`, as printable lines."""
    out = []
    for directory in sorted(p for p in root.iterdir() if p.is_dir()):
        if directory.name not in ALLOWED:
            out.append(f"{directory}: a folder that the include graph does not know")
            continue
        for path in sorted(directory.rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            below = path.relative_to(directory).as_posix()
            parts = PARTS.get(directory.name)
            if parts and "/" in below and below.split("/", 1)[0] not in parts:
                out.append(f"{path}: a part of {directory.name} that the order does not know")
                continue
            out += [f"{path}:{n}: {why}" for n, why in check_file(path, directory.name, below)]
    return out


def main(arguments):
    default = pathlib.Path(__file__).resolve().parent.parent / "src"
    root = pathlib.Path(arguments[0]) if arguments else default
    problems = check_tree(root)
    for line in problems:
        print(line)
    print(f"layers: {len(problems)} not allowed" if problems else "layers: as they should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
