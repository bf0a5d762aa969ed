"""The doctor's findings, as people see them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from diglett.agent.doctor.findings import Finding, Findings
from diglett.agent.doctor.show import WIDTH, lines, verdict


class ShowTests(SynchronousTestCase):
    """`lines` and `verdict`."""

    def setUp(self) -> None:
        self.told: list[Finding] = []
        self.findings = Findings(self.told.append)

    def test_lines(self) -> None:
        """What was found is one line; what to do is below it, in lines that fit a terminal."""
        advice = "do this and that " * 20
        self.findings.failed("tcp", "gateway.com:1", "connection refused", advice)
        first, *rest = lines(self.told[0])
        self.assertEqual(first, "FAILED   tcp       gateway.com:1: connection refused")
        self.assertTrue(all(len(line) <= WIDTH and line.startswith(" " * 19) for line in rest))
        self.assertEqual(" ".join(rest).split(), advice.split())

    def test_verdict(self) -> None:
        """The last line tells the worst, and the status goes with it."""
        findings = self.findings
        findings.ok("dns", "a", "b")
        self.assertEqual((verdict(findings.all), findings.status), ("all is well", 0))
        findings.warning("tls", "a", "b")
        self.assertEqual((verdict(findings.all), findings.status), ("it works, with 1 warning", 0))
        findings.skipped("public", "a", "b")
        self.assertEqual(verdict(findings.all), "what could be tried is well, and public could not")
        findings.failed("backend", "a", "b")
        self.assertEqual(verdict(findings.all), "not well: the first that failed is backend (a)")
        self.assertEqual(findings.status, 1)
        findings.failed("token", "a", "b", permanent=True)
        self.assertEqual(verdict(findings.all), "not well: the first that failed is backend (a), and 1 more")
        self.assertEqual(findings.status, 3)
