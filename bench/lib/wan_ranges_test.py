"""Big blobs over a wide-area link: several connections where they pay, one where one fills it.

bench/smoke runs it with the release program: a sanitizer's cannot fill the link.
"""

import json
import pathlib
import re
import unittest

import content
import servers
import wan


class RangesTest(unittest.TestCase):
    def copy(self, mbit, rtt_ms, blob_bytes, loss=0.0):
        """Of an image with one blob, from the far side into a layout; its report, and how many
        GETs of the blob there were."""
        image = content.image("1", [content.seeded_bytes(7, blob_bytes)])
        with servers.scratch() as scratch, wan.Link(mbit, rtt_ms, loss) as link:
            directory = pathlib.Path(scratch)
            with link.far:
                source = servers.Serve(directory / "source", address=link.far.address)
            with source:
                with link.far:
                    content.Registry(source.host).push("app", image)
                report = directory / "report.json"
                with link.near:
                    run = servers.run(
                        [servers.PROGRAM, "copy", "--plain-http", source.host, "--report",
                         str(report), f"{source.host}/app:1", f"oci:{directory}/layout:1"],
                        directory)
                self.assertEqual(run.code, 0, run.err)
                with link.far:
                    text = source.log_text()
            big = max(image.blobs, key=lambda digest: len(image.blobs[digest]))
            copied = directory / "layout/blobs" / big.replace(":", "/")
            self.assertEqual(content.digest_of(copied.read_bytes()), big)
            gets = re.findall(rf'GET \S*{big}\b', text)
            return json.loads(report.read_text()), len(gets)

    def test_one_connection_where_one_fills_the_link(self):
        report, gets = self.copy(mbit=200, rtt_ms=20, blob_bytes=112 << 20)
        self.assertEqual(report["sourceConnections"], 1)
        self.assertEqual(gets, 1)

    def test_several_on_a_long_fat_link(self):
        report, gets = self.copy(mbit=1000, rtt_ms=50, blob_bytes=256 << 20)
        self.assertGreaterEqual(report["sourceConnections"], 2)
        self.assertGreaterEqual(gets, 2)
        # A cut connection has bytes on the way that nobody takes; the report counts what came.
        self.assertLess(report["sourceBytes"], (256 << 20) * 1.02)

    def test_a_link_that_loses_one_packet_in_a_hundred(self):
        report, _ = self.copy(mbit=200, rtt_ms=20, blob_bytes=48 << 20, loss=0.01)
        self.assertLess(report["sourceBytes"], (48 << 20) * 1.1)
