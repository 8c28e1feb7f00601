"""A slow line for tools/demo: a TCP proxy that lets through so many bytes a second to a server."""

import socket
import threading
import time


class SlowLine:
    """Over all connections together, from clients to the server; answers pass freely."""

    def __init__(self, host, bytes_per_second):
        name, port = host.rsplit(":", 1)
        self.to = (name, int(port))
        self.rate = bytes_per_second
        self.lock = threading.Lock()
        self.idle_at = time.monotonic()
        # Inherited by what is accepted: the kernel must not take in what has not passed.
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.host = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.to)
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink, slowly):
        try:
            while data := source.recv(16 << 10):
                if slowly:
                    self.wait(len(data))
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def wait(self, size):
        with self.lock:
            now = time.monotonic()
            self.idle_at = max(self.idle_at, now - 0.02) + size / self.rate
            pause = self.idle_at - now
        if pause > 0:
            time.sleep(pause)
