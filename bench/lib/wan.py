"""A wide-area link on this machine: two network namespaces with a rate, a round trip and loss.

    with wan.Link(mbit=1000, rtt_ms=50) as link:
        with link.far, servers.Distribution(directory, address=link.far.address) as source:
            content.Registry(source.host).push(...)      # beside the registry: costs no round trip
        with link.near:
            servers.run([...])                            # over the link

`with link.near:` and `with link.far:` put the calling thread, and what it starts, into that
namespace; sockets and processes stay where they were made. So: start a server in one, run the
client in the other. Ports of a namespace are its own, loopback too. The near address is
10.77.0.1, the far one 10.77.0.2: not loopback, so clients must be told to speak plain HTTP.

`Link(loss=0.01)` loses one packet in a hundred, the same ones for the same `seed`, either way.

The link ends with the block, or with this process however that ends; the namespaces end with the
last process in them. Needs root and /dev/net/tun: `unavailable()` says what is missing, and
`Link` raises `Unavailable` with it. By itself this module measures a link:

    python3 bench/lib/wan.py [--mbit 1000] [--rtt-ms 50] [--loss 0] [--program build/.../wan]
"""

import argparse
import ctypes
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Unavailable(RuntimeError):
    """There can be no such link here."""


def program():
    """The built link: $TRANSSHIP_WAN, or the release build's."""
    return pathlib.Path(os.environ.get("TRANSSHIP_WAN", PROJECT / "build/release/bench/wan"))


def unavailable(path=None):
    """Why there can be no link here; "" when there can."""
    path = path or program()
    if os.geteuid() != 0:
        return "a WAN link needs root (network namespaces)"
    if not os.path.exists("/dev/net/tun"):
        return "a WAN link needs /dev/net/tun"
    if not os.path.exists(path):
        return f"{path} is not built (ninja wan)"
    return ""


def enter(space):
    """Moves the calling thread into a network namespace (a descriptor)."""
    if LIBC.setns(space, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Side:
    """One end of a link. As a `with` block: the calling thread is there. Blocks may be nested."""

    def __init__(self, address, space):
        self.address = address
        self.space = space
        self.outer = threading.local()

    def __enter__(self):
        stack = self.outer.__dict__.setdefault("stack", [])
        stack.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        enter(self.space)
        return self

    def __exit__(self, *_):
        before = self.outer.stack.pop()
        enter(before)
        os.close(before)


class Link:
    """Up within its `with` block."""

    def __init__(self, mbit=1000, rtt_ms=50, loss=0.0, seed=1, path=None):
        path = path or program()
        reason = unavailable(path)
        if reason:
            raise Unavailable(reason)
        self.process = subprocess.Popen(
            [str(path), str(rtt_ms), str(mbit), str(loss), str(seed)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        words = self.process.stdout.readline().split()
        if len(words) != 3:
            raise Unavailable(self.process.communicate()[1].strip() or "the link does not start")
        self.near, self.far = (Side(address, self._space(fd)) for address, fd in
                               zip(("10.77.0.1", "10.77.0.2"), words[1:]))

    def _space(self, fd):
        return os.open(f"/proc/{self.process.pid}/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Takes the link down. Processes that were started on its sides are their owners'."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()
        os.close(self.near.space)
        os.close(self.far.space)


def round_trip(link):
    """Seconds that a TCP connection takes to be made; the best of three."""
    with link.far:
        listener = socket.create_server((link.far.address, 0))
    times = []
    with listener, link.near:
        for _ in range(3):
            begin = time.monotonic()
            socket.create_connection(listener.getsockname(), 10).close()
            times.append(time.monotonic() - begin)
    return min(times)


def rate(link, size):
    """Bytes/s of one stream of `size` bytes, near to far, all received."""
    def receive(listener):
        connection, _ = listener.accept()
        with connection:
            while connection.recv(1 << 20):
                pass

    with link.far:
        listener = socket.create_server((link.far.address, 0))
    receiver = threading.Thread(target=receive, args=(listener,))
    receiver.start()
    with listener:
        with link.near:
            sender = socket.create_connection(listener.getsockname(), 10)
        begin = time.monotonic()
        with sender:
            sender.sendall(bytes(size))
        receiver.join()
        return size / (time.monotonic() - begin)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mbit", type=float, default=1000)
    parser.add_argument("--rtt-ms", type=float, default=50)
    parser.add_argument("--loss", type=float, default=0)
    parser.add_argument("--mib", type=int, default=128, help="what is sent to measure the rate")
    parser.add_argument("--program")
    options = parser.parse_args()
    try:
        with Link(options.mbit, options.rtt_ms, options.loss, path=options.program) as link:
            print(f"round trip {1e3 * round_trip(link):.1f} ms")
            print(f"one stream {8e-6 * rate(link, options.mib << 20):.0f} Mbit/s")
    except Unavailable as reason:
        print(reason)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
