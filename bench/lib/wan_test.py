"""The link holds what it is asked for, and leaves nothing. Ends with 77 where there can be none.

Bounds are one-sided: a busy machine makes everything slower, never faster.
"""

import os
import socket
import sys
import unittest

import wan

PROGRAM = sys.argv.pop(1)


class LinkTest(unittest.TestCase):
    def test_round_trip(self):
        with wan.Link(rtt_ms=40, path=PROGRAM) as link:
            self.assertGreaterEqual(wan.round_trip(link), 0.040)

    def test_rate(self):
        with wan.Link(mbit=100, rtt_ms=1, path=PROGRAM) as link:
            self.assertLessEqual(8 * wan.rate(link, 4 << 20), 100e6)

    def test_all_bytes_arrive_over_a_link_that_loses_packets(self):
        with wan.Link(mbit=1000, rtt_ms=1, loss=0.01, path=PROGRAM) as link:
            self.assertGreater(wan.rate(link, 4 << 20), 0)

    def test_a_link_that_loses_all_connects_nobody(self):
        with wan.Link(rtt_ms=1, loss=1, path=PROGRAM) as link:
            with link.far, socket.create_server((link.far.address, 0)) as listener:
                with link.near, self.assertRaises(TimeoutError):
                    socket.create_connection(listener.getsockname(), 0.2)

    def test_the_thread_comes_back_and_the_link_ends(self):
        before = os.readlink("/proc/thread-self/ns/net")
        with wan.Link(path=PROGRAM) as link:
            with link.near:
                near = os.readlink("/proc/thread-self/ns/net")
                with link.far:
                    far = os.readlink("/proc/thread-self/ns/net")
        self.assertEqual(os.readlink("/proc/thread-self/ns/net"), before)
        self.assertEqual(len({before, near, far}), 3)
        self.assertEqual(link.process.returncode, 0)


if __name__ == "__main__":
    try:
        wan.Link(path=PROGRAM).stop()
    except wan.Unavailable as reason:
        print(reason)
        sys.exit(77)
    unittest.main()
