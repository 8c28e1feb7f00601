"""What tools/soak works on: a source and its targets, an author who changes content, and a gremlin."""

import collections
import http.client
import threading
import time

import content
import servers
from soak_network import Line

MIB = 1 << 20
REPOSITORIES = [f"team/app{n}" for n in range(12)]
TAGS = 20  # a repository
SPOILED = 0.05  # of the connections
LARGE = 20 * MIB
MOST_BYTES = 400 * MIB  # pushed to the source in all: each target holds it once more
STEADY = "serve, never killed"


class Fleet:
    """Real registries, each behind a line that spoils some connections. One target is never killed:
    it is the one that is looked at for leaks."""

    def __init__(self, work, seed, stack):
        def start(kind, name, *arguments):
            return stack.enter_context(kind(work / name, *arguments))

        # It lists referrers: all evidence that the author pushes can be found.
        self.source = start(servers.Serve, "source")
        self.targets = {"distribution v3": start(servers.Distribution, "v3")}
        if servers.find_program("docker-registry"):
            self.targets["docker-registry 2.8"] = start(
                servers.Distribution, "v28", "docker-registry")
        self.targets["serve"] = start(servers.Serve, "serve")
        self.steady = self.targets[STEADY] = start(servers.Serve, "steady")
        self.lines = [stack.enter_context(Line(server.host, seed + number, SPOILED))
                      for number, server in enumerate([self.source, *self.targets.values()])]

    def mortal(self):
        return {"source": self.source,
                **{name: server for name, server in self.targets.items() if name != STEADY}}

    def jobs(self):
        source, *targets = (line.host for line in self.lines)
        listed = ", ".join(f'"{target}"' for target in targets)
        return f'[[job]]\nname = "soak"\nsource = "{source}"\ntargets = [{listed}]\n'

    def heal(self):
        for line in self.lines:
            line.heal()

    def faults(self):
        out = collections.Counter()
        for line in self.lines:
            out.update(line.faults)
        return dict(out)


class Author:
    """Changes what is at the source, and knows what must be there: by its seed, not by its bytes.
    What is large is spread over the whole soak: content changes until its end."""

    def __init__(self, fleet, rng):
        self.random = rng
        self.began = 0
        self.seconds = 1
        self.source = fleet.source
        self.expected = {}  # (repository, tag) -> (kind, seed)
        self.bytes = 0
        self.changes = collections.Counter()
        self.ended = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self, seconds):
        self.began = time.monotonic()
        self.seconds = seconds
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join()
        if self.failure:
            raise self.failure

    def run(self):
        try:
            while not self.ended.wait(self.random.uniform(0.2, 1.5)):
                self.change()
        except Exception as failure:  # Told to whoever stops it.
            self.failure = failure

    @staticmethod
    def make(tag, kind, seed):
        if kind == "release":
            return content.release(tag, 30_000, seed)
        size = LARGE if kind == "large" else 40_000
        # The first layer is one that many share.
        layers = [content.seeded_bytes(seed % 7, 60_000), content.seeded_bytes(seed, size)]
        return content.image(tag, layers)

    def change(self):
        passed = min(1, (time.monotonic() - self.began) / self.seconds)
        large = 1 if self.bytes + LARGE <= passed * MOST_BYTES else 0
        (kind,) = self.random.choices(["image", "release", "large"], [6, 3, large])
        where = self.random.choice(REPOSITORIES), f"v{self.random.randrange(TAGS)}"
        seed = self.random.randrange(1 << 40)
        made = self.make(where[1], kind, seed)
        size = sum(map(len, made.blobs.values()))
        if self.bytes + size > MOST_BYTES:
            return
        self.push(where[0], made)
        self.bytes += size
        self.changes[f"{kind}, tag {'moved' if where in self.expected else 'new'}"] += 1
        self.expected[where] = kind, seed

    def push(self, repository, made):
        """Again where the source dies meanwhile: it comes back."""
        end = time.monotonic() + 60
        while True:
            try:
                return content.Registry(self.source.host).push(repository, made)
            except (OSError, RuntimeError, http.client.HTTPException):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def differences(self, host):
        """Of all that it pushed, what is not at `host` as it is at the source."""
        registry = content.Registry(host)
        return [f"{repository}:{tag} ({kind}): {what}"
                for (repository, tag), (kind, seed) in sorted(self.expected.items())
                for what in registry.differences(repository, self.make(tag, kind, seed))]


class Gremlin:
    """Kills registries. Each is there again after up to two seconds. Has no thread: what it starts
    would end with that."""

    def __init__(self, fleet, rng):
        self.random = rng
        self.mortal = fleet.mortal()
        self.kills = collections.Counter()
        self.dead = None
        self.next = time.monotonic() + 3

    def turn(self):
        """Does what is due by now."""
        if time.monotonic() < self.next:
            return
        if self.dead:
            self.revive()
            self.next = time.monotonic() + self.random.uniform(3, 12)
            return
        name = self.random.choice(sorted(self.mortal))
        self.dead = self.mortal[name]
        self.dead.kill()
        self.kills[name] += 1
        self.next = time.monotonic() + self.random.uniform(0, 2)

    def revive(self):
        if self.dead:
            self.dead.start()
        self.dead = None
