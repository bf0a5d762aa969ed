"""Tests of `diglett.agent.files.kinds`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.files.kinds import LOOK, contentType


class ContentTypeTests(SynchronousTestCase):
    """Files are called what browsers take them for."""

    def test_byName(self) -> None:
        """What the web is made of, whatever the case, and whatever this system thinks of it."""
        for name, kind in {
            "index.html": "text/html; charset=utf-8",
            "PHOTO.JPG": "image/jpeg",
            "style.css": "text/css; charset=utf-8",
            "app.js": "text/javascript; charset=utf-8",
            "app.mjs": "text/javascript; charset=utf-8",
            "data.json": "application/json",
            "drawing.svg": "image/svg+xml",
            "picture.webp": "image/webp",
            "font.woff2": "font/woff2",
            "code.wasm": "application/wasm",
            "paper.pdf": "application/pdf",
            "readme.md": "text/markdown; charset=utf-8",
            "film.mp4": "video/mp4",
            "data:text.png": "image/png",
            "a#b?c.txt": "text/plain; charset=utf-8",
        }.items():
            self.assertEqual(contentType(name, b"\0"), kind, name)

    def test_packed(self) -> None:
        """A packed file is a file: nobody unpacks it on the way."""
        for name, kind in {
            "site.tar.gz": "application/gzip",
            "page.html.gz": "application/gzip",
            "a.tgz": "application/gzip",
            "a.tar.bz2": "application/x-bzip2",
            "a.tar.xz": "application/x-xz",
            "a.zip": "application/zip",
        }.items():
            self.assertEqual(contentType(name, b""), kind, name)

    def test_byContent(self) -> None:
        """Without a known ending, text is text and the rest is not; never a page."""
        text = "text/plain; charset=utf-8"
        self.assertEqual(contentType("README", b"hello"), text)
        self.assertEqual(contentType("Makefile", b"<!doctype html>"), text)
        self.assertEqual(contentType("empty", b""), text)
        self.assertEqual(contentType("cut", ("x" + "\u00e9" * LOOK).encode()[:LOOK]), text)
        self.assertEqual(contentType("program", b"\x7fELF\0\0"), "application/octet-stream")
        self.assertEqual(contentType("latin", b"caf\xe9s"), "application/octet-stream")
