"""bench/smoke: exact request counts, the bound on memory, connections over a WAN, and CPU per byte
beside crane."""

import pathlib
import sys
import unittest

import content
import servers
import transfer
import wan
import wan_ranges_test

# Of crane's CPU time, for 8 blobs of 256 MiB in all: what is aimed at, and what fails the run. On a
# machine that is busy with other work the ratio was seen between 0.72 and 0.90: the kernel's part of
# a relay grows then, and hashing loses its partners.
CPU_AIM = 0.75
# On a machine whose memory is slow (crane at 1.7 to 1.9 s/GiB in place of 1.1) it is 0.98 to 1.18:
# there a fifth of our time goes into the two copies of each byte between curl's buffers and the ring.
# A release that reached 0.72 before costs the same there. Above the limit something is broken.
CPU_LIMIT = 1.5
# T8 of the targets, resident.
PEAK_LIMIT = 40
# MiB for --memory: the least that it takes, the default, and one between.
MEMORY_BOUNDS = (48, 64, 128)
ROUNDS = 5


def request_counts(work, start, name):
    """Problems of the request counts between two registries of one kind."""
    problems = []
    with start(work / "a") as source, start(work / "b") as target:
        for layers in (1, 6):
            repository = f"app{layers}"
            image = content.image("1", [content.seeded_bytes(n, 5000) for n in range(layers)])
            content.Registry(source.host).push(repository, image)
            for turn, expected in (("first", 3 * layers + 6), ("again", 2)):
                before = len(source.requests()) + len(target.requests())
                done = servers.run(
                    [servers.PROGRAM, "copy", "--quiet", "--referrers", "none",
                     f"{source.host}/{repository}:1", f"{target.host}/{repository}:1"], work)
                seen = len(source.requests()) + len(target.requests()) - before
                print(f"requests, {name}, {layers} layers, {turn}: {seen} (expected {expected})")
                if done.code != 0:
                    problems.append(f"copy ended with {done.code}: {done.err}")
                if seen != expected:
                    problems.append(f"{seen} requests instead of {expected} ({name}, {turn})")
    return problems


def cpu(work, start, name):
    """Problems of the CPU figure."""
    tools = [t for t in ("transship", "crane") if transfer.installed(t)]
    with start(work / "source") as source:
        image = transfer.fill(source, "hub/app", 8, 32 << 20)
        figures = transfer.compare(tools, ROUNDS, work, start, source, image)
    for tool, f in figures.items():
        print(f"256 MiB in 8 blobs, {name}, {tool}: {f['cpu_s_per_gib']:.2f} CPU s/GiB "
              f"({f['cpu_s_per_gib_min']:.2f} to {f['cpu_s_per_gib_max']:.2f}), "
              f"{f['wall_s']:.2f} s, peak {f['peak_mib']:.0f} MiB")
    peak = figures["transship"]["peak_mib"]
    problems = [f"peak is {peak:.0f} MiB, {PEAK_LIMIT} are allowed"] if peak > PEAK_LIMIT else []
    if "crane" not in figures:
        print("crane is not installed: nothing to compare with")
        return problems
    ratio = figures["transship"]["cpu_s_per_gib"] / figures["crane"]["cpu_s_per_gib"]
    verdict = "reached" if ratio <= CPU_AIM else "missed"
    print(f"CPU: {ratio:.2f} x crane (aim {CPU_AIM}: {verdict}; limit {CPU_LIMIT})")
    if ratio > CPU_LIMIT:
        problems.append(f"CPU is {ratio:.2f} x crane's")
    return problems


def memory(work):
    """Problems of the bound that --memory gives, with more blobs than fit into the least."""
    problems = []
    with servers.Serve(work / "a") as source, servers.Serve(work / "b") as target:
        blobs = [content.seeded_bytes(n, 8 << 20) for n in range(32)]
        content.Registry(source.host).push("large/app", content.image("1", blobs))
        for n in range(40):
            layers = [content.seeded_bytes(100 + 10 * n + k, 300_000) for k in range(6)]
            content.Registry(source.host).push(f"small/app{n}", content.image("1", layers))
        for bound in MEMORY_BOUNDS:
            to = f"{target.host}/within{bound}"
            job = work / f"within{bound}.toml"
            job.write_text(f'[[job]]\nname = "all"\nsource = "{source.host}"\ntargets = ["{to}"]\n')
            one = ["copy", f"{source.host}/large/app:1", f"{to}/app:1"]
            for command in (one, ["sync", "-c", str(job)]):
                home = work / f"home-{command[0]}-{bound}"
                done = servers.run(
                    [servers.PROGRAM, *command, "--quiet", "--memory", f"{bound}MiB"], home)
                print(f"{command[0]} with --memory {bound}MiB: peak {done.peak_mib:.0f} MiB")
                if done.code != 0:
                    problems.append(f"{command[0]} ended with {done.code}: {done.err}")
                if done.peak_mib > bound:
                    problems.append(f"{command[0]} with {bound} MiB: peak {done.peak_mib:.0f} MiB")
    return problems


def connections_over_a_wan():
    """Problems of how many connections read a big blob."""
    reason = wan.unavailable()
    if reason:
        print(f"connections over a WAN: not run, {reason}")
        return []
    suite = unittest.defaultTestLoader.loadTestsFromModule(wan_ranges_test)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    return [f"{test.id()}: {text}" for test, text in result.failures + result.errors]


def main():
    problems = []
    with servers.scratch() as directory:
        work = pathlib.Path(directory)
        problems += request_counts(work / "serve", servers.Serve, "serve")
        start, name = servers.Serve, "serve"
        if servers.find_program("registry"):
            start, name = servers.Distribution, "distribution v3"
            problems += request_counts(work / "distribution", start, name)
        problems += memory(work / "memory")
        problems += connections_over_a_wan()
        problems += cpu(work / "cpu", start, name)
    for problem in problems:
        print("MISSED: " + problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
