"""Tests of `diglett.agent.files.pages`."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.files.finding import Entry
from diglett.agent.files.pages import humanSize, listingPage, problemPage


class Links(HTMLParser):
    """Collects a page's links, tags and text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a":
            self.targets.append(dict(attrs)["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


PLAIN = {"html", "head", "meta", "title", "style", "body", "main", "h1", "table", "tr", "th", "td", "a", "span", "p"}


class PageTests(SynchronousTestCase):
    """Pages show names as they are, and do nothing else with them."""

    def test_listing(self) -> None:
        """Links, sizes, dates, and the way up, which the top does not have."""
        entries = [Entry("photos", True, 0, 0.0), Entry("a.txt", False, 1_234_567, 86_400.0)]
        page = Links(listingPage(["some", "folder"], entries, True))
        self.assertEqual(page.targets, ["../", "./photos/", "./a.txt"])
        for text in ("/some/folder/", "photos/", "a.txt", "1.2 MB", "1970-01-02 00:00"):
            self.assertIn(text, page.text)
        self.assertNotIn("only a part", page.text)
        self.assertEqual(Links(listingPage([], entries, True)).targets, ["./photos/", "./a.txt"])

    def test_notes(self) -> None:
        """An empty folder, and one that is shown in part, are called so."""
        self.assertIn("nothing here", Links(listingPage([], [], True)).text)
        self.assertIn("only a part", Links(listingPage([], [Entry("a", False, 1, 1.0)], False)).text)

    @given(st.lists(st.text(min_size=1), max_size=3), st.text(min_size=1))
    def test_names(self, names: list[str], name: str) -> None:
        """No name adds a tag, or a link to elsewhere."""
        page = Links(listingPage(names, [Entry(name, False, 1, 1.0)], True))
        self.assertEqual(page.tags - PLAIN, set())
        self.assertTrue(page.targets[-1].startswith("./"))
        self.assertTrue(page.targets[-1].isascii())

    def test_evil(self) -> None:
        """Markup, schemes, queries and bytes that are no text."""
        for name, target in {
            "<script>alert(1)</script>": "./%3Cscript%3Ealert%281%29%3C%2Fscript%3E",
            '"onclick="x': "./%22onclick%3D%22x",
            "javascript:alert(1)": "./javascript%3Aalert%281%29",
            "a b?c#d%e&f": "./a%20b%3Fc%23d%25e%26f",
            "caf\udce9": "./caf%E9",
            "\u00fc": "./%C3%BC",
        }.items():
            page = Links(listingPage([name], [Entry(name, False, 1, 1.0)], True))
            self.assertEqual(page.targets, ["../", target])
            self.assertEqual(page.tags - PLAIN, set())

    def test_dates(self) -> None:
        """A date that no calendar knows is left out."""
        for seconds in (1e18, -1e18, float("inf")):
            self.assertIn("a.txt", Links(listingPage([], [Entry("a.txt", False, 1, seconds)], True)).text)

    def test_problem(self) -> None:
        """Why there is nothing to see."""
        self.assertIn("no <such> file", Links(problemPage("Not found", "no <such> file")).text)

    def test_sizes(self) -> None:
        """Sizes have two digits or three, and a unit."""
        for size, text in {
            0: "0 B", 999: "999 B", 1_000: "1.0 kB", 9_949: "9.9 kB", 9_951: "10 kB", 999_499: "999 kB",
            999_500: "1.0 MB", 12_345_678: "12 MB", 10**9: "1.0 GB", 10**12: "1.0 TB", 10**16: "10000 TB",
        }.items():  # fmt: skip
            self.assertEqual(humanSize(size), text)
