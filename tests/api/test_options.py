"""What a program may say of a tunnel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from diglett.api.options import Options, makeConfig
from diglett.config.agent import SETTINGS, AgentConfig
from diglett.config.tunnel import KEYS
from diglett.errors import UsageError


class OptionsTests(SynchronousTestCase):
    """`makeConfig`."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()
        self.state.mkdir()
        self.patch(os, "environ", {"HOME": str(self.state.parent), "DIGLETT_STATE": str(self.state)})

    def make(self, backend: Any = 9000, **options: Any) -> AgentConfig:
        """With a gateway."""
        return makeConfig(backend, {"gateway": "gateway.com", **options})

    def refused(self, pattern: str, backend: Any = 9000, **options: Any) -> None:
        """It cannot be."""
        self.assertRegex(str(self.assertRaises(UsageError, self.make, backend, **options)), pattern)

    def test_all(self) -> None:
        """Whatever the command or its file know there is an argument for, unless it is about the command itself."""
        command = {"once", "log-format", "debug", "tunnel", "backend"}
        here = {"".join(part.title() if at else part for at, part in enumerate(key.split("-"))): key for key in
                {*SETTINGS, *KEYS, "config"} - command}  # fmt: skip
        self.assertEqual(set(Options.__annotations__), set(here))

    def test_backends(self) -> None:
        """A backend is what the command takes, a port's number, or the path of a folder."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for backend, kind, shown in (
            (9000, "tcp", "localhost:9000"),
            ("localhost:9000", "tcp", "localhost:9000"),
            ("unix:/run/app.sock", "unix", "unix:/run/app.sock"),
            ("https://localhost", "https", "https://localhost"),
            (folder, "folder", str(folder.absolute())),
        ):
            made = self.make(backend).tunnels[0].backend
            self.assertEqual((made.kind, str(made)), (kind, shown))
        for wrong in (True, None, 9000.0, b"localhost:9000", ["localhost:9000"]):
            self.refused("neither a text nor a port", wrong)
        self.refused("not a port", 70_000)
        self.refused("no folder", Path("missing"))

    def test_arguments(self) -> None:
        """Each ends up where the option of the same name does; None is as good as nothing."""
        pin = "sha256:" + "A" * 43 + "="
        config = self.make(
            name="Example", type="tcp", share=True, ca="ca.pem", pin=(pin,), certificate=Path("me.pem"),
            privateKey="me.key", backendInsecure=True, state="~/x", token="s3cret",
        )  # fmt: skip
        (tunnel,) = config.tunnels
        self.assertEqual((tunnel.name, tunnel.type, tunnel.share), ("example", "tcp", True))
        self.assertEqual((config.ca, config.pins), (os.path.abspath("ca.pem"), (pin,)))
        self.assertEqual((config.certificate, config.privateKey), tuple(map(os.path.abspath, ("me.pem", "me.key"))))
        self.assertEqual((config.backendInsecure, config.state), (True, os.path.expanduser("~/x")))
        self.assertEqual((config.token.read(), config.token.where, config.warnings), ("s3cret", "the program", ()))
        self.assertEqual(self.make(pin=pin).pins, (pin,))
        self.assertEqual(self.make(name=None, token=None, ca=None, pin=None), self.make())

    def test_mistakes(self) -> None:
        """Each mistake is named, a token never shown."""
        self.refused("'tokenfile'; did you mean 'tokenFile'", tokenfile="x")
        self.refused("no argument 'debug'", debug=1)
        self.refused("name must be a text", name=1)
        self.refused("share must be true or false", share="yes")
        self.refused("type 'udp' is none of", type="udp")
        self.refused("the program has both a token and a token-file", token="s3cret", tokenFile="x")
        for token in ("", "s3cret\nx", 5):
            error = self.assertRaises(UsageError, self.make, token=token)
            self.assertNotIn("s3cret", str(error))

    def test_sources(self) -> None:
        """Arguments win over the environment, that over the file; the file's tunnels are left out."""
        path = Path(self.mktemp())
        path.write_text('gateway = "file.com"\nca = "file.pem"\n[[tunnel]]\nbackend = "1"\n')
        config = makeConfig(9000, {"config": path})
        self.assertEqual(config.gateway.host, "file.com")
        self.assertEqual([str(each.backend) for each in config.tunnels], ["localhost:9000"])
        os.environ.update(DIGLETT_GATEWAY="environment.com:1", DIGLETT_TOKEN="variable")
        config = makeConfig(9000, {"config": path})
        self.assertEqual((str(config.gateway), config.token.read()), ("environment.com:1", "variable"))
        self.assertEqual(makeConfig(9000, {"config": path, "gateway": "here.com"}).gateway.host, "here.com")

    def test_ownGateway(self) -> None:
        """Without any gateway it is the user's own on this machine, if there ever was one."""
        self.assertIn("DIGLETT_GATEWAY", str(self.assertRaises(UsageError, makeConfig, 9000, {})))
        (self.state / "ca.pem").write_text("")
        self.assertEqual(str(makeConfig(9000, {}).gateway), "localhost:20000")
        self.assertEqual(str(self.make().gateway), "gateway.com:20000")
