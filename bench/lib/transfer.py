"""One measured transfer: blobs of a source registry into an empty target, by one of several tools."""

import shutil
import statistics

import content
import peers
import servers


def fill(source, repository, blobs, blob_bytes, seed=1):
    """An image of `blobs` layers of `blob_bytes` each, in `source`; what its targets must hold."""
    layers = [content.seeded_bytes(seed + n, blob_bytes) for n in range(blobs)]
    image = content.image("1", layers)
    content.Registry(source.host).push(repository, image)
    return image


def installed(tool):
    return peers.TOOLS[tool].installed()


def measured_host(server):
    return getattr(server, "measured_host", server.host)


def once(tool, work, start_target, source, image, ca=None):
    """One run of `tool` into a new, empty target; the Run. The target's bytes are compared."""
    directory = work / f"target-{tool}"
    try:
        with start_target(directory) as target:
            argv = peers.TOOLS[tool].copy(peers.Place(measured_host(source), ca), "hub/app:1",
                                          [peers.Place(measured_host(target), ca)], work)
            done = servers.run(argv, work, extra={"SSL_CERT_FILE": str(ca)} if ca else None)
            if done.code != 0:
                raise RuntimeError(f"{tool} ended with {done.code}: {done.err[-2000:]}{done.out}")
            if tool != "relay":
                wrong = content.Registry(target.host).differences("hub/app", image)
                if wrong:
                    raise RuntimeError(f"{tool} left differences: {wrong[:3]}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return done


def compare(tools, rounds, work, start_target, source, image, ca=None):
    """Runs the tools in turn, `rounds` times; {tool: figures}, medians with their spread."""
    size = sum(len(b) for b in image.blobs.values()) / 2**30
    runs = {tool: [] for tool in tools}
    for _ in range(rounds):
        for tool in tools:
            runs[tool].append(once(tool, work, start_target, source, image, ca))
    out = {}
    for tool, measured in runs.items():
        cpu = [r.cpu / size for r in measured]
        out[tool] = {
            "cpu_s_per_gib": statistics.median(cpu),
            "cpu_s_per_gib_min": min(cpu),
            "cpu_s_per_gib_max": max(cpu),
            "wall_s": statistics.median(r.wall for r in measured),
            "peak_mib": max(r.peak_mib for r in measured),
        }
    return out
