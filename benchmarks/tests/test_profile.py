"""Samples become layers, and layers a picture."""

from __future__ import annotations

from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.picture import draw
from benchmarks.profile import LAYERS, WORKS, Share, layerOf, layers, table

OUTER = "<module> (diglett-server:8);run (twisted/internet/base.py:700);Poller._turn (diglett/plane/poller.py:190)"
SAMPLES = {
    "kernel: sockets": "SocketChannel.write (diglett/plane/sockets.py:66)",
    "kernel: waiting for work": "Poller._turn (diglett/plane/poller.py:180)",
    "OpenSSL and pyOpenSSL": "Connection.send (OpenSSL/SSL.py:2307)",
    "HTTP": "parseFields (diglett/http/heads.py:40)",
    "mux": "Inbox.receive (diglett/wire/inbox.py:37)",
    "link and splices": "Link.flush (diglett/link/link.py:145)",
    "poller": "Poller._dispatch (diglett/plane/poller.py:222)",
    "Twisted": "callWithLogger (twisted/python/log.py:98)",
    "the rest": "namedtuple (collections/__init__.py:400)",
}


class ProfileTests(SynchronousTestCase):
    """`python -m benchmarks.profile`."""

    def test_layers(self) -> None:
        """The innermost frame says whose a sample is, and every layer has samples."""
        self.assertEqual([name for name, _ in LAYERS], list(SAMPLES))
        for layer, frame in SAMPLES.items():
            self.assertEqual(layerOf(f"{OUTER};{frame}"), layer)

    def test_sums(self) -> None:
        """Counts of one layer add up."""
        raw = "".join(f"{OUTER};{frame} {count}\n" for count, frame in enumerate(SAMPLES.values(), 1)) * 2
        self.assertEqual(dict(layers(raw)), {layer: 2 * count for count, layer in enumerate(SAMPLES, 1)})

    def test_shown(self) -> None:
        """The table has a column, the picture a bar and its sum, for each process; the picture is well-formed."""
        shares = [Share(WORKS[0], role, dict.fromkeys(SAMPLES, 1.5)) for role in ("gateway", "agent")]
        lines = table(shares).splitlines()
        self.assertEqual(len(lines), len(LAYERS) + 3)
        self.assertIn("| mux | 1.5 | 1.5 |", lines)
        self.assertEqual(lines[-1], "| sum | **13.5** | **13.5** |")
        texts = [element.text for element in ElementTree.fromstring(draw(list(SAMPLES), shares)).iter()]
        self.assertEqual(texts.count("13.5"), 2)
        self.assertIn("trip, agent: a round trip", texts)
