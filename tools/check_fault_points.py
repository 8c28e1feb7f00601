#!/usr/bin/env python3
"""Checks that each step by which `serve` or a layout makes something last has a fault point.

Crash tests end the process at every fault point, so a step without one would be a step that no test
has ever died in. (A test holds SQLite's commits against the points of the journal; commits at a
registry are counted against what that was asked. FileIo is asked by those who have the point.)
"""

import pathlib
import re
import sys

STEP = re.compile(r"::(renameat2?|linkat|fsync|fdatasync|mkdirat)\(|files_\.f(data)?sync\(")
POINT = re.compile("fault_step<|fault_point<")
LINES_BEFORE = 2
FOLDERS = ("src/server", "src/storage")
BELOW = ("file_io.cc", "pool_io.cc", "uring_io.cc")


def check_file(path):
    """Yields the number of each line with a step that has no point."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        before = lines[max(0, number - LINES_BEFORE):number + 1]
        if STEP.search(line) and not POINT.search("".join(before)):
            yield number + 1


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    files = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.cc"))
             if path.name not in BELOW]
    steps = [f"{path}:{number}: a commit step without a fault point"
             for path in files for number in check_file(path)]
    for line in steps:
        print(line)
    return 1 if steps else 0


if __name__ == "__main__":
    sys.exit(main())
