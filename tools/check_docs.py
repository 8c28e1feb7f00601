#!/usr/bin/env python3
"""Tests (`Suite.Name`) and files (`folder/file.h`) that the documentation names must exist.

Prints those that do not."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["docs/security.md", "docs/operations.md"]
NAMED = re.compile(r"`([A-Z]\w+)\.([A-Z]\w+)`")
FILE = re.compile(r"`((?:src|[a-z]+)/[\w/]+\.(?:h|cc))`")
DEFINED = re.compile(r"^(?:TYPED_)?TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)", re.MULTILINE)


def defined_tests(root):
    out = set()
    for path in (root / "tests").rglob("*_test.cc"):
        out.update(DEFINED.findall(path.read_text(encoding="utf-8")))
    return out


def missing(root, pages):
    """(page, "Suite.Name") of each test that is named and is not there."""
    tests = defined_tests(root)
    out = []
    for page in pages:
        for suite, name in NAMED.findall((root / page).read_text(encoding="utf-8")):
            if (suite, name) not in tests:
                out.append((page, f"{suite}.{name}"))
    return out


def missing_files(root):
    """(page, path) of each file that is named, from the root of the tree or of src/."""
    out = []
    for page in sorted((root / "docs").rglob("*.md")):
        for path in FILE.findall(page.read_text(encoding="utf-8")):
            if not (root / path).exists() and not (root / "src" / path).exists():
                out.append((page.relative_to(root), path))
    return out


def main():
    wrong = [(page, f"test {test}") for page, test in missing(ROOT, PAGES)]
    wrong += [(page, f"file {path}") for page, path in missing_files(ROOT)]
    for page, what in wrong:
        print(f"{page}: there is no {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
