"""Where a piece of work is measured: on loopback, or over a wide-area link; and registries there."""

import contextlib

import servers
import wan


class Loopback:
    """Both sides are this machine's loopback."""

    title = "loopback"

    class _Side(contextlib.nullcontext):
        address = "127.0.0.1"

    def __init__(self):
        self.near = self.far = self._Side()

    def stop(self):
        pass


class Wan(wan.Link):
    """1 Gbit/s and 50 ms, the link of T1 to T4."""

    title = "1 Gbit/s, 50 ms"

    def __init__(self):
        super().__init__(mbit=1000, rtt_ms=50)


class Registry:
    """A distribution v3 on one side of a world, and what its access log says of a run."""

    def __init__(self, side, directory, certificate=None):
        self.side = side
        with side:
            self.server = servers.Distribution(directory, address=side.address)
            self.host = self.measured_host = self.server.host
            self.secure = None
            if certificate:
                # A second one over the same directory, with TLS.
                self.secure = servers.Distribution(directory, certificate=certificate,
                                                   address=side.address)
                self.measured_host = self.secure.host
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()
        if self.secure:
            self.secure.stop()

    def cpu_seconds(self):
        return sum(s.cpu_seconds() for s in (self.server, self.secure) if s)

    def new_requests(self):
        """What was asked since the last call, over plain HTTP."""
        with self.side:
            requests = self.server.requests()
        new = requests[self.seen:]
        self.seen = len(requests)
        return new
