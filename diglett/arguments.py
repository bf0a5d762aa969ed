"""
The options of `diglett`: what a command line may hold, and what it means.

Imports of values wait until the words have been read: they need attrs, and
`--help` does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from diglett import __version__
from diglett.errors import UsageError

if TYPE_CHECKING:
    from diglett.config import AgentConfig, DemoOptions
    from diglett.config.options import DoctorOptions, StatusOptions

USAGE = "diglett [-g HOST[:PORT]] [-n NAME] BACKEND [[-n NAME] BACKEND ...] [options]"

DESCRIPTION = """\
Publish local services under names of your gateway.

BACKEND is HOST:PORT, PORT, unix:/path, http://HOST:PORT, https://HOST:PORT
or a folder (served read-only).
"""

DOCTOR = """\
Check each step of the way from a visitor to your backends: DNS, TCP, TLS and
trust, protocol, token, names, backends, and a request through the public URL.
Names that no agent of yours holds are published for a moment.

Exit status: 0 all is well, 1 something is wrong that may pass or that is
elsewhere (network, gateway, backend, proxy, a taken name), 2 usage, 3 the agent
would be refused for good (trust, token, a name it may not use).
"""

EPILOG = """\
  diglett -g gateway.com -n example localhost:9000
  diglett -g gateway.com -n shop 8000 -n files ./public
  diglett demo         a gateway, an agent and a sample site at once, to look around
  diglett doctor ...   with the same options: check each step of the way, say what is wrong
  diglett status       how the running agents are

Options in the environment: DIGLETT_GATEWAY, DIGLETT_TOKEN, DIGLETT_STATE.
Exit status: 0 asked to stop, 1 given up (--once), 2 usage, 3 refused for good.
"""

_TYPE = "what visitors speak; tls is passed through untouched, tcp has a port only (http)"


def parseAgent(words: Sequence[str], environ: Mapping[str, str] | None = None) -> AgentConfig:
    """
    Give what a command line, the environment and a configuration file say.

    Raises UsageError, or SystemExit(0) after `--help` and `--version`.
    """
    return _agentConfig(*_agentParser(), words, environ)


def parseDoctor(words: Sequence[str], environ: Mapping[str, str] | None = None) -> DoctorOptions:
    """Give what the command line of `diglett doctor` says, which is an agent's; raises as `parseAgent` does."""
    parser, takesValue = _agentParser(
        prog="diglett doctor",
        usage=USAGE.replace("diglett", "diglett doctor", 1) + " [--json]",
        description=DOCTOR,
        epilog=None,
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    takesValue["--json"] = False
    agent = _agentConfig(parser, takesValue, [word for word in words if word != "--json"], environ)
    from diglett.config.options import DoctorOptions

    return DoctorOptions(agent, "--json" in words)


def parseStatus(words: Sequence[str]) -> StatusOptions:
    """Give what the command line of `diglett status` says; raises as `parseAgent` does."""
    parser = _Parser(
        prog="diglett status",
        description="How the running agents of this user are. Each tries its gateway and its backends when asked.",
        epilog="Exit status: 0 all are connected and reach their backends, 1 not so, 2 usage, 4 no agent runs.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--state", metavar="DIR", help="the state folder that the agents were told ($DIGLETT_STATE)")
    options = parser.parse_args(list(words))
    from diglett.config.options import StatusOptions

    return StatusOptions(options.state, options.json)


def _agentConfig(
    parser: _Parser, takesValue: Mapping[str, bool], words: Sequence[str], environ: Mapping[str, str] | None
) -> AgentConfig:
    """Read a command line with the options of an agent."""
    given = vars(parser.parse_args(_onlyOptions(words, takesValue)))
    given.pop("json", None)
    from diglett.config.agent import agentConfig
    from diglett.config.tunnel import pairTunnels

    return agentConfig(given, pairTunnels(given.pop("parts")), environ)


def parseDemo(words: Sequence[str]) -> DemoOptions:
    """Give what the command line of `diglett demo` says; raises as `parseAgent` does."""
    parser = _Parser(
        prog="diglett demo",
        description="Start a gateway (on loopback), an agent and a sample site; print the URL.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=_port, metavar="PORT", help="for HTTPS (8443; 0: any free one)")
    add("--http-port", type=_port, metavar="PORT", help="for HTTP (8080; 0: any free one)")
    add("-d", "--debug", action="count", default=0, help="say more; twice for trace")
    options = parser.parse_args(list(words))
    from diglett.config.demo import DemoOptions

    return DemoOptions(options.port, options.http_port, min(options.debug, 2))


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong as UsageError, in one line."""

    def error(self, message: str) -> Any:
        raise UsageError(f"{message} ({self.prog} --help shows all options)")


class _TunnelPart(argparse.Action):
    """Keeps the words that make up the tunnels in their order."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        value = True if self.nargs == 0 else values
        namespace.parts = [*namespace.parts, (self.dest, value)]


def _agentParser(**about: Any) -> tuple[_Parser, dict[str, bool]]:
    """Describe the options; also give each one's spellings and whether it takes a value."""
    parser = _Parser(
        **{"prog": "diglett", "usage": USAGE, "description": DESCRIPTION, "epilog": EPILOG, **about},
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(parts=[])
    takesValue = {"-h": False, "--help": False}

    def adder(group: Any) -> Callable[..., None]:
        def add(*words: str, flag: bool = False, **settings: Any) -> None:
            if flag:
                settings.update(action="store_const", const=True)
            # What TOML calls an option is what it is called here.
            action = group.add_argument(*words, dest=words[-1][2:], **settings)
            takesValue.update(dict.fromkeys(words, action.nargs != 0))

        return add

    add = adder(parser)
    add("-g", "--gateway", metavar="HOST[:PORT]", help="the gateway (port 20000)")
    add("-t", "--token", help="who you are; `ps` shows it to everybody, so rather:")
    add("--token-file", metavar="FILE", help="a file with the token")
    add("--ca", metavar="FILE", help="trust gateways certified by this authority (PEM) only")
    add("--pin", action="append", metavar="sha256:BASE64", help="trust the gateway with this key")
    add("--certificate", metavar="FILE", help="client certificate (PEM) instead of a token")
    add("--private-key", metavar="FILE", help="its key, when that is in a file of its own")
    add("--protocol", choices=("tls", "v1"), help="v1 is the original one, not safe (tls)")
    add("--backend-insecure", flag=True, help="do not verify https:// backends")
    add("--once", flag=True, help="give up at the first failure")
    add("--config", metavar="FILE", help="TOML with these names, and [[tunnel]] tables")
    add("--state", metavar="DIR", help="where a gateway of the same user keeps CA and token")
    add("-d", "--debug", action="count", help="say more; twice for trace")
    add("--log-format", choices=("text", "json"), help="of the status lines (text)")
    add("--version", action="version", version=f"diglett {__version__}")
    add = adder(parser.add_argument_group("for each tunnel, in front of its BACKEND"))
    add("-n", "--name", action=_TunnelPart, help="its name (two random words)")
    add("--type", action=_TunnelPart, choices=("http", "tls", "tcp"), help=_TYPE)
    add("--share", action=_TunnelPart, nargs=0, help="other agents of yours may have it too")
    add("--backend", action=_TunnelPart, help=argparse.SUPPRESS)
    return parser, takesValue


def _onlyOptions(words: Sequence[str], takesValue: Mapping[str, bool]) -> list[str]:
    """
    Write a command line so that it has options only: `-n NAME` as `-nNAME`,
    and a word that is no option as `--backend=WORD`.

    argparse alone forgets which name stood before which backend, and takes a
    token that begins with a hyphen for an option.
    """
    options: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            options += [f"--backend={backend}" for backend in rest]
        elif word.startswith("--"):
            options.append(_longOption(word, rest, takesValue))
        elif word.startswith("-") and word != "-":
            options += _shortOptions(word[1:], rest, takesValue)
        else:
            options.append(f"--backend={word}")
    return options


def _longOption(word: str, rest: Iterator[str], takesValue: Mapping[str, bool]) -> str:
    """Give `--option` or `--option=VALUE`, fetching the value if need be."""
    option, equals, _ = word.partition("=")
    if not _wantsValue(option, takesValue) or equals:
        return word
    return f"{word}={_value(option, rest)}"


def _shortOptions(
    letters: str, rest: Iterator[str], takesValue: Mapping[str, bool]
) -> Iterator[str]:
    """Give the options of a cluster such as `-dn` one by one, with the value of the last."""
    for index, letter in enumerate(letters, 1):
        option = f"-{letter}"
        if _wantsValue(option, takesValue):
            yield option + (letters[index:] or _value(option, rest))
            return
        yield option


def _wantsValue(option: str, takesValue: Mapping[str, bool]) -> bool:
    """Say whether an option takes a value; one that does not exist is an error."""
    if option not in takesValue:
        import difflib

        near = difflib.get_close_matches(option, list(takesValue), 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else "diglett --help shows all"
        raise UsageError(f"there is no option {option} ({hint})")
    return takesValue[option]


def _value(option: str, rest: Iterator[str]) -> str:
    """Fetch an option's value, whatever it begins with."""
    for value in rest:
        return value
    raise UsageError(f"{option} needs a value (diglett --help)")


def _port(text: str) -> int:
    """Read a port number for argparse; 0 is any free one."""
    from diglett.config.address import parsePort

    return 0 if text == "0" else parsePort(text, "the port")
