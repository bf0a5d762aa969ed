"""What may stand behind a name."""

from __future__ import annotations

import socket
import ssl

import trustme

from tests.integration.components import freePort
from tests.integration.services import nginx, python
from tests.integration.tunnel import TunnelTestCase
from tests.integration.visitors import connect, curl


class BackendTests(TunnelTestCase):
    """Backends that are no plain port of this machine."""

    def test_unix(self) -> None:
        """A Unix socket, through the front and through the listening port."""
        place = f"unix:{self.folder / 'nginx.sock'}"
        gateway = self.tunnel(nginx(self, place))
        self.assertEqual(curl(self, gateway, gateway.url("example")).body, b"hello from nginx\n")
        port = f"http://127.0.0.1:{gateway.listeningPort('example')}/"
        self.assertEqual(curl(self, gateway, port).body, b"hello from nginx\n")

    def test_localhost(self) -> None:
        """What listens on the IPv6 loopback alone is found as localhost, too."""
        port = freePort()
        try:
            nginx(self, f"[::1]:{port}")
        except AssertionError:
            self.skipTest("there is no IPv6 here")
        gateway = self.tunnel(port)
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)

    def test_two(self) -> None:
        """An agent with two names, one of them of its own choosing."""
        gateway = self.gateway()
        agent = self.agent(gateway, "-n", "one", nginx(self), str(python(self, "site", "waitress")))
        url = agent.waitFor(r"^https://one\.localhost:\d+ -> 127\S+\n(https://[a-z]+-[a-z]+\.localhost:\d+) -> \S+$")[1]
        self.assertEqual(curl(self, gateway, gateway.url("one")).body, b"hello from nginx\n")
        self.assertEqual(curl(self, gateway, url + "/").body, b"hello from the site\n")

    def test_configured(self) -> None:
        """All of it may stand in a file."""
        gateway = self.gateway()
        (self.folder / "diglett.toml").write_text(
            f'gateway = "{gateway.address}"\n[[tunnel]]\nname = "one"\nbackend = "{nginx(self)}"\n'
        )
        self.agent(None, "--config", "diglett.toml").waitFor("^https://one")
        self.assertEqual(curl(self, gateway, gateway.url("one")).status, 200)


class TlsTests(TunnelTestCase):
    """Backends that speak TLS."""

    def setUp(self) -> None:
        """Start nginx with a certificate for localhost and secret.localhost."""
        super().setUp()
        authority = trustme.CA()
        self.authority = self.folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        leaf = authority.issue_cert("localhost", "secret.localhost")
        leaf.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "leaf.pem"))
        leaf_ = self.folder / "leaf.pem"
        self.port = nginx(self, more=f"ssl_certificate {leaf_}; ssl_certificate_key {leaf_};").rpartition(":")[2]

    def test_verified(self) -> None:
        """An https:// backend is verified by the system's authorities, under the name it was given."""
        gateway = self.gateway()
        words = ("-n", "example", f"https://localhost:{self.port}")
        self.agent(gateway, *words, SSL_CERT_FILE=str(self.authority)).waitFor("^https://")
        answer = curl(self, gateway, gateway.url("example", "/said"))
        self.assertEqual(answer.body.split()[:2], [b"https", f"example.localhost:{gateway.https}".encode()])

    def test_notVerified(self) -> None:
        """One that cannot be verified is not reached; both sides are told why."""
        gateway = self.gateway()
        agent = self.agent(gateway, "-n", "example", f"https://localhost:{self.port}")
        agent.waitFor("^https://")
        answer = curl(self, gateway, gateway.url("example"))
        self.assertEqual((answer.status, answer.document["error"]["code"]), (502, "backend-tls"))
        agent.waitFor("TLS with the backend localhost:.* unknown authority")

    def test_otherName(self) -> None:
        """Nor is one with a certificate for another name."""
        gateway = self.gateway()
        words = ("-n", "example", f"https://127.0.0.1:{self.port}")
        self.agent(gateway, *words, SSL_CERT_FILE=str(self.authority)).waitFor("^https://")
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 502)

    def test_insecure(self) -> None:
        """Told not to look, the agent does not."""
        gateway = self.gateway()
        agent = self.agent(gateway, "--backend-insecure", "-n", "example", f"https://localhost:{self.port}")
        agent.waitFor("^https://")
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)

    def test_passedThrough(self) -> None:
        """A name of type tls shows the backend's own certificate to its visitors; others beside it are as ever."""
        gateway = self.gateway()
        plainly = nginx(self, folder="plain")
        words = ("--type", "tls", "-n", "secret", f"localhost:{self.port}", "-n", "example", plainly)
        agent = self.agent(gateway, *words)
        agent.waitFor(rf"^https://secret\.localhost:{gateway.https} -> .*\nhttps://example")
        page = curl(self, gateway, gateway.url("secret"), "--cacert", self.authority)
        self.assertEqual(page.body, b"hello from nginx\n")
        context = ssl.create_default_context(cafile=str(self.authority))
        with socket.create_connection(("127.0.0.1", gateway.https)) as plain:
            with context.wrap_socket(plain, server_hostname="secret.localhost") as secret:
                shown = secret.getpeercert(binary_form=True)
        leaf = (self.folder / "leaf.pem").read_text()
        begin = leaf.index("-----BEGIN CERTIFICATE")
        self.assertEqual(shown, ssl.PEM_cert_to_DER_cert(leaf[begin : leaf.index("-----END CERTIFICATE") + 26]))
        self.assertEqual(curl(self, gateway, gateway.url("example")).status, 200)
        visitor = connect(self, gateway.https, gateway.context())
        visitor.send(b"GET / HTTP/1.1\r\nHost: secret.localhost\r\n\r\n")
        self.assertEqual(visitor.answer().status, 421)
