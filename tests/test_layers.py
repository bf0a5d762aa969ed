"""The house holds: layers import downwards only, and what must stay light does."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from twisted.trial.unittest import SynchronousTestCase

from tests.sources import Source, makeSource, readSources, targets

LAYERS: dict[str, tuple[set[str], set[str]]] = {
    # layer: (what lives in it, the layers it may import besides itself)
    "values": (
        {"", "accounts", "config", "errors", "eventlog", "hushed", "interfaces", "names", "state", "status"},
        set(),
    ),
    "wire": ({"wire"}, {"values"}),
    "http": ({"http"}, {"values"}),
    "peek": ({"peek"}, {"values"}),
    "trust": ({"trust"}, {"values"}),
    "plane": ({"plane"}, {"values", "wire", "trust"}),
    "link": ({"link"}, {"values", "wire", "trust", "plane"}),
    "plugging": (
        {"asking", "extensions", "fetching", "guarding", "plugins", "publishing"},
        {"values"},
    ),
    "agent": ({"agent"}, {"values", "wire", "http", "trust", "plane", "link"}),
    "gateway": ({"gateway"}, {"values", "wire", "http", "peek", "trust", "plane", "link", "plugging"}),
    "auth": ({"auth"}, {"values", "plugging"}),
    "registrar": ({"registrar"}, {"values", "plugging"}),
    "admin": ({"admin"}, {"values"}),
    "inspector": ({"inspector"}, {"values"}),
    "roots": (
        {"__main__", "api", "arguments", "cli", "demo", "server", "tap", "testing", "twistdlog"},
        {"values", "wire", "http", "peek", "trust", "plane", "link", "plugging", "agent", "gateway",
         "auth", "registrar", "admin", "inspector"},
    ),
}  # fmt: skip

FRONT = ("diglett", "diglett.api")
"""The one import upwards: `import diglett` is all that programs need; what it offers is loaded once it is used."""

PURE = {"wire", "http", "peek"}
"""Where there is no clock, no socket and no reactor: bytes in, events out."""

IMPURE = {"asyncio", "select", "selectors", "socket", "ssl", "threading", "time", "twisted", "OpenSSL"}

LIGHT = {"__future__", "argparse", "collections", "sys", "typing"}
"""All that `diglett --help` may import from elsewhere: more would be slow."""

MAX_LINES = 400


def layerOf(house: str) -> str:
    """Give the layer in which a package or module right under `diglett` lives."""
    for layer, (members, _) in LAYERS.items():
        if house in members:
            return layer
    raise LookupError(f"diglett.{house} has no layer: give it one in LAYERS")


def upwards(sources: Mapping[str, Source]) -> Iterator[str]:
    """Tell of each import, however late, that goes up or to a sibling."""
    for source in sources.values():
        layer = layerOf(source.house)
        for found in source.imports:
            if found.module.startswith("."):
                yield f"{source.name}:{found.line} has a relative import"
            for target in targets(found, sources):
                below = layerOf(target.partition(".")[2].partition(".")[0])
                front = not found.early and (source.name, target) == FRONT
                if below != layer and below not in LAYERS[layer][1] and not front:
                    yield f"{source.name}:{found.line} ({layer}) imports {target} ({below})"


def impure(sources: Mapping[str, Source]) -> Iterator[str]:
    """Tell of each import that has no place where there is no I/O."""
    for source in sources.values():
        for found in source.imports:
            if source.house in PURE and found.module.partition(".")[0] in IMPURE:
                yield f"{source.name}:{found.line} imports {found.module}"


def reactors(sources: Mapping[str, Source]) -> Iterator[str]:
    """Tell of each import of the reactor that installs it by merely importing us."""
    for source in sources.values():
        for found in source.imports:
            names = {f"{found.module}.{found.name}", found.module}
            if found.early and "twisted.internet.reactor" in names:
                yield f"{source.name}:{found.line}"


def reach(start: str, sources: Mapping[str, Source]) -> set[str]:
    """Give every module of ours that importing `start` imports."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        parts = name.split(".")
        waiting += [".".join(parts[:end]) for end in range(1, len(parts))]
        waiting += earlyTargets(sources[name], sources)
    return seen


def earlyTargets(source: Source, sources: Mapping[str, Source]) -> list[str]:
    """Give the modules of ours that a module imports when it is imported."""
    early = (name for found in source.imports if found.early for name in targets(found, sources))
    return [name for name in early if name in sources]


def missing(sources: Mapping[str, Source]) -> Iterator[str]:
    """Tell of each module of ours that is imported, perhaps late, and is not there."""
    for source in sources.values():
        for found in source.imports:
            for name in set(targets(found, sources)) - sources.keys():
                yield f"{source.name}:{found.line} imports {name}"


def heavy(start: str, sources: Mapping[str, Source]) -> set[str]:
    """Give what importing `start` imports from elsewhere and is not known to be light."""
    found = {i for name in reach(start, sources) for i in sources[name].imports if i.early}
    return {i.module.partition(".")[0] for i in found} - LIGHT - {"diglett"}


def cycles(sources: Mapping[str, Source]) -> Iterator[str]:
    """Tell of each module that cannot be imported without itself."""
    graph = {name: earlyTargets(source, sources) for name, source in sources.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            yield " -> ".join((*path[path.index(name) :], name))
        elif name not in done:
            for target in graph[name]:
                yield from visit(target, (*path, name))
            done.add(name)

    for name in graph:
        yield from visit(name, ())


class HouseTests(SynchronousTestCase):
    """What is true of every module of the package."""

    sources = readSources()

    def none(self, found: Iterable[str]) -> None:
        """Check that there is nothing to tell of."""
        self.assertEqual(list(found), [])

    def test_downwards(self) -> None:
        """Layers import downwards only, siblings never, late imports included."""
        self.none(upwards(self.sources))

    def test_pure(self) -> None:
        """The protocols are bytes in and events out."""
        self.none(impure(self.sources))

    def test_reactor(self) -> None:
        """Importing us installs no reactor: it is passed as an argument."""
        self.none(reactors(self.sources))

    def test_there(self) -> None:
        """Whatever is imported of ours is there, also when it is imported late."""
        self.none(missing(self.sources))

    def test_cycles(self) -> None:
        """No module needs itself to be imported."""
        self.none(cycles(self.sources))

    def test_light(self) -> None:
        """What `diglett --help` imports is light."""
        self.none(heavy("diglett.cli", self.sources))

    def test_small(self) -> None:
        """No module is longer than 400 lines."""
        lengths = {name: source.text.count("\n") for name, source in self.sources.items()}
        self.none(f"{name}: {length}" for name, length in lengths.items() if length > MAX_LINES)

    def test_heads(self) -> None:
        """Every module says what it is for, and has the annotations of every supported Python."""
        for name, source in self.sources.items():
            self.assertTrue(ast.get_docstring(source.tree), f"{name} has no docstring")
            futures = {found.name for found in source.imports if found.module == "__future__"}
            onlyDocstring = len(source.tree.body) == 1
            self.assertTrue("annotations" in futures or onlyDocstring, f"{name} lacks the future import")

    def test_syntax(self) -> None:
        """Python 3.10 can read every module."""
        for name, source in self.sources.items():
            ast.parse(source.text, name, feature_version=(3, 10))


class CheckTests(SynchronousTestCase):
    """The checks above find what they are there for."""

    def sources(self, **texts: str) -> dict[str, Source]:
        """Make a small house; a name's `_` is a dot."""
        named = {f"diglett.{name.replace('_', '.')}": text for name, text in texts.items()}
        return {name: makeSource(name, text) for name, text in {"diglett": "", **named}.items()}

    def test_upwards(self) -> None:
        """Imports upwards and sideways are found in every form; downwards is fine."""
        late = "def f():\n    import diglett.agent.a\n"
        typing = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from diglett.link import x"
        for text in ("from diglett.agent import a", "import diglett.agent.a", late, typing):
            house = self.sources(agent="", agent_a="", link="", link_x="", wire_w=text)
            self.assertEqual(len(list(upwards(house))), 1, text)
            house = self.sources(agent="", agent_a="", link="", link_x="", cli=text)
            self.assertEqual(list(upwards(house)), [], text)
        self.assertEqual(len(list(upwards(self.sources(http="", wire_w="import diglett.http")))), 1)
        self.assertEqual(len(list(upwards(self.sources(wire_w="from . import x")))), 1)

    def test_front(self) -> None:
        """The package itself may offer what programs use, but not load it at once, and nothing else."""
        late, early = "def f():\n    from diglett import api", "from diglett import api"
        for text, count in ((late, 0), (early, 1), ("def f():\n    import diglett.agent", 1)):
            house = {**self.sources(api="", agent=""), "diglett": makeSource("diglett", text)}
            self.assertEqual(len(list(upwards(house))), count, text)

    def test_homeless(self) -> None:
        """A new package must be given its layer."""
        self.assertRaises(LookupError, list, upwards(self.sources(cellar="")))

    def test_impure(self) -> None:
        """A clock or a reactor in the protocol is found, in a function, too."""
        for text in ("import time", "from twisted.internet import defer", "def f():\n    import socket"):
            self.assertEqual(len(list(impure(self.sources(wire_w=text)))), 1)
            self.assertEqual(list(impure(self.sources(link_l=text))), [])

    def test_reactors(self) -> None:
        """An early reactor is found in every form, a late one is fine."""
        for text in (
            "from twisted.internet import reactor",
            "import twisted.internet.reactor",
            "try:\n    from twisted.internet.reactor import callLater\nexcept ImportError: pass",
        ):
            self.assertEqual(len(list(reactors(self.sources(link_l=text)))), 1)
        late = "def f():\n    from twisted.internet import reactor"
        self.assertEqual(list(reactors(self.sources(link_l=late))), [])

    def test_cycles(self) -> None:
        """A circle is found unless a late import opens it."""
        one, late = "import diglett.wire.b", "def f():\n    import diglett.wire.a"
        self.assertEqual(list(cycles(self.sources(wire="", wire_a=one, wire_b=late))), [])
        found = list(cycles(self.sources(wire="", wire_a=one, wire_b="from diglett.wire import a")))
        self.assertEqual(found, ["diglett.wire.a -> diglett.wire.b -> diglett.wire.a"])

    def test_missing(self) -> None:
        """A module that is not there is found, and does not disturb the other checks."""
        house = self.sources(cli="def f():\n    import diglett.demo", tap="from diglett.x import y")
        found = ["diglett.cli:2 imports diglett.demo", "diglett.tap:1 imports diglett.x"]
        self.assertEqual(list(missing(house)), found)
        self.assertEqual(list(cycles(house)), [])

    def test_heavy(self) -> None:
        """Weight is found behind other modules and in the packages they are in."""
        house = self.sources(cli="import diglett.config.a", config="import attrs", config_a="import sys")
        self.assertEqual(heavy("diglett.cli", house), {"attrs"})
        house = self.sources(cli="def f():\n    import diglett.config", config="import attrs")
        self.assertEqual(heavy("diglett.cli", house), set())
