"""bench/e2e/scale: CPU, memory and requests per tag as the number of tags grows."""

import argparse
import http.client
import json
import os
import pathlib
import re

import servers

RESULTS = servers.PROJECT / "bench/results"
MADE = servers.PROJECT / "build/release/bench/made_registry"
TAGS = 100  # of each repository


class Made(servers.Server):
    """A registry of made-up content: tests/support/stores/made_registry.h."""

    def __init__(self, directory, repositories, *more, tags=TAGS):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__([str(MADE), "--repositories", str(repositories), "--tags", str(tags),
                          *more], directory, "made_registry")
        self.wait_for(lambda: "listening on" in self.out.read_text())
        self.host = re.search(r"listening on (\S+)", self.out.read_text())[1]

    def stats(self):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request("GET", "/_stats")
        return json.load(connection.getresponse())


def job(directory, source, target, profile):
    text = "".join(f'[registry."{host}"]\ntls.mode = "off"\n' +
                   (f'profile = "{profile}"\n' if profile else "")
                   for host in (source, target))
    path = directory / "jobs.toml"
    path.write_text(text + f'[[job]]\nname = "scale"\nsource = "{source}"\n'
                           f'targets = ["{target}/mirror"]\nreferrers = "none"\n')
    return path


def difference(after, before):
    return {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}


def measured(command, file, home, tags, source, target):
    """One run, and what it asked of both sides."""
    before = [s.stats()["requests"] for s in (source, target)]
    run = servers.run([servers.PROGRAM, command, "-c", file, "--quiet", "--audit", "0",
                       "--state", home / "state"], home, 3600)
    if run.code != 0:
        raise RuntimeError(f"{command}: exit {run.code}\n{run.out[-2000:]}{run.err[-2000:]}")
    after = [s.stats() for s in (source, target)]
    if any(s["wrong"] for s in after):
        raise RuntimeError("a push was not what it must be")
    asked = [difference(a["requests"], b) for a, b in zip(after, before)]
    requests = sum(sum(a.values()) for a in asked)
    journal = sum(f.stat().st_size for f in (home / "state").glob("journal.db*"))
    return {"tags": tags, "wall_s": run.wall, "cpu_us_per_tag": run.cpu / tags * 1e6,
            "peak_mib": run.peak_mib, "requests": requests, "requests_per_tag": requests / tags,
            "journal_bytes_per_tag": journal / tags, "source": asked[0], "target": asked[1],
            "first_blob_ms": after[0].get("first_blob_ms")}


def sizes(smallest, most):
    size = smallest
    while size <= most:
        yield size
        size *= 10


def first_and_again(home, repositories, tags_each):
    """A pass into an empty target, and one with nothing new."""
    tags = repositories * tags_each
    with Made(home / "source", repositories, tags=tags_each) as source, \
            Made(home / "target", repositories, "--empty", tags=tags_each) as target:
        file = job(home, source.host, target.host, "")
        rows = [measured("sync", file, home, tags, source, target) for _ in range(2)]
        if target.stats()["tags"] != tags:
            raise RuntimeError("tags are missing at the target")
    print(*rows, flush=True)
    return rows


def first_passes(work, most):
    rows = [first_and_again(work / f"first{tags}", tags // TAGS, TAGS)
            for tags in sizes(1000, most)]
    return {"first pass": [first for first, _ in rows], "no-op": [again for _, again in rows]}


def one_repository(work, tags):
    """All tags in one repository."""
    first, again = first_and_again(work / f"one{tags}", 1, tags)
    return {"first pass, one repository": [first], "no-op, one repository": [again]}


def later_passes(work, least, most, profile):
    """Over a target that has everything; `look` is the pass that fills the journal."""
    lists = ["--acr-lists"] if profile else []
    rows = {"no-op, digests listed": []} if profile else {"look": [], "no-op": [], "plan": []}
    for tags in sizes(least, most):
        home = work / f"later{tags}{profile}"
        with Made(home / "source", tags // TAGS, *lists) as source, \
                Made(home / "target", tags // TAGS, *lists) as target:
            file = job(home, source.host, target.host, profile)
            for name in rows:
                command = "plan" if name == "plan" else "sync"
                rows[name].append(measured(command, file, home, tags, source, target))
                print(name, rows[name][-1], flush=True)
    return rows


def table(figures):
    lines = [f"Machine: {figures['machine']}. {TAGS} tags a repository where nothing else is said, "
             "each an image of 3 blobs of its own, made up from a seed by two servers on the same "
             "machine; `referrers = \"none\"`, the default of `--memory` (128 MiB).", "",
             "| pass | tags | CPU us/tag | wall s | peak MiB | requests/tag | journal B/tag |"
             " first blob ms |", "|---|---|---|---|---|---|---|---|"]
    for name, rows in figures["passes"].items():
        for f in rows:
            first = f["first_blob_ms"] if name.startswith("first pass") else ""
            lines.append(f"| {name} | {f['tags']} | {f['cpu_us_per_tag']:.1f} | {f['wall_s']:.1f} |"
                         f" {f['peak_mib']:.0f} | {f['requests_per_tag']:.3f} |"
                         f" {f['journal_bytes_per_tag']:.0f} | {first} |")
    return "\n".join(lines) + "\n"


def write(figures):
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "scale.md").write_text(table(figures))
    print(table(figures))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=100_000)
    parser.add_argument("--one", type=int, default=100_000, help="tags of the one repository")
    parser.add_argument("--only-one", action="store_true",
                        help="measure the one repository alone; the other rows stay")
    options = parser.parse_args()
    if options.only_one:
        figures = json.loads((RESULTS / "scale.json").read_text())
        with servers.scratch() as directory:
            figures["passes"].update(one_repository(pathlib.Path(directory), options.one))
        write(figures)
        return
    figures = {"machine": f"{os.cpu_count()} cores, "
                          f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GiB"}
    with servers.scratch() as directory:
        work = pathlib.Path(directory)
        figures["passes"] = first_passes(work, options.first)
        later = later_passes(work, 10 * options.first, options.most, "")
        for name, rows in later.items():
            figures["passes"].setdefault(name, []).extend(rows)
        figures["passes"].update(one_repository(work, options.one))
        figures["passes"].update(later_passes(work, 10_000, options.most, "acr"))
    write(figures)


if __name__ == "__main__":
    main()
