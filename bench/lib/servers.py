"""Processes of demo and benchmarks: real registries on free loopback ports, and measured runs."""

import collections
import ctypes
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PRCTL = ctypes.CDLL(None).prctl
PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = pathlib.Path(os.environ.get("TRANSSHIP_PROGRAM", PROJECT / "build/release/transship"))


def find_program(name):
    """In $TRANSSHIP_PEERS, .peers/bin, PATH, sbin; None when it is nowhere."""
    places = [os.environ.get("TRANSSHIP_PEERS", ""), str(PROJECT / ".peers/bin")]
    path = os.pathsep.join([p for p in places if p] + [os.environ.get("PATH", ""), "/usr/sbin"])
    return shutil.which(name, path=path)


def scratch():
    """A directory in memory, where there is one with room, else on disk."""
    shm = pathlib.Path("/dev/shm")
    usable = shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 8 << 30
    return tempfile.TemporaryDirectory(prefix="transship-", dir=shm if usable else None)


def environment(home):
    """Ours, without the user's credentials, state and proxies."""
    out = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    out.update(HOME=str(home), DOCKER_CONFIG=f"{home}/docker", XDG_STATE_HOME=f"{home}/state",
               XDG_CONFIG_HOME=f"{home}/config", XDG_RUNTIME_DIR=f"{home}/run")
    return out


def end_with_parent():
    """In a child, before it becomes another program: it ends when its parent is killed."""
    PRCTL(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def free_port(address="127.0.0.1"):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def answers(host):
    try:
        connection = http.client.HTTPConnection(host, timeout=5)
        connection.request("GET", "/v2/")
        connection.getresponse().read()
        return True
    except OSError:
        return False


def listens(host):
    name, port = host.rsplit(":", 1)
    try:
        socket.create_connection((name, int(port)), 5).close()
        return True
    except OSError:
        return False


Request = collections.namedtuple("Request", "method target bytes")


class Server:
    """A process that is ended with the `with` block."""

    def __init__(self, argv, directory, name):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.out = self.directory / "out.log"
        self.argv = [str(a) for a in argv]
        for log in (self.out, self.directory / "err.log"):
            log.write_bytes(b"")
        self.launch()

    def launch(self):
        with open(self.out, "ab") as out, open(self.directory / "err.log", "ab") as err:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=err, env=environment(self.directory),
                                            start_new_session=True, preexec_fn=end_with_parent)

    def kill(self):
        """Without warning."""
        self.process.kill()
        self.process.wait()

    def start(self):
        """Again, on the same port, after its end."""
        self.launch()
        self.wait_for(lambda: listens(self.host))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def wait_for(self, ready, seconds=20):
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None or time.monotonic() > end:
                log = (self.directory / "err.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} does not start:\n{log}")
            time.sleep(0.01)

    def cpu_seconds(self):
        """User and system time so far, of all its threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_text(self):
        """The access log, complete up to now."""
        mark = f"/v2/?mark={time.monotonic_ns()}"
        connection = http.client.HTTPConnection(self.host, timeout=5)
        connection.request("GET", mark)
        connection.getresponse().read()
        self.wait_for(lambda: mark in self.log.read_text())
        return self.log.read_text()

    def requests(self):
        """What named clients asked: not the marks, not the content's pushes."""
        out = []
        for line in self.log_text().splitlines():
            found = re.match(r'(?:.*\] ")?([A-Z]+) (\S+)', line)
            agents = re.findall(r'"([^"]*)"', line)
            if found and agents and agents[-1] not in ("", "-"):
                size = re.search(r'" \d{3} (\d+) "', line)
                out.append(Request(found[1], found[2], int(size[1]) if size else 0))
        return out


class Serve(Server):
    """transship serve."""

    def __init__(self, directory, *more, address="127.0.0.1"):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.log = directory / "access.log"
        super().__init__([str(PROGRAM), "serve", str(directory / "root"), "--listen", f"{address}:0",
                          *(("--access-log", str(self.log)) if "--quiet-log" not in more else ()),
                          *(m for m in more if m != "--quiet-log")], directory, "transship serve")
        self.wait_for(lambda: "listening on" in self.out.read_text())
        self.host = re.search(r"https?://(\S+?),", self.out.read_text())[1]
        self.argv[self.argv.index("--listen") + 1] = self.host


class Distribution(Server):
    """distribution v3 ("registry") or docker-registry 2.8, with the filesystem driver."""

    def __init__(self, directory, program="registry", access_log=True, certificate=None,
                 address="127.0.0.1"):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        path = find_program(program)
        if path is None:
            raise RuntimeError(f"{program} is not installed")
        self.host = f"{address}:{free_port(address)}"
        self.log = directory / "out.log"
        off = "false" if access_log else "true"
        tls = ""
        if certificate:
            tls = f"  tls: {{certificate: {certificate}/cert.pem, key: {certificate}/key.pem}}\n"
        name = "tls.yml" if certificate else "config.yml"
        (directory / name).write_text(
            f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: {off}}}}}\n"
            f"storage:\n  filesystem: {{rootdirectory: {directory}/data}}\n"
            f"  delete: {{enabled: true}}\nhttp:\n  addr: {self.host}\n  secret: bench\n" + tls)
        super().__init__([path, "serve", str(directory / name)], directory, program)
        self.wait_for(lambda: listens(self.host) if certificate else answers(self.host))


class TlsDistribution:
    """distribution v3 twice over one directory: with TLS for what is measured, without for us."""

    def __init__(self, directory, certificate):
        self.plain = Distribution(directory, access_log=False)
        self.secure = Distribution(directory, access_log=False, certificate=certificate)
        self.host, self.measured_host = self.plain.host, self.secure.host

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.stop()
        self.secure.stop()


def make_certificate(directory):
    """cert.pem (its own authority) and key.pem for 127.0.0.1; the directory."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem",
                    "-out", directory / "cert.pem"], check=True, capture_output=True)
    return directory


Run = collections.namedtuple("Run", "code out err wall cpu peak_mib")


def run(argv, home, seconds=600, extra=None):
    """Runs to the end; CPU is user and system time of the process and its children."""
    pathlib.Path(home).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            tempfile.NamedTemporaryFile("r") as result:
        launcher = pathlib.Path(__file__).with_name("measured.py")
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", launcher, result.name, str(seconds),
             *(str(a) for a in argv)], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env={**environment(home), **(extra or {})}, start_new_session=True,
            preexec_fn=end_with_parent)
        try:
            process.wait()
        except BaseException:  # We are interrupted: so is all that it started.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        code, wall, cpu, peak = (float(n) for n in result.read().split())
        out.seek(0)
        err.seek(0)
        return Run(int(code), out.read().decode(errors="replace"),
                   err.read().decode(errors="replace"), wall, cpu, peak)
