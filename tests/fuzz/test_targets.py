"""Every target for a moment, without atheris; and the parts of the fuzzer themselves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.peek.hostname import LONGEST
from tests.fuzz.__main__ import SHARES, said
from tests.fuzz.cutting import pieces
from tests.fuzz.mutating import inputs
from tests.fuzz.names import TARGETS, load
from tests.fuzz.reached import linesReached

RUNS = {"tunnel": 150}
OTHERS = 1_500
"""Executions of each target here, seeds included: together some seconds."""


class TargetTests(SynchronousTestCase):
    """What is true of any input is true of sound ones and of their nearest neighbours."""

    def run_(self, name: str) -> None:
        """Run one target."""
        target = load(name)
        for data in inputs(target.SEEDS, RUNS.get(name, OTHERS)):
            try:
                target.check(data)
            except Exception as error:
                raise AssertionError(f"{name} with {data!r}: {type(error).__name__}: {error}") from error

    def test_shares(self) -> None:
        """Each target has its share of a run, says what it reads, and watches modules of ours."""
        self.assertEqual(sorted(SHARES), list(TARGETS))
        for name in TARGETS:
            self.assertTrue(said(name))
            self.assertTrue(all(module.startswith("diglett.") for module in load(name).MODULES))
            self.assertTrue(load(name).SEEDS)


def _test(name: str) -> None:
    def test(self: TargetTests) -> None:
        self.run_(name)

    test.__doc__ = f"{said(name)}: whatever comes, it is read as documented."
    setattr(TargetTests, f"test_{name}", test)


for _name in TARGETS:
    _test(_name)


class FuzzerTests(SynchronousTestCase):
    """What targets are given, and what is said of them."""

    def test_pieces(self) -> None:
        """Pieces are the whole, in order, cut in all ways."""
        ways = set()
        for size in range(0, 900, 7):
            data = bytes(at % 256 for at in range(size))
            cut = pieces(data)
            self.assertEqual(b"".join(cut), data)
            ways.add(len(cut))
        self.assertGreater(len(ways), 20)

    def test_inputs(self) -> None:
        """Seeds come first; the same inputs come each time, and others for another chance."""
        seeds = [b"one", b"another"]
        first = list(inputs(seeds, 50))
        self.assertEqual((first[:2], len(first)), (seeds, 50))
        self.assertEqual(list(inputs(seeds, 50)), first)
        self.assertNotEqual(list(inputs(seeds, 50, 1)), first)
        self.assertGreater(len(set(first)), 40)

    def test_reached(self) -> None:
        """Lines count once they are reached, and more inputs reach more."""
        hosts = load("hosts")
        modules = ("diglett.peek.hostname",)
        some, all_ = linesReached(modules, hosts.check, [b"a.example"])
        more, same = linesReached(modules, hosts.check, [b"a.example", b"x" * (LONGEST + 9), b"a..b", b"::1", b"a."])
        self.assertEqual(all_, same)
        self.assertTrue(0 < some < more <= all_, (some, more, all_))

    def test_notices(self) -> None:
        """A reader that depends on how its bytes are cut is found."""
        codec = load("codec")
        read = codec.read

        def careless(parts: list[bytes]) -> object:
            return read(parts[:-1]) if len(parts) > 3 else read(parts)

        self.patch(codec, "read", careless)
        with self.assertRaises(AssertionError):
            for data in inputs(codec.SEEDS, 50):
                codec.check(data)
