"""The network of tools/soak: proxies before each registry that spoil some of the connections."""

import random
import socket
import struct
import threading
import time

BUSY = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n")
FAULTS = ("refused", "busy", "late", "stalled", "cut")


def end_with_reset(connection):
    """The other side sees a reset, not an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Line:
    """Passes bytes to and from `host`. Of its connections the share `spoiled` meets a fault, drawn
    from the seed: it is refused, answered 503, served late, stalls, or is cut after some bytes."""

    def __init__(self, host, seed, spoiled):
        name, port = host.rsplit(":", 1)
        self.to = (name, int(port))
        self.random = random.Random(seed)
        self.spoiled = spoiled
        self.faults = dict.fromkeys(FAULTS, 0)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.host = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def heal(self):
        self.spoiled = 0

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            fault, most = None, None
            if self.random.random() < self.spoiled:
                fault = self.random.choice(FAULTS)
                self.faults[fault] += 1
                if fault == "cut":
                    # Small requests and large bodies both: an even draw of the magnitude.
                    most = int(2 ** self.random.uniform(6, 24))
            threading.Thread(target=self.serve, args=(client, fault, most), daemon=True).start()

    def serve(self, client, fault, most):
        if fault == "refused":
            return end_with_reset(client)
        if fault == "late":
            time.sleep(1)
        try:
            if fault == "busy":
                client.recv(64 << 10)
                client.sendall(BUSY)
                return client.close()
            server = socket.create_connection(self.to)
        except OSError:
            return end_with_reset(client)
        pair = Pair(client, server, most, fault == "stalled")
        back = threading.Thread(target=pair.pump, args=(server, client), daemon=True)
        back.start()
        pair.pump(client, server)
        back.join()
        pair.close()
        return None


class Pair:
    """Both ways of one connection. `most`: bytes until it is cut; `stalls`: once, for 3 s."""

    def __init__(self, client, server, most, stalls):
        self.ends = (client, server)
        self.lock = threading.Lock()
        self.most = most
        self.stalls = stalls

    def pump(self, source, sink):
        try:
            while data := source.recv(256 << 10):
                if not self.pass_on(sink, data):
                    break
        except OSError:
            pass
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def pass_on(self, sink, data):
        with self.lock:
            stalls, self.stalls = self.stalls, False
            if self.most is not None:
                data, self.most = data[:self.most], self.most - len(data)
        if stalls:
            time.sleep(3)
        sink.sendall(data)
        return self.most is None or self.most > 0

    def close(self):
        for end in self.ends:
            end_with_reset(end) if self.most is not None else end.close()
