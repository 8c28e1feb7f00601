"""The steps of tools/demo: copies a release with its evidence between two embedded registries."""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench/lib"))
import content
import servers


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def transship(home, *arguments):
    """Runs the program as a user would; its output indented."""
    print("  $ transship " + " ".join(arguments).replace(str(home) + "/", ""))
    done = servers.run([servers.PROGRAM, *arguments], home)
    for line in (done.err + done.out).splitlines():
        print("    " + line)
    if done.code != 0:
        sys.exit(f"demo: this ended with {done.code}")
    return done


def count(pushes):
    blobs = len(pushes.blobs)
    size = sum(len(b) for b in pushes.blobs.values()) / 2**20
    return f"{len(pushes.manifests)} manifests and {blobs} blobs, {size:.1f} MiB"


def main():
    with tempfile.TemporaryDirectory(prefix="transship-demo-") as directory:
        work = pathlib.Path(directory)
        with servers.Serve(work / "hub") as hub, servers.Serve(work / "edge") as edge:
            say("Two embedded registries (transship serve) are running")
            print(f"  hub:  {hub.host}\n  edge: {edge.host}")

            release = content.release("1.0", 4 << 20, seed=7)
            content.Registry(hub.host).push("team/app", release)
            say("A release was pushed to the hub by plain HTTP, as any client would")
            print(f"  {count(release)}: two platforms, an SBOM, a signature of the SBOM,\n"
                  "  a scan result under a fallback tag, a cosign signature")
            source, target = f"{hub.host}/team/app:1.0", f"{edge.host}/mirror/app:1.0"
            transship(work, "tree", source)

            say("It is copied to the edge: content first, then its evidence, the tag last")
            transship(work, "copy", source, target)
            transship(work, "tree", target)

            say("The same again moves nothing")
            before = len(edge.requests())
            transship(work, "copy", "--report", str(work / "report.json"), source, target)
            report = json.loads((work / "report.json").read_text())
            sent = sum(t["bytesSent"] for t in report["targets"].values())
            print(f"  {sent} bytes sent; the edge was asked {len(edge.requests()) - before} times")

            say("Each byte at the edge is compared with what was pushed to the hub")
            different = content.Registry(edge.host).differences("mirror/app", release)
            if different:
                sys.exit("demo: different at the edge: " + ", ".join(different))
            print(f"  {count(release)}: all there, all identical")
            if sent:
                sys.exit("demo: the second copy sent bytes")
    say("Done. The program is build/release/transship; `transship --help` tells the rest")


if __name__ == "__main__":
    main()
