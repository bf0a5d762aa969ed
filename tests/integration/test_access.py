"""Who may connect, and under which names."""

from __future__ import annotations

from pathlib import Path

from tests.integration.harness import Program
from tests.integration.services import nginx
from tests.integration.tunnel import Gateway, TunnelTestCase
from tests.integration.visitors import curl


class AccessTests(TunnelTestCase):
    """A gateway and agents of several accounts, who all trust it."""

    def setUp(self) -> None:
        """Start the gateway."""
        super().setUp()
        self.house: Gateway = self.gateway()

    def command(self, *words: str) -> str:
        """Run `diglett-server token …`; what it wrote to stdout."""
        program = self.launchServer("token", *words)
        self.assertEqual(program.ended(), 0, str(program))
        return program.out

    def add(self, user: str, *options: str) -> Path:
        """Make a token; the file that holds it."""
        file = self.folder / f"{user}.token"
        file.write_text(self.command("add", user, *options))
        file.chmod(0o600)
        return file

    def visit(self, name: str, *words: str | Path, **environment: str) -> Program:
        """Start an agent that knows the gateway, and no token but those given."""
        words = ("--ca", self.house.ca, *words, "-n", name, "9")
        return self.agent(self.house, *words, state="elsewhere", **environment)

    def refused(self, agent: Program) -> str:
        """What an agent says that stops for good; no token is ever in it, nor in the gateway's log."""
        self.assertEqual((agent.ended(), agent.out), (3, ""))
        token = (self.house.state / "token").read_text().strip()
        for file in self.folder.glob("*.token"):
            self.assertNotIn(file.read_text().strip(), agent.err + self.house.program.out)
        self.assertNotIn(token, agent.err)
        return agent.err

    def test_first(self) -> None:
        """The first start makes a token and shows it, the second does not; the file is its owner's only."""
        shown = self.house.program.waitFor(r"made the first token, for \S+: (\S+) ")[1]
        self.assertEqual((self.house.state / "token").read_text().strip(), shown)
        for name in ("token", "tokens.toml", "ca.pem"):
            mode = (self.house.state / name).stat().st_mode & 0o777
            self.assertEqual(mode, 0o644 if name == "ca.pem" else 0o600, name)
        self.assertEqual(self.house.state.stat().st_mode & 0o777, 0o700)
        self.assertNotIn(shown, (self.house.state / "tokens.toml").read_text())
        self.visit("example", DIGLETT_TOKEN=shown).waitFor("^https://")
        self.house.program.stop()
        again = self.gateway()
        self.assertNotIn("token", again.program.out)

    def test_tokenFile(self) -> None:
        """A token made while the gateway runs is good at once; one that others may read earns a warning."""
        file = self.add("alice")
        agent = self.visit("example", "--token-file", file)
        agent.waitFor("^https://")
        self.assertEqual(agent.err, "")
        self.house.program.waitFor("alice is connected: example.localhost")
        file.chmod(0o644)
        another = self.visit("another", "--token-file", file)
        another.waitFor("^diglett: warning: everybody .* chmod 600")
        another.waitFor("^https://")

    def test_commandLine(self) -> None:
        """A token on the command line works, and earns a warning."""
        agent = self.visit("example", "-t", self.add("alice").read_text().strip())
        agent.waitFor("^https://")
        self.assertRegex(agent.err, "^diglett: warning: everybody on this machine can see a token")

    def test_wrong(self) -> None:
        """A wrong token and none at all are refused in the same words, with what to do."""
        said = self.refused(self.visit("example", DIGLETT_TOKEN="dig_wrong"))
        self.assertIn("--token", said)
        self.assertIn("diglett-server token add", said)
        self.assertEqual(self.refused(self.visit("example")), said)

    def test_talkative(self) -> None:
        """However much an agent is asked to say, its token is not in it."""
        file = self.add("alice")
        agent = self.visit("example", "--token-file", file, "-d", "-d")
        agent.waitFor("^https://")
        curl(self, self.house, self.house.url("example"))
        agent.stop()
        self.assertNotIn(file.read_text().strip(), agent.out + agent.err + self.house.program.out)

    def test_taken(self) -> None:
        """A name that another account holds is not to be had; the agent waits for it, and gets it when it is free."""
        alice = self.visit("example", "--token-file", self.add("alice"))
        alice.waitFor("^https://")
        bob = self.visit("example", "--token-file", self.add("bob"))
        bob.waitFor("^diglett: the name example is in use by another agent; trying again .*-n")
        once = self.visit("example", "--token-file", self.folder / "bob.token", "--once")
        self.assertEqual(once.ended(), 1)
        self.assertEqual(alice.stop(), 0)
        bob.waitFor("^https://")
        self.assertEqual(bob.err.count("\n"), 1, bob.err)

    def test_reserved(self) -> None:
        """Reserved names are nobody's."""
        said = self.refused(self.visit("www", "--token-file", self.add("alice")))
        self.assertIn("www is reserved", said)

    def test_notAllowed(self) -> None:
        """An account has the names that its patterns allow, and no others."""
        file = self.add("alice", "--names", "alice,alice-*")
        self.visit("alice-shop", "--token-file", file).waitFor("^https://")
        self.assertIn("may not use the name bob", self.refused(self.visit("bob", "--token-file", file)))

    def test_revoked(self) -> None:
        """A revoked token ends its agent's link within moments, with exit 3; the other accounts notice nothing."""
        alice = self.visit("example", "--token-file", self.add("alice"))
        bob = self.visit("another", "--token-file", self.add("bob"))
        alice.waitFor("^https://")
        bob.waitFor("^https://")
        self.command("revoke", "alice")
        self.assertEqual(alice.ended(), 3)
        self.house.program.waitFor("withdrawn example.localhost")
        self.assertNotIn("withdrawn another", self.house.program.out)
        self.assertTrue(bob.running)
        self.assertEqual(bob.err, "")

    def test_share(self) -> None:
        """Two agents of an account that both ask for it serve one name in turn."""
        file = self.add("alice")
        pages = []
        for number in range(2):
            backend = nginx(self, files={"index.html": b"%d" % number}, folder=f"nginx{number}")
            words = ("--ca", self.house.ca, "--token-file", file, "--share", "-n", "example", backend)
            self.agent(self.house, *words, state="elsewhere").waitFor("^https://")
        for _ in range(4):
            pages.append(curl(self, self.house, self.house.url("example")).body)
        self.assertEqual(sorted(pages), [b"0", b"0", b"1", b"1"])
