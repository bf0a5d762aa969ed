"""Each authenticator but `tokens` (see `test_access`), with the commands that `docs/auth.md` shows."""

from __future__ import annotations

import json
import shlex
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.documents import DOCS, example
from tests.integration.harness import Program
from tests.integration.tunnel import Gateway, TunnelTestCase


class AuthenticatorTests(TunnelTestCase):
    """A gateway as documented, agents who are let in and agents who are not."""

    def commands(self, begin: str) -> Iterator[str]:
        """The commands of the document that begin like this, about files of this test."""
        text = (DOCS / "auth.md").read_text("utf-8").replace("\\\n", "")
        for line in text.splitlines():
            if line.startswith("    " + begin):
                yield line.strip().replace("/etc/diglett", str(self.folder))

    def house(self, authenticator: str, *more: str) -> Gateway:
        """The gateway with the first documented command for this authenticator."""
        commands = map(shlex.split, self.commands("diglett-server --auth"))
        return self.gateway(*next(words[1:] for words in commands if words[2].startswith(authenticator)), *more)

    def visit(self, house: Gateway, name: str, token: str = "", *options: str) -> Program:
        """Start an agent that trusts the gateway."""
        environment = {"DIGLETT_TOKEN": token} if token else {}
        return self.agent(house, "--ca", house.ca, *options, "-n", name, "9", state="elsewhere", **environment)

    def refused(self, agent: Program, why: str = "the gateway does not accept these credentials") -> None:
        """It stops for good, for this reason."""
        self.assertEqual(agent.ended(), 3, str(agent))
        self.assertIn(why, agent.err)

    def test_htpasswd(self) -> None:
        """User and password; names of one's own; a changed password ends the session, and nobody else's."""
        [command] = self.commands("htpasswd -cB")
        words = shlex.split(command)
        self.perform(words[0], "-i", *words[1:], input=b"secret")
        self.perform("htpasswd", "-iB", words[2], "bob", input=b"other")
        house = self.house("htpasswd")
        alice, bob = self.visit(house, "alice", "alice:secret"), self.visit(house, "bob-1", "bob:other")
        alice.waitFor("-> ")
        bob.waitFor("-> ")
        for token in ("alice:wrong", "carol:secret"):
            self.refused(self.visit(house, "alice-1", token))
        self.refused(self.visit(house, "bob", "alice:secret"), "alice may not use the name bob")
        self.perform("htpasswd", "-iB", words[2], "alice", input=b"changed")
        self.refused(alice)
        self.assertTrue(bob.running)

    def test_certificate(self) -> None:
        """The certificate's name is the account; a revoked one's session ends."""
        for command in self.commands("openssl"):
            self.perform("sh", "-c", f"cd {self.folder} && {command}")
        (self.folder / "revoked").write_text("")
        house = self.house("certificate")
        [agent] = [each for each in self.commands("diglett -g") if "--certificate" in each]
        words = shlex.split(agent)
        options = words[words.index("--certificate") : words.index("-n")]
        alice = self.visit(house, "alice", "", *options)
        alice.waitFor("-> ")
        self.refused(self.visit(house, "bob", "", *options), "alice may not use the name bob")
        self.refused(self.visit(house, "alice-1", "a-token"))
        (self.folder / "revoked").write_text("alice\n")
        self.refused(alice)

    def test_jwt(self) -> None:
        """A signed token; one of another key or for somebody else is none; a changed key ends the session."""
        keys = [Ed25519PrivateKey.generate() for _ in range(2)]

        def publish(key: Ed25519PrivateKey) -> None:
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            (self.folder / "issuer.new").write_bytes(pem)
            shutil.move(self.folder / "issuer.new", self.folder / "issuer.pem")

        def token(key: Ed25519PrivateKey, audience: str = "diglett") -> str:
            claims = {"sub": "alice", "aud": audience, "exp": int(time.time()) + 300, "names": ["alice", "alice-*"]}
            return jwt.encode(claims, key, algorithm="EdDSA")

        publish(keys[0])
        house = self.house("jwt:")
        alice = self.visit(house, "alice", token(keys[0]))
        alice.waitFor("-> ")
        self.refused(self.visit(house, "alice-1", token(keys[1])))
        self.refused(self.visit(house, "alice-1", token(keys[0], "somebody else")))
        self.refused(self.visit(house, "bob", token(keys[0])), "alice may not use the name bob")
        publish(keys[1])
        self.refused(alice)
        self.visit(house, "alice", token(keys[1])).waitFor("-> ")

    def test_webhook(self) -> None:
        """A program answers, to signed questions only; when it says no by now, the session ends."""
        names: dict[str, Any] = {}
        exec(example("auth.md", "verify.py"), names)
        good = {"a-token": {"account": "alice", "names": ["alice", "alice-*"], "ttl": 1}}

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = names["verify"](b"s3cret", self.headers["Diglett-Signature"], body)
                account = good.get(json.loads(body)["token"]) if signed else None
                self.send_response(200 if account else 403)
                self.end_headers()
                self.wfile.write(json.dumps(account).encode())

            def log_message(self, *arguments: Any) -> None:
                """Nothing."""

        service = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        self.addCleanup(service.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(service.shutdown)
        secret = self.folder / "secret"
        secret.write_text("s3cret\n")
        house = self.gateway("--auth", f"webhook:http://127.0.0.1:{service.server_port}/diglett,secret-file={secret}")
        alice = self.visit(house, "alice", "a-token")
        alice.waitFor("-> ")
        self.refused(self.visit(house, "alice-1", "b-token"))
        self.refused(self.visit(house, "bob", "a-token"), "alice may not use the name bob")
        good.clear()
        self.refused(alice)
