"""What the operator may look at."""

from __future__ import annotations

import json
from typing import Any

from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from diglett.admin.metrics import metrics
from diglett.admin.site import adminSite
from diglett.status import AgentStatus, GatewayStatus, NameStatus

STATUS = GatewayStatus(
    version="1.0",
    domain="gateway.com",
    uptime=90_061.5,
    draining=False,
    agents=(
        AgentStatus('al"ice', "203.0.113.7 1234", 61.0, ("example", "<b>"), 3, 17, 0.025),
        AgentStatus('al"ice', "203.0.113.8 1234", 1.0, ("other",), 2, 0, None),
    ),
    names=(NameStatus("example", "http", ("https://example.gateway.com",), 1),),
    handshakes=1,
    visitors=5,
    agentsTotal=9,
    refusedTotal=4,
)


class AdminSiteTests(SynchronousTestCase):
    """Over HTTP, in memory."""

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
        site = adminSite(lambda: STATUS)

        class Routed(Resource):
            """The site's own choice of resource, as a resource."""

            def getChildWithDefault(self, name: bytes, request: Any) -> Any:
                request.prepath.pop()
                request.postpath.insert(0, name)
                request.sitepath = []
                return site.getResourceFor(request)

        client = StubTreq(Routed())
        response: Any = self.successResultOf(client.get(f"http://{host}{path}"))
        return response.code, self.successResultOf(client.content(response)).decode()

    def test_status(self) -> None:
        """Programs get everything as JSON."""
        code, body = self.get("/api/status")
        self.assertEqual(code, 200)
        value = json.loads(body)
        self.assertEqual(value["agents"][0]["names"], ["example", "<b>"])
        self.assertEqual(value["visitors"], 5)

    def test_page(self) -> None:
        """People get a page, in which nothing that an agent chose is markup."""
        code, body = self.get("/")
        self.assertEqual(code, 200)
        self.assertIn("203.0.113.7", body)
        self.assertIn("1 d 1 h", body)
        self.assertNotIn("<b>", body)

    def test_metrics(self) -> None:
        """Prometheus gets its text format, with streams summed by account and labels escaped."""
        code, body = self.get("/metrics")
        self.assertEqual(code, 200)
        self.assertIn("\ndiglett_agents 2\n", body)
        self.assertIn('diglett_account_streams{account="al\\"ice"} 5\n', body)
        for line in metrics(STATUS).splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) diglett_\w+ .+|diglett_\w+(\{.*\})? -?[0-9.]+)$")

    def test_notByName(self) -> None:
        """A page in a browser cannot reach it under a name of its own."""
        self.assertEqual(self.get("/api/status", "evil.example")[0], 403)
        self.assertEqual(self.get("/api/status", "localhost")[0], 200)

    def test_readOnly(self) -> None:
        """There is nothing to post to, and nothing beside what is documented."""
        self.assertEqual(self.get("/api/other")[0], 404)
