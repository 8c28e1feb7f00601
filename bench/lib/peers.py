"""How each tool does a piece of work: its command, and the setting that was found best for it.

Two kinds of work: `copy`, one image to one or more targets, and `fleet`, all tags of many
repositories. Tools that copy one thing a call are run side by side with xargs, so many at once as
was best. Settings that did not help a tool are not given.
"""

import json
import pathlib

import servers

RELAY = servers.PROJECT / "build/release/bench/relay"


class Place:
    """Where work goes from or to: `host`, and the authority of its TLS (None: plain HTTP)."""

    def __init__(self, host, ca=None):
        self.host = host
        self.ca = ca


def side_by_side(program, lines, at_once, work):
    """`program` once for each line of arguments, so many at a time."""
    listed = pathlib.Path(work) / "lines.txt"
    listed.write_text("".join(" ".join(str(a) for a in line) + "\n" for line in lines))
    return ["/usr/bin/xargs", "-a", listed, "-P", at_once, "-L", 1, *program]


def to_each(program, source, image, targets, work):
    """`program` copies an image to one target, so it runs once for each, all at a time."""
    lines = [(f"{source.host}/{image}", f"{t.host}/{image}") for t in targets]
    if len(lines) == 1:
        return [*program, *lines[0]]
    return side_by_side(program, lines, len(lines), work)


class Tool:
    """`copy` and `fleet` return an argv, or None where the tool is not for that work."""

    name = ""
    copy_setting = ""
    fleet_setting = ""

    def path(self):
        return servers.find_program(self.name)

    def installed(self):
        return self.path() is not None

    def copy(self, source, image, targets, work):
        """`image`: repository:tag, at the source and at each of the targets."""

    def fleet(self, source, target, repositories, work):
        """`repositories`: {name: tags}, all of them at the source."""


class Transship(Tool):
    name = "transship"
    copy_setting = "copy --referrers none; defaults"
    fleet_setting = "sync; defaults"

    def path(self):
        return servers.PROGRAM

    def installed(self):
        return servers.PROGRAM.exists()

    def copy(self, source, image, targets, work):
        places = [source, *targets]
        more = ["--ca", source.ca] if source.ca else []
        for place in places:
            if not place.ca and not place.host.startswith("127."):
                more += ["--plain-http", place.host]
        return [self.path(), "copy", "--quiet", "--referrers", "none", *more,
                *(f"{place.host}/{image}" for place in places)]

    def fleet(self, source, target, repositories, work):
        config = pathlib.Path(work) / "jobs.toml"
        hosts = "".join(f'[registry."{p.host}"]\ntls.mode = "off"\n' for p in (source, target))
        config.write_text(f'{hosts}[[job]]\nname = "fleet"\nsource = "{source.host}"\n'
                          f'targets = ["{target.host}"]\nreferrers = "none"\n'
                          f"repositories.include = {json.dumps(list(repositories))}\n")
        return [self.path(), "sync", "--quiet", "-c", config, "--state", pathlib.Path(work) / "state",
                "--report", pathlib.Path(work) / "report.json"]


class Crane(Tool):
    name = "crane"
    copy_setting = "copy --jobs 16; targets side by side"
    fleet_setting = "copy --all-tags --jobs 10, 6 repositories side by side"

    def _program(self, place, jobs, *more):
        tls = [] if place.ca else ["--insecure"]
        return [self.path(), "copy", *tls, "--jobs", jobs, *more]

    def copy(self, source, image, targets, work):
        return to_each(self._program(source, 16), source, image, targets, work)

    def fleet(self, source, target, repositories, work):
        lines = [(f"{source.host}/{r}", f"{target.host}/{r}") for r in repositories]
        return side_by_side(self._program(source, 10, "--all-tags"), lines, 6, work)


class Regsync(Tool):
    name = "regsync"
    copy_setting = "once; reqConcurrent 50, targets side by side"
    fleet_setting = "once; an entry per repository, parallel 60, reqConcurrent 60"

    def _config(self, places, entries, parallel, requests, work):
        tls = "enabled" if places[0].ca else "disabled"
        file = pathlib.Path(work) / "regsync.yml"
        # JSON is YAML.
        file.write_text(json.dumps({
            "version": 1,
            "creds": [{"registry": p.host, "tls": tls, "reqConcurrent": requests} for p in places],
            "defaults": {"parallel": parallel, "fastCheck": True},
            "sync": entries}))
        return [self.path(), "once", "-v", "warn", "-c", file]

    def copy(self, source, image, targets, work):
        entries = [{"source": f"{source.host}/{image}", "target": f"{t.host}/{image}",
                    "type": "image"} for t in targets]
        return self._config([source, *targets], entries, len(entries), 50, work)

    def fleet(self, source, target, repositories, work):
        entries = [{"source": f"{source.host}/{r}", "target": f"{target.host}/{r}",
                    "type": "repository"} for r in repositories]
        return self._config([source, target], entries, 60, 60, work)


class Oras(Tool):
    name = "oras"
    copy_setting = "cp --concurrency 16; targets side by side"
    fleet_setting = "cp --concurrency 8, 50 images side by side"

    def _program(self, place, concurrency):
        tls = (["--from-ca-file", place.ca, "--to-ca-file", place.ca] if place.ca else
               ["--from-plain-http", "--to-plain-http"])
        return [self.path(), "cp", "--no-tty", *tls, "--concurrency", concurrency]

    def copy(self, source, image, targets, work):
        return to_each(self._program(source, 16), source, image, targets, work)

    def fleet(self, source, target, repositories, work):
        lines = [(f"{source.host}/{r}:{tag}", f"{target.host}/{r}:{tag}")
                 for r, tags in repositories.items() for tag in tags]
        return side_by_side(self._program(source, 8), lines, 50, work)


class Skopeo(Tool):
    name = "skopeo"
    copy_setting = "copy --all --preserve-digests; targets side by side"
    fleet_setting = "sync --all --preserve-digests, 60 repositories side by side"

    def _program(self, place, command):
        tls = ([f"--src-cert-dir={pathlib.Path(place.ca).parent}",
                f"--dest-cert-dir={pathlib.Path(place.ca).parent}"] if place.ca else
               ["--src-tls-verify=false", "--dest-tls-verify=false"])
        return [self.path(), "--insecure-policy", command, "--all", "--preserve-digests", *tls]

    def copy(self, source, image, targets, work):
        lines = [(f"docker://{source.host}/{image}", f"docker://{t.host}/{image}")
                 for t in targets]
        program = [*self._program(source, "copy"), "--quiet"]
        if len(lines) == 1:
            return [*program, *lines[0]]
        return side_by_side(program, lines, len(lines), work)

    def fleet(self, source, target, repositories, work):
        # The last component of the name is kept by skopeo itself.
        lines = [(f"{source.host}/{r}", f"{target.host}/{r.rsplit('/', 1)[0]}")
                 for r in repositories]
        program = [*self._program(source, "sync"), "--src", "docker", "--dest", "docker"]
        return side_by_side(program, lines, 60, work)


class Ocync(Tool):
    name = "ocync"
    copy_setting = "sync; defaults, the targets as one group"
    fleet_setting = "sync; defaults (50 images at once)"

    def _config(self, source, targets, mappings, work):
        names = [f"target{n}" for n in range(len(targets))]
        registries = {n: {"url": ("https://" if p.ca else "http://") + p.host,
                          "auth_type": "anonymous"}
                      for n, p in zip(["source", *names], [source, *targets])}
        file = pathlib.Path(work) / "ocync.yml"
        file.write_text(json.dumps({
            "global": {"cache_dir": str(pathlib.Path(work) / "ocync")}, "registries": registries,
            "target_groups": {"all": names},
            "defaults": {"source": "source", "targets": "all", "artifacts": {"enabled": False}},
            "mappings": mappings}))
        return [self.path(), "-q", "sync", "-c", file]

    def copy(self, source, image, targets, work):
        repository, tag = image.rsplit(":", 1)
        return self._config(source, targets, [{"from": repository, "tags": {"glob": tag}}], work)

    def fleet(self, source, target, repositories, work):
        return self._config(source, [target],
                            [{"from": r, "tags": {"glob": "*"}} for r in repositories], work)


class Relay(Tool):
    """No peer: the floor, libcurl alone."""

    name = "relay"
    copy_setting = "libcurl alone: no hash, no checks"

    def path(self):
        return RELAY

    def installed(self):
        return RELAY.exists()

    def copy(self, source, image, targets, work):
        if source.ca or len(targets) > 1 or not source.host.startswith("127."):
            return None
        return [RELAY, f"{source.host}/{image}", f"{targets[0].host}/{image}"]


TOOLS = {tool.name: tool for tool in (Transship(), Crane(), Regsync(), Oras(), Skopeo(), Ocync(),
                                      Relay())}
