#!/usr/bin/env python3
"""Tests that the documentation names (`Suite.Name`) must exist. Prints those that do not."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["docs/security.md", "docs/operations.md"]
NAMED = re.compile(r"`([A-Z]\w+)\.([A-Z]\w+)`")
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


def main():
    wrong = missing(ROOT, PAGES)
    for page, test in wrong:
        print(f"{page}: there is no test {test}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
