"""What people use: a browser."""

from __future__ import annotations

from tests.integration.browser import Browser
from tests.integration.services import python
from tests.integration.tunnel import TunnelTestCase


class BrowserTests(TunnelTestCase):
    """Chromium, headless, with no other knowledge than the fingerprint that the gateway prints."""

    def test_page(self) -> None:
        """A page loads over https in a secure context, and its WebSocket works and closes in order."""
        gateway = self.tunnel(python(self, "chat"))
        browser = Browser(self, gateway.fingerprint)
        browser.visit(gateway.url("example"))
        self.until("the socket closed", lambda: browser.run("return document.title") != "waiting")
        self.assertEqual(browser.run("return document.title"), "closed 1000")
        self.assertEqual(browser.run("return document.getElementById('said').textContent"), "good day")
        self.assertTrue(browser.run("return isSecureContext"))
        browser.picture(self.folder / "page.png")
        self.assertEqual((self.folder / "page.png").read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    def test_stranger(self) -> None:
        """With another fingerprint the browser warns: it is the key that was believed, not just anything."""
        gateway = self.tunnel(python(self, "chat"))
        browser = Browser(self, "sha256:" + "A" * 43 + "=")
        browser.visit(gateway.url("example"))
        self.assertEqual(browser.run("return document.title"), "Privacy error")
