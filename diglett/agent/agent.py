"""An agent with all that belongs to it: the same for the command and for the programs that publish something."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from diglett.agent.parts import makeAgent
from diglett.agent.report import Reporters
from diglett.agent.status.answers import Answers
from diglett.agent.status.board import Board
from diglett.agent.status.door import Door
from diglett.config.agent import AgentConfig
from diglett.errors import DiglettError
from diglett.state import stateFolder
from diglett.status import RunningAgent


class Agent:
    """The service, what is known of it, and the door where `diglett status` asks it.

    `done` fires when it is over: with None when that was asked for, else with the reason.
    """

    def __init__(self, reactor: Any, config: AgentConfig, *reporters: Any) -> None:
        """Nothing happens until `start`. Raises UsageError."""
        self.board = Board()
        self.service = makeAgent(reactor, config, Reporters(self.board, *reporters))
        self._answers = Answers(self.board, self.service, str(config.gateway))
        self._door = Door(reactor, stateFolder(config.state), self._answers)
        self.done: Deferred[DiglettError | None] = self.service.done.addCallback(self._over)

    def start(self) -> None:
        """Begin to connect."""
        self._door.open()
        self.service.startService()

    @property
    def connected(self) -> bool:
        """Whether visitors come to the backends, as far as is known without asking the gateway."""
        return bool(self.service.running) and self.service.link is not None and self.board.since is not None

    def status(self) -> Deferred[RunningAgent]:
        """How everything is, the gateway and the backends having been tried."""
        return self._answers.status()

    def _over(self, error: DiglettError | None) -> DiglettError | None:
        self._door.close()
        return error
