"""What `diglett status` and `diglett doctor` were told besides what the agent is told."""

from __future__ import annotations

from attrs import frozen

from diglett.config.agent import AgentConfig


@frozen
class StatusOptions:
    """`state` is None for the default folder."""

    state: str | None = None
    json: bool = False


@frozen
class DoctorOptions:
    """The agent that is asked about, and in what form to answer."""

    agent: AgentConfig
    json: bool = False
