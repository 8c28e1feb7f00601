"""The steps of tools/demo: keeps three regions equal to a hub, and shows what that costs."""

import fcntl
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import termios

PROJECT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "bench/lib"))
import content
import demo_line
import servers

JOBS = PROJECT / "docs/examples/three-regions.toml"
MIB = 1 << 20
# The line to the farthest region: slow enough to watch.
FAR = 8 * MIB


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def show_command(arguments, home):
    shown = " ".join(str(a) for a in arguments)
    shown = shown.replace(str(home) + "/", "").replace(str(PROJECT) + "/", "")
    print("  $ transship " + shown, flush=True)


def show(text):
    for line in text.splitlines():
        print("    " + line)


class Fleet:
    """A hub and its regions, and the program as a user of them would run it."""

    def __init__(self, home, hosts):
        self.home = home
        self.hosts = hosts

    def environment(self):
        return {**servers.environment(self.home), **self.hosts}

    def run(self, *arguments):
        show_command(arguments, self.home)
        done = subprocess.run([servers.PROGRAM, *arguments], env=self.environment(), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        show(done.stderr + done.stdout)
        self.check(done.returncode)

    def run_live(self, *arguments):
        """The same with its live table: on this terminal, or as one picture of it."""
        show_command(arguments, self.home)
        if sys.stderr.isatty() and sys.stdout.isatty():
            done = subprocess.run([servers.PROGRAM, *arguments], env=self.environment(),
                                  stdin=subprocess.DEVNULL)
            return self.check(done.returncode)
        ours, its = os.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        process = subprocess.Popen([servers.PROGRAM, *arguments], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=its, text=True,
                                   env={**self.environment(), "TERM": "xterm"})
        os.close(its)
        drawn = b""
        try:
            while data := os.read(ours, 1 << 16):
                drawn += data
        except OSError:
            pass  # The program has closed its terminal.
        os.close(ours)
        frames = re.split(r"\x1b\[\d+F\x1b\[J", drawn.decode().replace("\r", ""))
        print("    (its table on a terminal, in the middle of the pass)")
        show(frames[len(frames) // 2])
        print("    (the end)")
        show(process.communicate()[0])
        return self.check(process.returncode)

    @staticmethod
    def check(code):
        if code != 0:
            sys.exit(f"demo: this ended with {code}")


def stock(hub):
    """What the hub has: (repository, content) of all that the regions are to have, by new names."""
    registry = content.Registry(hub)
    base = content.seeded_bytes(1, 4 * MIB)
    kept = []

    def push(repository, image, becomes=None):
        registry.push(repository, image)
        if becomes:
            kept.append((becomes, image))

    for number, tag in enumerate(("1.0", "1.1")):
        push("team/app", content.release(tag, 3 * MIB, seed=10 * (number + 1)), "mirror/team/app")
    for number, name in enumerate(("api", "web", "jobs")):
        own = content.seeded_bytes(50 + number, 2 * MIB)
        push(f"team/{name}", content.image("v1", [base, own]), f"mirror/team/{name}")
    push("legacy/cron", content.image("2.3", [base]), "mirror/apps/cron")
    push("team/app", content.image("1.2-rc1", [content.seeded_bytes(90, MIB)]))
    push("scratch/try", content.image("x", [content.seeded_bytes(91, MIB)]))
    return kept


def compare(kept, regions):
    for host in regions:
        for repository, image in kept:
            different = content.Registry(host).differences(repository, image)
            if different:
                sys.exit(f"demo: different at {host}: " + ", ".join(different))
    manifests = sum(len(image.manifests) for _, image in kept)
    blobs = {digest: len(data) for _, image in kept for digest, data in image.blobs.items()}
    return f"{manifests} manifests, {len(blobs)} blobs, {sum(blobs.values()) / MIB:.1f} MiB"


def main():
    with tempfile.TemporaryDirectory(prefix="transship-demo-") as directory:
        work = pathlib.Path(directory)
        with servers.Serve(work / "hub") as hub, servers.Serve(work / "eu") as eu, \
                servers.Serve(work / "us") as us, servers.Serve(work / "ap") as ap, \
                demo_line.SlowLine(ap.host, FAR) as far:
            regions = {"EU": eu.host, "US": us.host, "AP": far.host}
            fleet = Fleet(work, {"HUB": hub.host, **regions})
            say("Four embedded registries (transship serve) are running: a hub and three regions")
            kept = stock(hub.host)
            print(f"  HUB {hub.host}  two releases with SBOMs and signatures, four more images that\n"
                  "                       share a base, a release candidate, somebody's scratch")
            for name, host in regions.items():
                far_away = f", behind a line of {FAR // MIB} MiB/s" if name == "AP" else ""
                print(f"  {name:<3} {host}  empty{far_away}")

            say("One file says what belongs where")
            show("\n".join(line for line in JOBS.read_text().splitlines()
                           if line and not line.startswith("#")))

            say("plan: what a pass would do; nothing is written")
            fleet.run("plan", "-c", JOBS)

            say("sync: the hub is read once for all regions; the far one holds nobody up")
            fleet.run_live("sync", "-c", JOBS, "--report", work / "report.json")

            say("sync again: nothing is new, so next to nothing is asked, and nothing is sent")
            before = {host: len(server.requests()) for host, server in
                      (("hub", hub), ("eu", eu))}
            fleet.run("sync", "-c", JOBS, "--audit", "0", "--report", work / "again.json")
            asked = {"hub": len(hub.requests()) - before["hub"],
                     "eu": len(eu.requests()) - before["eu"]}
            again = json.loads((work / "again.json").read_text())
            if sum(target["bytesSent"] for target in again["targets"].values()):
                sys.exit("demo: the second pass sent bytes")
            print(f"  By their own logs the hub was asked {asked['hub']} times, eu {asked['eu']} times")

            say("tree: what a region says about one release, its evidence included")
            fleet.run("tree", f"{eu.host}/mirror/team/app:1.1")

            say("Each byte in each region is compared with what was pushed to the hub")
            print(f"  {compare(kept, [eu.host, us.host, ap.host])} in each: all there, all identical")
    say("Done. The program is build/release/transship; `transship --help` tells the rest")


if __name__ == "__main__":
    main()
