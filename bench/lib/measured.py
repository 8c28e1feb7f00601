"""Runs a program and writes its resource use to a file.

A process of its own, and a small one: the resident peak of a child counts the memory that it
shares with its parent before it becomes another program.

Usage: python3 -I -S measured.py RESULT SECONDS PROGRAM ARGUMENTS...
"""

import os
import select
import signal
import sys
import time

result, seconds = sys.argv[1], float(sys.argv[2])
begin = time.monotonic()
child = os.posix_spawn(sys.argv[3], sys.argv[3:], os.environ)
pidfd = os.pidfd_open(child)
if not select.select([pidfd], [], [], seconds)[0]:
    os.kill(child, signal.SIGKILL)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - begin
with open(result, "w", encoding="utf-8") as out:
    out.write(f"{os.waitstatus_to_exitcode(status)} {wall} {usage.ru_utime + usage.ru_stime} "
              f"{usage.ru_maxrss / 1024}")
