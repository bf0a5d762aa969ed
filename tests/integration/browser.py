"""A headless Chromium, driven through chromedriver by the WebDriver protocol."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.integration.components import LIMIT, find
from tests.integration.harness import ProcessTestCase


class Browser:
    """One window. `fingerprint` is that of the only key it believes in besides those of the known authorities."""

    def __init__(self, test: ProcessTestCase, fingerprint: str) -> None:
        chromium = find("chromium")
        driver = test.launch(find("chromedriver"), "--port=0")
        port = driver.waitFor(r"started successfully on port (\d+)")[1]
        self._session = f"http://127.0.0.1:{port}/session"
        arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=900,600",
            "--no-proxy-server", f"--user-data-dir={test.folder / 'chromium'}",
            f"--ignore-certificate-errors-spki-list={fingerprint.partition(':')[2]}",
        ]  # fmt: skip
        options = {"binary": chromium, "args": arguments}
        started = self._ask("", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        self._session += f"/{started['sessionId']}"
        test.addCleanup(self._ask, "", method="DELETE")

    def visit(self, url: str) -> None:
        """Load a page, and wait until it has."""
        self._ask("/url", {"url": url})

    def run(self, script: str) -> Any:
        """What a script on the page returns."""
        return self._ask("/execute/sync", {"script": script, "args": []})

    def picture(self, file: Path) -> None:
        """Take a screenshot, as PNG."""
        file.write_bytes(base64.b64decode(self._ask("/screenshot", method="GET")))

    def _ask(self, path: str, body: Any = None, method: str = "POST") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._session + path, data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=LIMIT) as answer:
            return json.load(answer)["value"]
