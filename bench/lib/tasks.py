"""T1 to T7: what is measured. Each makes its content, and runs one tool into an empty target."""

import json
import os
import pathlib
import shutil

import content
import fleet
import peers
import servers
import worlds


def figures_of(run):
    return {"wall_s": run.wall, "cpu_s": run.cpu, "peak_mib": run.peak_mib}


def busy_seconds():
    """CPU seconds that this machine has spent so far, whoever spent them."""
    fields = [int(n) for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")  # Not idle, not waiting.


def measured(argv, home, registries, extra=None):
    """(the Run, CPU seconds of the registries, CPU seconds of all else: the link, other work)."""
    before, busy = sum(r.cpu_seconds() for r in registries), busy_seconds()
    run = servers.run(argv, home, extra=extra)
    spent = sum(r.cpu_seconds() for r in registries) - before
    return run, spent, max(0, busy_seconds() - busy - spent - run.cpu)


def checked(tool, run, differences):
    """A tool that fails, or leaves a difference, has no figures: its run has an error."""
    if run.code != 0:
        return {"error": f"{tool.name} ended with {run.code}: {(run.err + run.out)[-500:]}"}
    if differences:
        return {"error": f"{len(differences)} differences, the first: {differences[0]}"}
    return figures_of(run)


class Task:
    """One source in a world, for all the runs of a `with` block."""

    def __init__(self, make_world):
        self.make_world = make_world

    def __enter__(self):
        self.world = self.make_world()
        self.work = servers.scratch()
        self.directory = pathlib.Path(self.work.name)
        return self

    def __exit__(self, *_):
        self.source.__exit__()
        self.world.stop()
        self.work.cleanup()

    def home(self, tool):
        home = self.directory / f"home-{tool.name}"
        home.mkdir()
        return home


class FleetTask(Task):
    """T1: a first pass over a wide-area link. T2: the same again, nothing new."""

    names = ("T1", "T2")

    def __init__(self, scale):
        super().__init__(worlds.Wan)
        self.repositories = max(2, round(60 * scale))
        self.tags = 20
        self.titles = {
            "T1": f"{self.repositories} repositories x {self.tags} tags, 5 layers of 32 KiB, "
                  f"pushed over {worlds.Wan.title}",
            "T2": "the same again, nothing new"}

    def tools(self):
        return [t for t in peers.TOOLS.values() if t.fleet_setting]

    def setting(self, tool):
        return tool.fleet_setting

    def __enter__(self):
        super().__enter__()
        self.fleet = fleet.Fleet(self.repositories, self.tags)
        self.least = dict(zip(self.names, self.fleet.least_requests()))
        self.source = worlds.Registry(self.world.near, self.directory / "source")
        self.fleet.push(self.world.near, self.source.host)
        return self

    def run(self, tool):
        """{"T1": figures, "T2": figures}; no T2 where T1 failed."""
        home = self.home(tool)
        try:
            with worlds.Registry(self.world.far, self.directory / "target") as target:
                argv = tool.fleet(peers.Place(self.source.host), peers.Place(target.host),
                                  self.fleet.tags(), home)
                first = self._pass(tool, argv, home, target)
                if "error" in first:
                    return {"T1": first}
                again = self._pass(tool, argv, home, target)
                return {"T1": first, "T2": again}
        finally:
            for name in (home, self.directory / "target"):
                shutil.rmtree(name, ignore_errors=True)

    def _pass(self, tool, argv, home, target):
        self.source.new_requests()
        target.new_requests()
        with self.world.near:
            run, spent, others = measured(argv, home, [self.source, target])
        asked = len(self.source.new_requests()), len(target.new_requests())
        out = checked(tool, run, self.fleet.differences(self.world.far, target.host,
                                                         self.directory / "target"))
        if "error" in out:
            return out
        out.update(requests=sum(asked), source_requests=asked[0], target_requests=asked[1],
                   registries_cpu_s=spent, others_cpu_s=others)
        report = home / "report.json"
        if report.exists():
            job = json.loads(report.read_text())["jobs"][0]
            out.update(p50_ms=job["p50Milliseconds"], p99_ms=job["p99Milliseconds"])
        return out


class TransferTask(Task):
    """T3 to T7: the blobs of one image, to one or more empty targets."""

    image = "hub/app:1"

    def __init__(self, name, title, *, blobs, blob_bytes, world=worlds.Loopback, source="near",
                 targets=1, tls=False):
        super().__init__(world)
        self.names = (name,)
        self.titles = {name: title}
        self.blobs, self.blob_bytes = blobs, blob_bytes
        self.source_side = source
        self.count, self.tls = targets, tls
        self.least = {}

    def tools(self):
        return [t for t in peers.TOOLS.values()
                if not (t.name == "relay" and self.names[0] != "T5")]

    def setting(self, tool):
        return tool.copy_setting

    def __enter__(self):
        super().__enter__()
        self.certificate = None
        if self.tls:
            self.certificate = servers.make_certificate(self.directory / "certificate")
        near_source = self.source_side == "near"
        side = self.world.near if near_source else self.world.far
        self.target_side = self.world.far if near_source else self.world.near
        self.source = worlds.Registry(side, self.directory / "source", self.certificate)
        layers = [content.seeded_bytes(n, self.blob_bytes) for n in range(self.blobs)]
        self.content = content.image("1", layers)
        self.size = sum(len(b) for b in self.content.blobs.values())
        with side:
            content.Registry(self.source.host).push("hub/app", self.content)
        return self

    def run(self, tool):
        home = self.home(tool)
        targets = []
        try:
            for n in range(self.count):
                targets.append(worlds.Registry(self.target_side, self.directory / f"target{n}",
                                               self.certificate))
            return {self.names[0]: self._copy(tool, targets, home)}
        finally:
            for n, target in enumerate(targets):
                target.__exit__()
                shutil.rmtree(self.directory / f"target{n}", ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)

    def _copy(self, tool, targets, home):
        ca = self.certificate / "cert.pem" if self.certificate else None
        argv = tool.copy(peers.Place(self.source.measured_host, ca), self.image,
                         [peers.Place(t.measured_host, ca) for t in targets], home)
        self.source.new_requests()
        with self.world.near:
            run, spent, others = measured(argv, home, [self.source, *targets],
                                          {"SSL_CERT_FILE": str(ca)} if ca else None)
        differences = []
        for target in targets if run.code == 0 and tool.name != "relay" else []:
            with self.target_side:
                differences += content.Registry(target.host).differences("hub/app", self.content)
        out = checked(tool, run, differences)
        if "error" not in out:
            out.update(cpu_s_per_gib=run.cpu / (self.size / 2**30), registries_cpu_s=spent,
                       others_cpu_s=others)
            if not self.tls:
                sent = sum(r.bytes for r in self.source.new_requests() if "/blobs/" in r.target)
                out["source_ratio"] = sent / self.size
        return out


def all_tasks(scale):
    """In their order; `scale` is of the repositories or of the blobs."""
    def size(mib):
        return max(1, round(mib * scale)) << 20

    def text(bytes_):
        return f"{bytes_ / 2**30:g} GiB" if bytes_ >= 1 << 29 else f"{bytes_ >> 20} MiB"

    one, eight, four = size(1024), size(256), size(128)
    return [
        FleetTask(scale),
        TransferTask("T3", f"one blob of {text(one)}, pulled over {worlds.Wan.title}",
                     blobs=1, blob_bytes=one, world=worlds.Wan, source="far"),
        TransferTask("T4", f"one blob of {text(one)}, pushed over {worlds.Wan.title}",
                     blobs=1, blob_bytes=one, world=worlds.Wan, source="near"),
        TransferTask("T5", f"8 blobs, {text(8 * eight)}, loopback", blobs=8, blob_bytes=eight),
        TransferTask("T6", f"8 blobs, {text(8 * eight)}, loopback, TLS", blobs=8,
                     blob_bytes=eight, tls=True),
        TransferTask("T7", f"8 blobs, {text(8 * four)}, to 4 targets, loopback", blobs=8,
                     blob_bytes=four, targets=4),
    ]
