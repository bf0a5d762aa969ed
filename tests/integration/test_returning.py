"""Visitors who come back with the TLS session they had, as OpenSSL's own client does it."""

from __future__ import annotations

import re
import subprocess
from base64 import b64decode, encodebytes
from pathlib import Path

from tests.integration.components import find
from tests.integration.services import nginx
from tests.integration.tunnel import Gateway, TunnelTestCase

VERSIONS = ("-tls1_2", "-tls1_3")
REQUEST = b"GET / HTTP/1.1\r\nHost: example.localhost\r\nConnection: close\r\n\r\n"


class ReturningTests(TunnelTestCase):
    """A gateway and a visitor who keeps its session in a file."""

    def visit(self, gateway: Gateway, *options: str | Path, input: bytes = REQUEST) -> str:
        """Make a connection; everything that was said of it."""
        return subprocess.run(
            [find("openssl"), "s_client", "-connect", f"127.0.0.1:{gateway.https}", "-servername", "example.localhost",
             "-CAfile", gateway.ca, "-verify_return_error", "-ign_eof", *options],
            input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
        ).stdout.decode("latin-1")  # fmt: skip

    def served(self, gateway: Gateway, *options: str | Path) -> str:
        """Make a request, which is answered: `New` or `Reused`, as the session was."""
        said = self.visit(gateway, *options)
        self.assertIn("hello from nginx", said)
        found = re.findall(r"^(New|Reused), TLSv", said, re.MULTILINE)
        self.assertEqual(len(found), 1, said)
        return str(found[0])

    def forged(self, session: Path, place: int) -> Path:
        """Change one bit of a session's ticket, so many bytes behind its beginning."""
        begin, *lines, end = session.read_text().strip().split("\n")
        data = bytearray(b64decode("".join(lines)))
        shown = self.perform("openssl", "sess_id", "-in", session, "-text", "-noout").decode("latin-1")
        found = re.search(r"TLS session ticket:\s+0000 - ([0-9a-f -]{47})", shown)
        assert found is not None, shown
        name = bytes.fromhex(found[1].replace("-", " "))
        self.assertEqual(data.count(name), 1)
        data[data.index(name) + place] ^= 1
        forged = self.folder / "forged"
        forged.write_text("\n".join([begin, encodebytes(data).decode().strip(), end, ""]))
        return forged

    def test_resumed(self) -> None:
        """Who comes back resumes the session; with a ticket that nobody here gave, all begins anew, and well."""
        gateway = self.tunnel(nginx(self))
        for version in VERSIONS:
            kept = self.folder / version
            self.assertEqual(self.served(gateway, version, "-sess_out", kept), "New")
            self.assertEqual(self.served(gateway, version, "-sess_in", kept), "Reused")
            for place in (0, 20, 60):  # the name of its key, what its encryption begins with, the encrypted
                self.assertEqual(self.served(gateway, version, "-sess_in", self.forged(kept, place)), "New")

    def test_anotherGateway(self) -> None:
        """With a ticket of another gateway all begins anew, as it does after a restart."""
        site = nginx(self)
        first, other = self.gateway(), self.gateway(state="other")
        self.agent(first, "-n", "example", str(site)).waitFor(" -> ")
        self.agent(other, "-n", "example", str(site), state="other").waitFor(" -> ")
        for version in VERSIONS:
            kept = self.folder / version
            self.served(first, version, "-sess_out", kept)
            self.assertEqual(self.served(other, version, "-sess_in", kept), "New")

    def test_nothingEarly(self) -> None:
        """Nobody may send a request with the session before the handshake is done."""
        gateway, kept, early = self.tunnel(nginx(self)), self.folder / "kept", self.folder / "early"
        self.served(gateway, "-tls1_3", "-sess_out", kept)
        self.assertIn(b"Max Early Data: 0\n", self.perform("openssl", "sess_id", "-in", kept, "-text", "-noout"))
        early.write_bytes(REQUEST)
        said = self.visit(gateway, "-sess_in", kept, "-early_data", early)
        self.assertIn("Early data was not sent", said)
        self.assertIn("hello from nginx", said)

    def test_noAgent(self) -> None:
        """No session leads to where agents are let in, which a handshake of its own does."""
        gateway = self.tunnel(nginx(self))
        for version in VERSIONS:
            kept = self.folder / version
            self.served(gateway, version, "-sess_out", kept)
            agent = (version, "-alpn", "diglett/2")
            self.assertIn("ALPN protocol: diglett/2", self.visit(gateway, *agent, input=b"GET /"))
            refused = self.visit(gateway, *agent, "-sess_in", kept, input=b"")
            self.assertIn("alert no application protocol", refused)
            self.assertNotIn("ALPN protocol: diglett/2", refused)
