#!/usr/bin/env python3
"""Checks that each step by which `serve` makes something last has a fault point around it.

Crash tests end the process at every fault point, so a step without one would be a step that no test
has ever died in. (A test holds SQLite's commits against the points of the journal; commits at a
registry are counted against what that was asked.)
"""

import pathlib
import re
import sys

STEP = re.compile(r"::(renameat2?|linkat|fsync|fdatasync|mkdirat)\(")
POINT = "fault_step<"
LINES_BEFORE = 2


def check_file(path):
    """Yields the number of each line with a step that has no point."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if STEP.search(line) and POINT not in "".join(lines[max(0, number - LINES_BEFORE):number + 1]):
            yield number + 1


def main():
    root = pathlib.Path(__file__).resolve().parent.parent / "src/server"
    steps = [f"{path}:{number}: a commit step without a fault point"
             for path in sorted(root.rglob("*.cc")) for number in check_file(path)]
    for line in steps:
        print(line)
    return 1 if steps else 0


if __name__ == "__main__":
    sys.exit(main())
