"""tools/soak: one pass of sync after the other, while content changes and things fail at random."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "bench/lib"))
import servers
from soak_fleet import Author, Fleet, Gremlin

GIVE_UP = "10s"
LONGEST_PASS = 180
ALLOWED = (0, 1)  # Under fire some items may fail: the next pass brings them.
# Of the peak of one pass, the last third of passes against the first, and of `serve` at rest.
MEMORY_GROWTH, MEMORY_SLACK_MIB = 1.25, 16
DESCRIPTORS_AT_REST = 4  # Idle connections of ours.

Pass = collections.namedtuple("Pass", "code seconds peak_mib descriptors")


def resident_mib(pid, field="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Soak:
    def __init__(self, fleet, seed, work):
        self.fleet = fleet
        self.work = work
        self.author = Author(fleet, random.Random(f"author {seed}"))
        self.gremlin = Gremlin(fleet, random.Random(f"gremlin {seed}"))
        self.passes = []
        self.at_rest = []  # (resident MiB, descriptors) of the target that is never killed
        self.problems = []
        (work / "jobs.toml").write_text(fleet.jobs())

    def one_pass(self, under_fire=True):
        began = time.monotonic()
        peak, most = 0, 0
        with open(self.work / "out.log", "wb") as out:
            process = subprocess.Popen(
                [servers.PROGRAM, "sync", "-c", self.work / "jobs.toml", "--state",
                 self.work / "state", "--give-up-after", GIVE_UP],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env=servers.environment(self.work), preexec_fn=servers.end_with_parent)
        while process.poll() is None:
            with contextlib.suppress(OSError):
                peak = max(peak, resident_mib(process.pid, "VmHWM"))
                most = max(most, descriptors(process.pid))
            if time.monotonic() - began > LONGEST_PASS:
                self.problems.append(f"pass {len(self.passes) + 1} did not end in {LONGEST_PASS} s")
                process.kill()
                process.wait()
            if under_fire:
                self.gremlin.turn()
            time.sleep(0.02)
        done = Pass(process.returncode, time.monotonic() - began, peak, most)
        self.passes.append(done)
        pid = self.fleet.steady.process.pid
        self.at_rest.append((resident_mib(pid), descriptors(pid)))
        return done

    def tell(self, done):
        rest = self.at_rest[-1]
        print(f"{time.strftime('%H:%M:%S')} pass {len(self.passes)}: exit {done.code}, "
              f"{done.seconds:.1f} s, peak {done.peak_mib:.0f} MiB, {done.descriptors} descriptors; "
              f"{len(self.author.expected)} tags, {sum(self.author.changes.values())} changes, "
              f"{sum(self.gremlin.kills.values())} kills, "
              f"{sum(self.fleet.faults().values())} connections spoiled; serve at rest "
              f"{rest[0]:.0f} MiB, {rest[1]} descriptors", flush=True)

    def under_fire(self, minutes):
        end = time.monotonic() + 60 * minutes
        self.author.start(60 * minutes)
        while time.monotonic() < end and not self.problems:
            done = self.one_pass()
            self.tell(done)
            if done.code not in ALLOWED:
                log = (self.work / "out.log").read_text(errors="replace")[-3000:]
                self.problems.append(f"pass {len(self.passes)} ended with {done.code}:\n{log}")
        self.author.stop()
        self.gremlin.revive()

    def at_the_end(self):
        """Nothing fails any more: one pass brings all, and the next has nothing to do."""
        self.fleet.heal()
        for what in ("the pass after the last fault", "a pass with nothing to do"):
            done = self.one_pass(under_fire=False)
            self.tell(done)
            if done.code != 0:
                log = (self.work / "out.log").read_text(errors="replace")[-3000:]
                self.problems.append(f"{what} ended with {done.code}:\n{log}")
        for name, server in self.fleet.targets.items():
            different = self.author.differences(server.host)
            print(f"{name}: {len(different)} differences in {len(self.author.expected)} tags")
            self.problems += [f"{name}: {what}" for what in different[:10]]

    def look_for_leaks(self):
        third = max(1, len(self.passes) // 3)
        grown = [
            ("resident peak of a pass, MiB", [p.peak_mib for p in self.passes], MEMORY_SLACK_MIB),
            ("serve at rest, MiB", [r[0] for r in self.at_rest], MEMORY_SLACK_MIB),
        ]
        for what, values, slack in grown:
            first, last = max(values[:third]), max(values[-third:])
            if last > first * MEMORY_GROWTH + slack:
                self.problems.append(f"{what}: {first:.0f} at first, {last:.0f} at last")
        counts = [r[1] for r in self.at_rest]
        if counts[-1] > min(counts) + DESCRIPTORS_AT_REST:
            self.problems.append(f"serve holds {counts[-1]} descriptors at rest, {min(counts)} before")

    def figures(self, minutes, seed):
        return {
            "minutes": minutes,
            "seed": seed,
            "passes": len(self.passes),
            "exits": dict(collections.Counter(p.code for p in self.passes)),
            "seconds": {"longest": round(max(p.seconds for p in self.passes), 1)},
            "tags": len(self.author.expected),
            "changes": dict(self.author.changes),
            "pushed_mib": self.author.bytes >> 20,
            "kills": dict(self.gremlin.kills),
            "faults": self.fleet.faults(),
            "peak_mib": [round(p.peak_mib) for p in self.passes],
            "descriptors": [p.descriptors for p in self.passes],
            "serve_at_rest_mib": [round(r[0]) for r in self.at_rest],
            "serve_at_rest_descriptors": [r[1] for r in self.at_rest],
            "problems": self.problems,
        }


def main():
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--json", type=pathlib.Path, help="the figures go there, not to stdout")
    arguments = parser.parse_args()
    if not servers.find_program("registry"):
        print("distribution v3 is not installed (tools/peers)")
        return 77
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes", flush=True)
    with servers.scratch() as directory, contextlib.ExitStack() as stack:
        work = pathlib.Path(directory)
        soak = Soak(Fleet(work, arguments.seed, stack), arguments.seed, work)
        soak.under_fire(arguments.minutes)
        soak.at_the_end()
        soak.look_for_leaks()
        text = json.dumps(soak.figures(arguments.minutes, arguments.seed), indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    else:
        print(text)
    for problem in soak.problems:
        print("PROBLEM: " + problem)
    return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())
