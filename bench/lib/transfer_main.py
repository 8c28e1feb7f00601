"""bench/e2e/transfer: CPU per byte and peak memory of transfers, and of serve as a server."""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess

import content
import servers
import transfer

RESULTS = servers.PROJECT / "bench/results"


def quiet_distribution(directory):
    return servers.Distribution(directory, access_log=False)


def read_all(host, path):
    """Reads a body to its end without keeping it."""
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request("GET", path)
    answer = connection.getresponse()
    buffer = bytearray(1 << 20)
    while answer.readinto(buffer):
        pass
    return answer.status


def many_gets(host, path, count):
    """`count` GETs of a small body over one connection."""
    connection = http.client.HTTPConnection(host, timeout=120)
    headers = {"Accept": content.MANIFEST}
    for _ in range(count):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")


def tls_figures(tools, rounds, work, image):
    """The same over TLS on both sides, from the same source directory."""
    certificate = servers.make_certificate(work / "certificate")

    def start(directory):
        return servers.TlsDistribution(directory, certificate)

    with start(work / "source") as source:
        return transfer.compare([t for t in tools if t != "relay"], rounds, work, start, source,
                                image, certificate / "cert.pem")


def server_figures(start, directory, blob_mib, rounds):
    """CPU seconds that a server spends per GiB put and got, and manifest GETs per CPU second."""
    put, got, gets = [], [], []
    for n in range(rounds):
        data = content.seeded_bytes(n, blob_mib << 20)
        image = content.image("1", [data])
        size = len(data) / 2**30
        with start(directory / f"s{n}") as server:
            before = server.cpu_seconds()
            content.Registry(server.host).push("app", image)
            put.append((server.cpu_seconds() - before) / size)
            before = server.cpu_seconds()
            path = f"/v2/app/blobs/{content.digest_of(data)}"
            for _ in range(4):
                read_all(server.host, path)
            got.append((server.cpu_seconds() - before) / (4 * size))
            before = server.cpu_seconds()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: many_gets(server.host, "/v2/app/manifests/1", 2000),
                              range(4)))
            gets.append(8000 / max(server.cpu_seconds() - before, 0.01))
        shutil.rmtree(directory / f"s{n}", ignore_errors=True)
    return {"put_cpu_s_per_gib": statistics.median(put),
            "get_cpu_s_per_gib": statistics.median(got),
            "manifest_gets_per_cpu_s": statistics.median(gets)}


def bare_put(directory, blob_mib, rounds):
    """CPU seconds per GiB of the least that a PUT is: read from a socket, hashed, written."""
    cpu = []
    for n in range(rounds):
        data = content.seeded_bytes(n, blob_mib << 20)
        process = subprocess.Popen([servers.PROJECT / "build/release/bench/receive",
                                    directory / "bare"], stdout=subprocess.PIPE, text=True)
        with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as to:
            to.sendall(data)
        digest, used = process.communicate(timeout=60)[0].split()
        if "sha256:" + digest != content.digest_of(data):
            raise RuntimeError("bare: other bytes arrived")
        cpu.append(float(used) / (len(data) / 2**30))
        (directory / "bare").unlink()
    return statistics.median(cpu)


def transfer_rows(rows):
    lines = ["| tool | CPU s/GiB | spread | wall s | peak MiB |", "|---|---|---|---|---|"]
    for tool, f in rows.items():
        lines.append(f"| {tool} | {f['cpu_s_per_gib']:.2f} | {f['cpu_s_per_gib_min']:.2f} to "
                     f"{f['cpu_s_per_gib_max']:.2f} | {f['wall_s']:.2f} | {f['peak_mib']:.0f} |")
    return lines


def table(figures):
    lines = [f"Machine: {figures['machine']}. Medians of {figures['rounds']} rounds; 8 blobs, "
             f"{figures['mib'] * 8} MiB, {figures['registry']} on both sides, files in "
             f"{figures['files']}.", "", "Plain HTTP (T5). `relay`: a raw libcurl relay, no hash.",
             "", *transfer_rows(figures["transfer"])]
    if figures["tls"]:
        lines += ["", "TLS (T6):", "", *transfer_rows(figures["tls"])]
    if figures["serve"]:
        lines += ["", "| server | PUT CPU s/GiB | GET CPU s/GiB | manifest GETs per CPU s |",
                  "|---|---|---|---|"]
        for name, f in figures["serve"].items():
            lines.append(f"| {name} | {f['put_cpu_s_per_gib']:.2f} | {f['get_cpu_s_per_gib']:.2f} |"
                         f" {f['manifest_gets_per_cpu_s']:.0f} |")
        lines += ["", f"The least that a PUT can be here (one connection read, hashed with OpenSSL, "
                      f"written, synced; no HTTP): {figures['bare_put_cpu_s_per_gib']:.2f} "
                      f"CPU s/GiB."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=256, help="size of each of the 8 blobs")
    parser.add_argument("--no-serve", action="store_true")
    options = parser.parse_args()
    peer = servers.find_program("registry") is not None
    start = quiet_distribution if peer else servers.Serve
    figures = {"machine": f"{os.cpu_count()} cores, "
                          f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30} GiB",
               "rounds": options.rounds, "mib": options.mib,
               "registry": "distribution v3" if peer else "serve", "tls": {}, "serve": {}}
    tools = [t for t in ("transship", "crane", "oras", "relay") if transfer.installed(t)]
    with servers.scratch() as directory:
        work = pathlib.Path(directory)
        figures["files"] = "memory" if directory.startswith("/dev/shm") else "a disk"
        with start(work / "source") as source:
            image = transfer.fill(source, "hub/app", 8, options.mib << 20)
            figures["transfer"] = transfer.compare(tools, options.rounds, work, start, source,
                                                   image)
        if peer:
            figures["tls"] = tls_figures(tools, options.rounds, work, image)
        shutil.rmtree(work / "source", ignore_errors=True)
        if not options.no_serve:
            figures["bare_put_cpu_s_per_gib"] = bare_put(work, options.mib, options.rounds)
            figures["serve"]["serve"] = server_figures(
                lambda d: servers.Serve(d, "--quiet-log"), work, options.mib, options.rounds)
            if peer:
                figures["serve"]["distribution v3"] = server_figures(
                    quiet_distribution, work, options.mib, options.rounds)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "transfer.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "transfer.md").write_text(table(figures))
    print(table(figures))


if __name__ == "__main__":
    main()
