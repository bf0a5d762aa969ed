"""What the doctor finds: one finding for each thing it looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attrs import asdict, field, frozen

StepName = Literal["dns", "tcp", "tls", "protocol", "token", "name", "backend", "public"]
Outcome = Literal["ok", "warning", "failed", "skipped"]


@frozen
class Finding:
    """One look at one thing. Nothing in it is secret."""

    step: StepName
    outcome: Outcome
    about: str
    """What was looked at: an address, a name, a URL."""
    said: str
    advice: str = ""
    """What to do; empty when there is nothing to do."""
    code: str = ""
    """Why it failed, for programs: that of the refusal, where there was one."""
    permanent: bool = False
    """An agent with these options would stop for good."""


class Findings:
    """All of them, in their order; each is passed to `tell` as it comes."""

    def __init__(self, tell: Callable[[Finding], None]) -> None:
        self._tell = tell
        self.all: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """One more."""
        self.all.append(finding)
        self._tell(finding)

    def ok(self, step: StepName, about: str, said: str) -> None:
        """It is as it should be."""
        self.add(Finding(step, "ok", about, said))

    def warning(self, step: StepName, about: str, said: str, advice: str = "", code: str = "") -> None:
        """It works, and yet somebody should look at it."""
        self.add(Finding(step, "warning", about, said, advice, code))

    def failed(
        self, step: StepName, about: str, said: str, advice: str = "", code: str = "", permanent: bool = False
    ) -> None:
        """Here it ends."""
        self.add(Finding(step, "failed", about, said, advice, code, permanent))

    def skipped(self, step: StepName, about: str, said: str) -> None:
        """It could not be looked at."""
        self.add(Finding(step, "skipped", about, said))

    @property
    def failures(self) -> list[Finding]:
        """What did not work."""
        return [finding for finding in self.all if finding.outcome == "failed"]

    @property
    def status(self) -> int:
        """The exit status: 0 all is well; 3 an agent would be refused for good; 1 anything else is wrong."""
        failures = self.failures
        return 0 if not failures else 3 if any(finding.permanent for finding in failures) else 1

    def asJson(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": not self.failures,
            "status": self.status,
            "steps": [asdict(finding) for finding in self.all],
        }


@frozen
class Published:
    """A name that the gateway publishes now: for us, or for a running agent of this user."""

    number: int
    """Its place among the tunnels."""
    name: str
    type: str
    urls: tuple[str, ...]
    held: Any = field(default=None)
    """The running agent's socket, when it is one's; ours otherwise."""
    busy: bool = False
    """Visitors were being served when we looked."""
