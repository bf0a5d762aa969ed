"""A WebSocket server that says everything again, and a page that talks to it; prints its port, which may be given."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>waiting</title>
<style>body { font: 2em sans-serif; margin: 2em } b { color: green }</style>
<h1>A page through a tunnel</h1>
<p>The socket says: <b id="said">nothing yet</b>
<script>
const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/chat");
socket.onopen = () => socket.send("good day");
socket.onmessage = (event) => {
  document.getElementById("said").textContent = event.data;
  socket.close(1000);
};
socket.onclose = (event) => { document.title = "closed " + event.code; };
</script>
"""


def page(connection: ServerConnection, request: Request) -> Response | None:
    """What does not ask for a socket gets the page."""
    if "Upgrade" in request.headers:
        return None
    body = PAGE.encode()
    headers = Headers(
        {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), "Connection": "close"}
    )
    return Response(HTTPStatus.OK.value, "OK", headers, body)


def chat(connection: ServerConnection) -> None:
    """Say everything again; `goodbye` ends it from this side."""
    for message in connection:
        if message == "goodbye":
            connection.close(4001, "as you wish")
            return
        connection.send(message)


def main() -> None:
    """Serve until ended."""
    chosen = int(sys.argv[1]) if sys.argv[1:] else 0
    with serve(chat, "127.0.0.1", chosen, process_request=page, max_size=16 << 20, compression=None) as server:
        port: Any = server.socket.getsockname()[1]
        print(f"port {port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
