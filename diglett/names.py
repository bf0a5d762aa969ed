"""Tunnel names: what is a good one, which are kept back, and a random one; and hosts that are this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable

from diglett.errors import UsageError

MAX_LENGTH = 63
"""Characters in a DNS label (RFC 1035), and so in a name."""

_MAX_DOMAIN = 253

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")

RESERVED = frozenset(
    """
    abuse admin administrator api app autoconfig autodiscover broadcasthost
    dashboard diglett dns ftp gateway help hostmaster imap info isatap
    localdomain localhost login mail metrics mx news ns ns1 ns2 ns3 pop pop3
    postmaster root security smtp ssl status support sys system tls traefik
    usenet webmail webmaster wpad www www1 www2
    """.split()
)
"""
Names nobody gets unless the operator says so: those that people trust
(`www`, `admin`), that mail and certificates are checked by (RFC 2142, the
CA/Browser Forum's list), or that programs look up by themselves (`wpad`).
"""

_ADJECTIVES = """
    able agile amber apt avid bold brave breezy bright brisk calm candid cheery
    clever cosy crisp curious dapper daring eager early earnest fair fancy
    fleet fond frank fresh gentle glad golden grand handy happy hardy honest
    jolly keen kind lively loyal lucky mellow merry mild modest neat nimble
    noble patient plucky polite proud quick quiet rapid ready shiny silver
    smart snug spry steady sunny
""".split()

_NOUNS = """
    acorn alder badger beaver beetle birch bison burrow cedar clover cricket
    dolphin dune falcon fern ferret finch fjord garden gecko glade grove harbor
    hazel heron hill island ivy juniper koala lagoon lantern lark lemur lily
    linnet lynx maple marmot meadow mole moss newt oak orchard otter panda
    pebble pine pond poppy puffin quail rabbit raven river robin seal sparrow
    spruce stream swift thistle tulip
""".split()


def normalizeName(text: str) -> str:
    """
    Give the one spelling of a name: a lower-case DNS label, as an A-label
    when it is not ASCII, so that names which look the same to DNS are the same.

    Raises UsageError, with what is wrong, when `text` cannot be a name.
    """
    if not text:
        raise UsageError("a name cannot be empty")
    shown = ascii(text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "...")
    if not text.isascii():
        return _toALabel(text, shown)
    name = text.lower()
    _checkLabel(name, shown)
    if name[2:4] == "--":
        _checkALabel(name, shown)
    return name


def normalizeDomain(text: str) -> str:
    """
    Give the one spelling of the domain that names are published under.

    Raises UsageError, with what is wrong, when `text` cannot be one.
    """
    try:
        labels = [normalizeName(label) for label in text.removesuffix(".").split(".")]
    except UsageError as error:
        shown = ascii(text[:_MAX_DOMAIN])
        raise UsageError(f"{shown} is not a domain, such as gateway.com: {error}") from None
    domain = ".".join(labels)
    if labels[-1].isdigit():
        raise UsageError(f"{domain} is an address; names need a domain, such as gateway.com")
    if len(domain) > _MAX_DOMAIN - MAX_LENGTH - 1:
        raise UsageError(f"the domain {domain[:40]}... is too long to put names in front of it")
    return domain


def randomName() -> str:
    """Give a name of two friendly words, such as `brave-otter`."""
    import secrets

    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}"


def reservedNames(names: Iterable[str]) -> frozenset[str]:
    """Give an operator's own list of reserved names, in their one spelling."""
    return frozenset(normalizeName(name) for name in names)


def isLoopback(host: str) -> bool:
    """
    Whether this host, a name in lower case or an address without brackets, can only be this machine.

    Nothing is looked up: of names only `localhost` and those below it are (RFC 6761).
    """
    import ipaddress

    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, such as 127.example.com


def _checkLabel(name: str, shown: str) -> None:
    """Say in what way an ASCII text is no DNS label."""
    if _LABEL.match(name):
        return
    if len(name) > MAX_LENGTH:
        problem = f"is longer than {MAX_LENGTH} characters"
    elif "." in name:
        problem = "is several labels; a name is one, without dots"
    elif name.startswith("-") or name.endswith("-"):
        problem = "begins or ends with a hyphen"
    else:
        problem = "may hold only letters, digits and hyphens"
    raise UsageError(f"the name {shown} {problem}")


def _toALabel(text: str, shown: str) -> str:
    """Map a name with other than ASCII characters as browsers do (UTS 46), then encode it."""
    if len(text) > MAX_LENGTH:  # idna is slow on long input
        raise UsageError(f"the name {shown} is longer than {MAX_LENGTH} characters")
    import idna

    try:
        mapped = idna.uts46_remap(text, std3_rules=True)
        if mapped.isascii():
            return normalizeName(mapped)
        if "." in mapped:
            raise UsageError(f"the name {shown} is several labels; a name is one, without dots")
        return idna.alabel(mapped).decode("ascii")
    except idna.IDNAError as error:
        why = str(error).encode("ascii", "backslashreplace").decode("ascii")
        raise UsageError(f"the name {shown} is not a valid international name: {why}") from None


def _checkALabel(name: str, shown: str) -> None:
    """Let `xn--` through only when it is what encoding its own meaning gives."""
    import idna

    try:
        if name.startswith("xn--") and idna.alabel(idna.ulabel(name)) == name.encode("ascii"):
            return
    except idna.IDNAError:
        pass
    raise UsageError(f"the name {shown} has `--` third, which only true international names may")
