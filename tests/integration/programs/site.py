"""A Python site, run as `site.py waitress` or `site.py wsgiref`, and perhaps a port; prints its port."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tests.integration.programs.bulk import blocks

Environ = dict[str, Any]

ROOM = 65_536
EVENTS = 5

_acknowledged = threading.Semaphore(0)


def hello(environ: Environ) -> tuple[str, Iterable[bytes]]:
    """A page of known length."""
    return "text/plain", [b"hello from the site\n"]


def echo(environ: Environ) -> tuple[str, Iterable[bytes]]:
    """What was asked, and the checksum of what was sent."""
    body = hashlib.sha256()
    size = 0
    source = environ["wsgi.input"]
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left and (data := source.read(min(left, ROOM))):
        body.update(data)
        size += len(data)
        left -= len(data)
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    document = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "headers": headers,
        "size": size,
        "sha256": body.hexdigest(),
    }
    return "application/json", [json.dumps(document).encode()]


def stream(environ: Environ) -> tuple[str, Iterable[bytes]]:
    """A body whose length nobody has said: a thousand lines."""
    return "text/plain", (b"line %d\n" % number for number in range(1000))


def bulk(environ: Environ) -> tuple[str, Iterable[bytes]]:
    """A body of known length and bytes: the query is `SIZE,SEED`."""
    size, seed = map(int, environ["QUERY_STRING"].split(","))
    return "application/octet-stream", list(blocks(size, seed))


def events(environ: Environ) -> tuple[str, Iterable[bytes]]:
    """Server-sent events with the time they were sent at, each sent when the one before was acknowledged."""

    def each() -> Iterator[bytes]:
        for number in range(EVENTS):
            yield f"id: {number}\ndata: {time.time():.6f}\n\n".encode()
            if not _acknowledged.acquire(timeout=20):
                return

    return "text/event-stream", each()


def acknowledge(environ: Environ) -> tuple[str, Iterable[bytes]]:
    """Let the next event go."""
    _acknowledged.release()
    return "text/plain", [b""]


PAGES: dict[str, Callable[[Environ], tuple[str, Iterable[bytes]]]] = {
    "/": hello,
    "/echo": echo,
    "/stream": stream,
    "/bulk": bulk,
    "/events": events,
    "/acknowledge": acknowledge,
}


def site(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
    """The application."""
    page = PAGES.get(environ["PATH_INFO"])
    if page is None:
        start("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "8")])
        return [b"no page\n"]
    kind, parts = page(environ)
    headers = [("Content-Type", kind)]
    if isinstance(parts, list):
        headers.append(("Content-Length", str(sum(map(len, parts)))))
    start("200 OK", headers)
    return parts


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""


def main(server: str, port: int = 0) -> None:
    """Serve until ended."""
    if server == "waitress":
        import waitress

        running = waitress.create_server(
            site,
            host="127.0.0.1",
            port=port,
            threads=8,
            backlog=1024,
            connection_limit=1000,
            asyncore_use_poll=True,
            max_request_body_size=1 << 40,
            clear_untrusted_proxy_headers=False,
        )
        print(f"port {running.effective_port}", flush=True)
        running.run()
    else:
        with make_server("127.0.0.1", port, site, handler_class=_Quiet) as single:
            print(f"port {single.server_port}", flush=True)
            single.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
