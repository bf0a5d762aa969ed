"""Links on a machine with the congestion control that kernels come with."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack

from twisted.trial.unittest import SkipTest

from benchmarks.errors import Trouble
from benchmarks.namespaces import namespace, sweep
from benchmarks.place import inside
from tests.integration.components import find
from tests.integration.tunnel import TunnelTestCase
from tests.plane.test_tuning import refuses

PREFIX = "diglett-test"


class CongestionTests(TunnelTestCase):
    """Gateway and agent in a network namespace whose default is reno, whatever this machine's is."""

    def setUp(self) -> None:
        """This test lives there, and so does what it starts."""
        super().setUp()
        if os.geteuid() != 0:
            raise SkipTest("a network namespace needs root")
        find("ip")
        refused = refuses("bbr")
        if refused:
            raise SkipTest(refused)
        ending = ExitStack()
        self.addCleanup(ending.close)
        sweep(PREFIX)
        try:
            ending.enter_context(inside(ending.enter_context(namespace(PREFIX, "a"))))
        except Trouble as trouble:
            raise SkipTest(str(trouble)) from None
        with open("/proc/sys/net/ipv4/tcp_congestion_control", "w") as setting:
            setting.write("reno")

    def controls(self, gateway: str, agent: str, **environment: str) -> tuple[set[str], set[str]]:
        """What the gateway's and the agent's ends of a link have, as the system tells."""
        door = self.gateway(DIGLETT_CONGESTION=gateway)
        words = ("-g", f"127.0.0.1:{door.agents}", "--pin", door.fingerprint, "-n", "example", "9")
        self.agent(None, *words, DIGLETT_CONGESTION=agent, **environment).waitFor(" -> ")
        ends = []
        for side in ("sport", "dport"):
            told = self.perform("ss", "-tinH", f"{side} = :{door.agents}").decode()
            ends.append(set(re.findall(r"\b(reno|cubic|bbr)\b", told)))
        return ends[0], ends[1]

    def test_left(self) -> None:
        """Without being asked, links have what the system has."""
        self.assertEqual(self.controls("", "system"), ({"reno"}, {"reno"}))

    def test_chosen(self) -> None:
        """Each end of a link has what it was told to have."""
        self.assertEqual(self.controls("bbr", "bbr"), ({"bbr"}, {"bbr"}))

    def test_portable(self) -> None:
        """The portable driver does the same, for its own end."""
        self.assertEqual(self.controls("", "bbr", DIGLETT_PLANE="portable"), ({"reno"}, {"bbr"}))
