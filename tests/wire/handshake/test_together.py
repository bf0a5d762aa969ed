"""Both handshake machines, talking to each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.wire.codec import encodePreface
from diglett.wire.messages import Hello, Login, Register
from tests.wire import cut
from tests.wire.handshake.talking import AGENT_HELLO, GATEWAY_HELLO, LATE, TERMS, Agent, Gateway


class TogetherTests(SynchronousTestCase):
    """Both machines, talking to each other."""

    def talk(self, agent: Agent, gateway: Gateway, cuts: list[int]) -> None:
        """Move bytes until nobody has any."""
        while agent.sent or gateway.sent:
            for here, there in ((agent, gateway), (gateway, agent)):
                data = bytes(here.sent)
                here.sent.clear()
                for piece in cut(data, cuts):
                    there.receive(piece)

    @given(st.lists(st.integers(0, 500), max_size=6), st.integers(1, 64))
    def test_granted(self, cuts: list[int], names: int) -> None:
        """Both are established, and know the same of each other."""
        wanted = [Register(f"name-{number}") for number in range(names)]
        agent, gateway = Agent(wanted=wanted), Gateway()
        self.talk(agent, gateway, cuts)
        self.assertEqual((agent.errors, gateway.errors, gateway.established_), ([], [], 1))
        (outcome,) = agent.outcomes
        self.assertEqual((outcome.hello, outcome.terms, gateway.handshake.theirs), (GATEWAY_HELLO, TERMS, AGENT_HELLO))
        self.assertEqual([each.name for each in outcome.registered], [each.name for each in wanted])

    def test_refused(self) -> None:
        """What the desk says no with is what the agent hears."""
        for gateway, code in ((Gateway(strangers=True), "login-refused"), (Gateway(taken="example"), "name-taken")):
            agent = Agent()
            self.talk(agent, gateway, [])
            (error,) = agent.errors
            self.assertEqual((error.code, error.permanent), (gateway.errors[0].code, gateway.errors[0].permanent))  # type: ignore[attr-defined]
            self.assertEqual(error.code, code)  # type: ignore[attr-defined]

    def test_tooLate(self) -> None:
        """The agent hears that it was too slow, even when it had said nothing yet."""
        gateway = Gateway()
        gateway.handshake.timeOut(LATE)
        agent = Agent()
        agent.receive(bytes(gateway.sent))
        (error,) = agent.errors
        self.assertEqual((error.code, str(error)), ("timeout", str(LATE)))  # type: ignore[attr-defined]

    def test_badHello(self) -> None:
        """The agent hears what was wrong with its hello."""
        gateway, agent = Gateway(), Agent()
        gateway.receive(encodePreface(Hello(window=1).encode()))
        agent.receive(bytes(gateway.sent))
        self.assertIn("window", str(agent.errors[0]))

    def test_secret(self) -> None:
        """The token is said once, by the agent, and nobody says it back."""
        agent, gateway = Agent(login=Login("a-secret-token", "a" * 16)), Gateway(strangers=True)
        self.assertEqual(bytes(agent.sent).count(b"a-secret-token"), 1)
        gateway.receive(bytes(agent.sent))
        self.assertNotIn(b"a-secret-token", bytes(gateway.sent))
        self.assertNotIn("a-secret-token", repr(gateway.errors))
