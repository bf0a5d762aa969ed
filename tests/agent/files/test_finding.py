"""Tests of `diglett.agent.files.finding`."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import skipUnless

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from diglett.agent.files import finding
from diglett.agent.files.finding import Files, Found

needsLinks = skipUnless(hasattr(os, "O_NOFOLLOW"), "symbolic links are not everybody's here")
NAMES = ["inner", "b.txt", "..", ".", "a.txt", "outside", "secret", ""]


class FindingTests(SynchronousTestCase):
    """What is in the folder is found, and nothing else."""

    def setUp(self) -> None:
        outer = Path(self.mktemp()).absolute()
        self.outside = outer / "outside"
        self.top = outer / "top"
        for folder in (self.outside, self.top / "inner" / "deep", self.top / ".git"):
            folder.mkdir(parents=True)
        (self.outside / "secret").write_bytes(b"secret")
        (self.top / "a.txt").write_bytes(b"hello")
        (self.top / "inner" / "b.txt").write_bytes(b"inner")
        (self.top / ".env").write_bytes(b"hidden")
        (self.top / ".git" / "config").write_bytes(b"hidden")
        self.files = Files(str(self.top))

    def read(self, *names: str) -> bytes | None:
        """Find and open a file."""
        found = self.files.find(names)
        if found is None:
            return None
        file, info = self.files.open(found)
        with file:
            data = file.read()
        self.assertEqual(info.st_size, len(data))
        return data

    def listed(self, *names: str) -> list[str]:
        """The names in a folder's listing."""
        found = self.files.find(names)
        assert found is not None
        return [entry.name for entry in self.files.list(found)[0]]

    def test_found(self) -> None:
        """Files and folders at any depth."""
        self.assertEqual(self.read("a.txt"), b"hello")
        self.assertEqual(self.read("inner", "b.txt"), b"inner")
        self.assertEqual(self.files.find(()), Found((), True))
        self.assertEqual(self.files.find(("inner", "deep")), Found(("inner", "deep"), True))

    def test_missing(self) -> None:
        """What is not there, and what is below a file."""
        for names in (("b.txt",), ("inner", "x", "y"), ("a.txt", "b"), ("x" * 5_000,), ("inner",) * 3_000):
            self.assertIsNone(self.files.find(names))

    def test_tricks(self) -> None:
        """No name leads out or to something hidden, however it is written."""
        for names in (
            ("..",), (".",), ("", "a.txt"), ("inner", ""), ("..", "outside", "secret"), ("inner", "..", "a.txt"),
            ("../outside/secret",), ("inner/b.txt",), ("/etc/passwd",), ("a.txt\0",), ("\0",),
            (str(self.outside / "secret"),), (".env",), (".git",), (".git", "config"), ("inner", "../.env"),
        ):  # fmt: skip
            self.assertIsNone(self.files.find(names), names)

    @given(st.lists(st.one_of(st.sampled_from(NAMES), st.text()), max_size=4))
    def test_anyNames(self, names: list[str]) -> None:
        """Whatever is asked for, what is found is inside."""
        found = self.files.find(names)
        if found is not None:
            path = Path(self.top, *found.parts).resolve()
            self.assertTrue(path == self.top.resolve() or self.top.resolve() in path.parents)

    @needsLinks
    def test_linksInside(self) -> None:
        """Links that stay in the folder are followed, to files, to folders, and to each other."""
        (self.top / "link.txt").symlink_to("inner/b.txt")
        (self.top / "deep").symlink_to(self.top / "inner" / "deep")
        (self.top / "inner" / "up").symlink_to("..")
        (self.top / "twice").symlink_to("link.txt")
        self.assertEqual(self.read("link.txt"), b"inner")
        self.assertEqual(self.read("twice"), b"inner")
        self.assertEqual(self.read("inner", "up", "a.txt"), b"hello")
        self.assertEqual(self.files.find(("deep",)), Found(("inner", "deep"), True))
        self.assertEqual(self.listed(), ["deep", "inner", "a.txt", "link.txt", "twice"])

    @needsLinks
    def test_linksOutside(self) -> None:
        """Links that lead out, to something hidden or nowhere are not there at all."""
        (self.top / "secret").symlink_to(self.outside / "secret")
        (self.top / "out").symlink_to("../outside")
        (self.top / "parent").symlink_to("..")
        (self.top / "env").symlink_to(".env")
        (self.top / "git").symlink_to(".git")
        (self.top / "broken").symlink_to("nothing")
        (self.top / "loop").symlink_to("loop")
        (self.top / "hop").symlink_to("out")
        for names in (
            ("secret",), ("out",), ("out", "secret"), ("parent",), ("parent", "outside", "secret"), ("env",),
            ("git",), ("git", "config"), ("broken",), ("loop",), ("hop", "secret"),
        ):  # fmt: skip
            self.assertIsNone(self.files.find(names), names)
        self.assertEqual(self.listed(), ["inner", "a.txt"])

    @needsLinks
    def test_similarName(self) -> None:
        """A neighbour whose name begins like the folder's is outside."""
        neighbour = self.top.with_name("top-secret")
        neighbour.mkdir()
        (self.top / "neighbour").symlink_to(neighbour)
        self.assertIsNone(self.files.find(("neighbour",)))

    @needsLinks
    def test_topIsLink(self) -> None:
        """The folder itself may be reached through links, and moved."""
        link = self.top.with_name("link")
        link.symlink_to("top")
        self.files = Files(str(link))
        self.assertEqual(self.read("inner", "b.txt"), b"inner")
        link.unlink()
        link.symlink_to("outside")
        self.assertIsNone(self.files.find(("a.txt",)))
        self.assertEqual(self.read("secret"), b"secret")

    @needsLinks
    def test_exchangedFile(self) -> None:
        """A link that takes a file's place after it was found is not followed."""
        found = self.files.find(("a.txt",))
        assert found is not None
        (self.top / "a.txt").unlink()
        (self.top / "a.txt").symlink_to(self.outside / "secret")
        self.assertRaises(OSError, self.files.open, found)

    @needsLinks
    def test_exchangedFolder(self) -> None:
        """A link that takes a folder's place on the way is not followed either."""
        (self.top / "inner" / "secret").write_bytes(b"mine")
        file, folder = self.files.find(("inner", "secret")), self.files.find(("inner",))
        assert file is not None and folder is not None
        (self.top / "inner").rename(self.top / "moved")
        (self.top / "inner").symlink_to(self.outside)
        self.assertRaises(OSError, self.files.open, file)
        self.assertRaises(OSError, self.files.list, folder)

    @needsLinks
    def test_special(self) -> None:
        """Pipes and devices are not there; opening one that took a file's place does not wait."""
        os.mkfifo(self.top / "pipe")
        self.assertIsNone(self.files.find(("pipe",)))
        self.assertNotIn("pipe", self.listed())
        self.assertIsNone(Files("/dev").find(("null",)))
        found = self.files.find(("a.txt",))
        assert found is not None
        (self.top / "a.txt").unlink()
        os.mkfifo(self.top / "a.txt")
        self.assertRaises(OSError, self.files.open, found)

    def test_gone(self) -> None:
        """What has gone since it was found is an error to open or to list."""
        file, folder = self.files.find(("a.txt",)), self.files.find(("inner", "deep"))
        assert file is not None and folder is not None
        (self.top / "a.txt").unlink()
        (self.top / "inner" / "deep").rmdir()
        self.assertRaises(OSError, self.files.open, file)
        self.assertRaises(OSError, self.files.list, folder)
        self.assertRaises(OSError, self.files.open, Found(("inner",), False))

    def test_listing(self) -> None:
        """Folders come first, then by name whatever the case; sizes are told."""
        for name in ("B", "c", "Z.txt"):
            (self.top / name).write_bytes(name.encode() * 100)
        found = self.files.find(())
        assert found is not None
        entries, whole = self.files.list(found)
        self.assertTrue(whole)
        self.assertEqual([entry.name for entry in entries], ["inner", "a.txt", "B", "c", "Z.txt"])
        self.assertEqual([entry.size for entry in entries[1:]], [5, 100, 100, 500])
        self.assertEqual([entry.isFolder for entry in entries], [True, False, False, False, False])
        self.assertEqual(entries[1].modified, (self.top / "a.txt").stat().st_mtime)

    def test_longListing(self) -> None:
        """A folder with more entries than can be shown says so."""
        self.patch(finding, "LISTED_MAX", 2)
        found = self.files.find(())
        assert found is not None
        self.assertEqual(self.files.list(found)[1], True)
        (self.top / "c").write_bytes(b"")
        entries, whole = self.files.list(found)
        self.assertEqual((len(entries), whole), (2, False))

    @needsLinks
    def test_withoutDescriptors(self) -> None:
        """Systems that cannot open below a descriptor serve the same."""
        self.patch(finding, "_BY_DESCRIPTOR", False)
        (self.top / "out").symlink_to(self.outside)
        self.assertEqual(self.read("inner", "b.txt"), b"inner")
        self.assertEqual(self.listed(), ["inner", "a.txt"])
        self.assertIsNone(self.files.find(("out", "secret")))

    @needsLinks
    def test_noLeak(self) -> None:
        """No descriptor stays open, whether things go well or not."""
        if not os.path.isdir("/proc/self/fd"):
            raise SkipTest("this system does not show descriptors")
        before = len(os.listdir("/proc/self/fd"))
        self.test_exchangedFolder()
        self.files.list(Found((), True))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
