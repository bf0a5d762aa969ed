"""An HTTP service in memory, for tests of what talks to one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET


class Service(Resource):
    """Answers every request with what `answer` gives: a status and a document or bytes.

    `None` is silence, until `reply`."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []
        self.bodies: list[bytes] = []
        self.answer: Callable[[], tuple[int, Any] | None] = lambda: (200, {})
        self.headers: dict[str, str] = {}
        self.agent = RequestTraversalAgent(self)

    def render(self, request: Any) -> Any:
        """Note the request, and answer."""
        self.requests.append(request)
        self.bodies.append(request.content.read())
        answer = self.answer()
        if answer is not None:
            self._reply(request, *answer)
        return NOT_DONE_YET

    def reply(self, status: int, document: Any) -> None:
        """Answer the last request, which was met with silence."""
        self._reply(self.requests[-1], status, document)
        self.agent.flush()

    def _reply(self, request: Any, status: int, document: Any) -> None:
        request.setResponseCode(status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        request.write(document if isinstance(document, bytes) else json.dumps(document).encode())
        request.finish()

    @property
    def documents(self) -> list[Any]:
        """The bodies, understood as JSON."""
        return [json.loads(body) for body in self.bodies]
