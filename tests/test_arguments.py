"""Tests of the options of `diglett`."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from diglett import __version__
from diglett.arguments import parseAgent, parseDemo, parseDoctor, parseStatus
from diglett.config import AgentConfig, DemoOptions
from diglett.config.agent import SETTINGS
from diglett.errors import UsageError


def parse(line: str, **environ: str) -> AgentConfig:
    """Read a command line of simple words."""
    return parseAgent(line.split(), environ)


def tunnels(line: str) -> list[tuple[str | None, str]]:
    """Give the names and backends of a command line."""
    return [(tunnel.name, str(tunnel.backend)) for tunnel in parse(f"-g g {line}").tunnels]


class TunnelTests(SynchronousTestCase):
    """Names and backends, wherever the other options stand."""

    def test_contract(self) -> None:
        """The form that everybody learns first works as documented."""
        config = parse("-g gateway.com:20000 -n example localhost:9000")
        self.assertEqual(str(config.gateway), "gateway.com:20000")
        self.assertEqual([(t.name, str(t.backend)) for t in config.tunnels], [("example", "localhost:9000")])

    def test_several(self) -> None:
        """Several tunnels are written one after the other, with or without names."""
        expected = [("a", "localhost:1"), ("b", "localhost:2")]
        self.assertEqual(tunnels("-n a localhost:1 -n b localhost:2"), expected)
        self.assertEqual(tunnels("--name=a localhost:1 -nb localhost:2"), expected)
        self.assertEqual(tunnels("-n a -d localhost:1 --once -n b --debug localhost:2"), expected)
        self.assertEqual(tunnels("1 -n b 2 3"), [(None, "localhost:1"), ("b", "localhost:2"), (None, "localhost:3")])

    def test_anywhere(self) -> None:
        """The name of the only tunnel may stand anywhere."""
        for line in ("-n a 1", "1 -n a", "1 --name a --once", "--name=a -- 1", "-dn a 1", "-dna 1"):
            self.assertEqual(tunnels(line), [("a", "localhost:1")], line)

    def test_typeAndShare(self) -> None:
        """The other options of a tunnel belong to the backend after them."""
        config = parse("-g g --type tcp 1 --share --type=tls -n b 2")
        self.assertEqual(
            [(t.name, t.type, t.share) for t in config.tunnels],
            [(None, "tcp", False), ("b", "tls", True)],
        )


class OptionTests(SynchronousTestCase):
    """The other options."""

    def test_all(self) -> None:
        """Every option arrives under its name."""
        config = parse(
            "-g g --ca ca.pem --pin sha256:a --pin sha256:b --protocol tls --backend-insecure --once "
            "--state /s -dd --log-format json -t tok 1"
        )
        self.assertEqual((config.ca, config.pins), ("ca.pem", ("sha256:a", "sha256:b")))
        self.assertEqual((config.protocol, config.logFormat, config.debug), ("tls", "json", 2))
        self.assertEqual((config.backendInsecure, config.once, config.state), (True, True, "/s"))
        self.assertEqual(config.token.read(), "tok")

    def test_hyphen(self) -> None:
        """A value may begin with a hyphen, as random tokens sometimes do."""
        for line in ("-t -x1", "-t-x1", "--token -x1", "--token=-x1"):
            self.assertEqual(parse(f"-g g {line} 1").token.read(), "-x1", line)

    def test_environment(self) -> None:
        """Gateway and token may come from the environment."""
        config = parse("8000", DIGLETT_GATEWAY="gateway.com", DIGLETT_TOKEN="tok")
        self.assertEqual((str(config.gateway), config.token.read()), ("gateway.com:20000", "tok"))

    def test_sameNamesAsFile(self) -> None:
        """Whatever the file may hold is an option under the same name, and the other way round."""
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertRaises(SystemExit, parse, "--help")
        shown = {word.strip("[],") for word in out.getvalue().split() if word.startswith("--")}
        perTunnel = {"--name", "--type", "--share"}
        self.assertEqual(
            shown - perTunnel - {"--help", "--version", "--config"},
            {f"--{name}" for name in SETTINGS} - {"--tunnel"},
        )

    def test_refused(self) -> None:
        """A mistake gives one line that helps."""
        for line, reason in {
            "": "no BACKEND",
            "-g g": "no BACKEND",
            "8000": "which gateway?",
            "-g": "-g needs a value",
            "--gateway": "--gateway needs a value",
            "-g g --gatway x 1": "did you mean --gateway?",
            "-g g -x 1": "there is no option -x",
            "-g g -dx 1": "there is no option -x",
            "-g g --onc 1": "did you mean --once?",
            "-g g --once=1 1": "--once",
            "-g g --type udp 1": "invalid choice",
            "-g g --log-format xml 1": "invalid choice",
            "-g g -n a -n b 1": "two --name",
            "-g g - ": "neither an existing folder",
        }.items():
            error = self.assertRaises(UsageError, parse, line)
            self.assertIn(reason, str(error), line)
            self.assertNotIn("\n", str(error))

    def test_version(self) -> None:
        """`--version` says which diglett this is and ends well."""
        out = io.StringIO()
        with redirect_stdout(out):
            stop = self.assertRaises(SystemExit, parse, "--version")
        self.assertEqual((out.getvalue(), stop.code), (f"diglett {__version__}\n", 0))


class DemoTests(SynchronousTestCase):
    """The options of `diglett demo`."""

    def test_options(self) -> None:
        """Nothing is needed; ports and loudness may be chosen."""
        self.assertEqual(parseDemo([]), DemoOptions())
        self.assertEqual(
            parseDemo("--port 1 --http-port 0 -ddd".split()), DemoOptions(1, 0, 2)
        )

    def test_refused(self) -> None:
        """A mistake gives one line that helps."""
        for line, reason in {
            "--port x": "'x' is not a port",
            "--prot 1": "unrecognized arguments: --prot",
            "site": "unrecognized arguments: site",
        }.items():
            self.assertIn(reason, str(self.assertRaises(UsageError, parseDemo, line.split())))


class DoctorTests(SynchronousTestCase):
    """`diglett doctor`."""

    def test_sameOptions(self) -> None:
        """It takes the words of an agent, and says in what form to answer."""
        words = "-g gateway.com -n a 1 -n b 2 --pin sha256:x --type tcp 3".split()
        options = parseDoctor(words, {})
        self.assertEqual(options.agent, parseAgent(words, {}))
        self.assertFalse(options.json)
        self.assertTrue(parseDoctor([*words, "--json"], {}).json)
        self.assertTrue(parseDoctor(["--json", *words], {}).json)
        self.assertRaises(UsageError, parseAgent, [*words, "--json"], {})

    def test_mistakes(self) -> None:
        """They are told as an agent's are."""
        error = self.assertRaises(UsageError, parseDoctor, ["-g", "g", "--nonsense", "1"], {})
        self.assertIn("--nonsense", str(error))

    def test_help(self) -> None:
        """Its help says what its exit statuses mean."""
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertRaises(SystemExit, parseDoctor, ["--help"], {})
        self.assertIn("Exit status", out.getvalue())
        self.assertIn("diglett doctor", out.getvalue())


class StatusTests(SynchronousTestCase):
    """`diglett status`."""

    def test_options(self) -> None:
        """The folder and the form, and nothing else."""
        options = parseStatus(["--json", "--state", "/x"])
        self.assertEqual((options.json, options.state), (True, "/x"))
        self.assertEqual(parseStatus([]).state, None)
        self.assertRaises(UsageError, parseStatus, ["9000"])
