"""Tests of tunnel names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.names import MAX_LENGTH, RESERVED, isLoopback, normalizeName, randomName, reservedNames

LABEL = r"\A[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"


class NormalizeTests(SynchronousTestCase):
    """One spelling for all names that DNS would take for the same."""

    def test_same(self) -> None:
        """Case, width, invisible characters and encoding make no second name."""
        for text, name in {
            "example": "example",
            "ExAmPle": "example",
            "\uff45xample": "example",
            "exam\u00adple": "example",
            "b\u00fccher": "xn--bcher-kva",
            "B\u00dcCHER": "xn--bcher-kva",
            "bu\u0308cher": "xn--bcher-kva",
            "XN--Bcher-KVA": "xn--bcher-kva",
            "7": "7",
            "a-1": "a-1",
            "x" * MAX_LENGTH: "x" * MAX_LENGTH,
        }.items():
            self.assertEqual(normalizeName(text), name, text)

    def test_refused(self) -> None:
        """What is no single DNS label is refused with the reason."""
        for text, reason in {
            "": "empty",
            "\u00ad": "empty",
            "x" * 64: "longer than 63",
            "\u00e9" * 64: "longer than 63",
            "\u00e9" * 63: "too long",
            "a.b": "without dots",
            "a.": "without dots",
            "a\u3002b": "without dots",
            "b\u00fc.x": "without dots",
            "-a": "hyphen",
            "a-": "hyphen",
            "a_b": "letters, digits",
            "a b": "letters, digits",
            "a\n": "letters, digits",
            "a\0": "letters, digits",
            "*": "letters, digits",
            "../x": "without dots",
            "xn--": "hyphen",
            "xn--a": "international",
            "xn--zzzzzz99": "international",
            "ab--c": "international",
            "\U0001f4a9": "not allowed",
            "\u202eabc": "not allowed",
        }.items():
            error = self.assertRaises(UsageError, normalizeName, text)
            self.assertIn(reason.lower(), str(error).lower(), ascii(text))

    def test_safeToShow(self) -> None:
        """The error never carries a character that could confuse a terminal or a log."""
        for text in ("\x1b[2J", "\u202eabc", "a\r\nb", "\U0001f4a9"):
            error = self.assertRaises(UsageError, normalizeName, text)
            self.assertTrue(str(error).isascii() and str(error).isprintable(), str(error))

    @given(st.text(max_size=70))
    def test_anything(self, text: str) -> None:
        """Any text is refused or becomes a DNS label that is already in its one spelling."""
        try:
            name = normalizeName(text)
        except UsageError:
            return
        self.assertRegex(name, LABEL)
        self.assertEqual(normalizeName(name), name)
        self.assertEqual(normalizeName(name.upper()), name)


class RandomNameTests(SynchronousTestCase):
    """Names for those who give none."""

    def test_two(self) -> None:
        """A random name is two words, a good name, and seldom the same."""
        names = {randomName() for _ in range(200)}
        self.assertGreater(len(names), 150)
        for name in names:
            self.assertEqual(normalizeName(name), name)
            self.assertEqual(len(name.split("-")), 2)


class ReservedTests(SynchronousTestCase):
    """Names that are kept back."""

    def test_default(self) -> None:
        """The default list holds what people and programs trust, in its one spelling."""
        self.assertLessEqual({"www", "admin", "api", "wpad", "postmaster"}, RESERVED)
        self.assertEqual(reservedNames(RESERVED), RESERVED)

    def test_own(self) -> None:
        """An operator's list is normalised and checked like any name."""
        self.assertEqual(reservedNames(["WWW", "b\u00fccher"]), {"www", "xn--bcher-kva"})
        self.assertRaises(UsageError, reservedNames, ["no.dots"])


class LoopbackTests(SynchronousTestCase):
    """Hosts that can only be this machine."""

    def test_own(self) -> None:
        """`localhost`, what is below it, and loopback addresses are this machine."""
        for host in ("localhost", "a.b.localhost", "127.0.0.1", "127.9.9.9", "::1"):
            self.assertTrue(isLoopback(host), host)

    def test_others(self) -> None:
        """Other addresses are not, nor is a name that only looks like it, or nothing at all."""
        for host in (
            "", "example.com", "notlocalhost", "localhost.example.com", "127.0.0.1.example.com", "127.1",
            "10.0.0.1", "0.0.0.0", "::", "fe80::1", "[::1]",
        ):  # fmt: skip
            self.assertFalse(isLoopback(host), host)
