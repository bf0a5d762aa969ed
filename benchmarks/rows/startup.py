"""Start-up: until a gateway accepts, until an agent forwards, until help is shown."""

from __future__ import annotations

import statistics
import subprocess
from typing import Mapping

from benchmarks.contenders.base import Contender, Running, Watch
from benchmarks.contenders.ours import ROOT, Ours, agentCommand
from benchmarks.errors import Trouble
from benchmarks.rows.base import Metric, Row
from benchmarks.settings import Settings
from benchmarks.site import cleanEnvironment


class StartUp(Row):
    """Times from the start of each process; help only of ours."""

    key = "startup"
    fresh = True

    def applies(self, contender: Contender) -> bool:
        return contender.tunnel and super().applies(contender)

    def metrics(self, settings: Settings) -> list[Metric]:
        return [
            Metric("startup.gateway", "start-up: gateway accepts", "ms", more=False),
            Metric("startup.agent", "start-up: agent forwards", "ms", more=False),
            Metric("startup.help", "start-up: diglett --help", "ms", more=False),
        ]

    def measure(self, running: Running) -> Mapping[str, float]:
        found = {}
        if running.gatewayReady is not None and running.agentReady is not None:
            found["startup.gateway"] = running.gatewayReady * 1000
            found["startup.agent"] = running.agentReady * 1000
        if isinstance(running.contender, Ours) and running.contender.key == "ours":
            found["startup.help"] = _help(running.site.lab.settings.trials) * 1000
        return found


def _help(trials: int) -> float:
    times = []
    for _ in range(trials):
        watch = Watch()
        command = [*agentCommand(), "--help"]
        env = cleanEnvironment({"PYTHONPATH": str(ROOT)})
        done = subprocess.run(command, capture_output=True, check=False, env=env, timeout=20)
        if done.returncode:
            raise Trouble(f"diglett --help: {done.stderr.decode(errors='replace').strip()[-200:]}")
        times.append(watch.seconds())
    return statistics.median(times)
