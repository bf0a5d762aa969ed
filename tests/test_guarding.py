"""The guard before authenticators: back-off, time limits, and one answer for every no."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from diglett.accounts import Account, Credentials
from diglett.errors import LoginRefused, Refused, UsageError
from diglett.guarding import REFUSAL, Backoff, GuardedAuthenticator, network
from diglett.interfaces import IAuthenticator

ALICE = Account("alice", ("alice",))
HERE = "192.0.2.1"


@implementer(IAuthenticator)
class Told:
    """An authenticator that answers with whatever the test put into `answer`."""

    clientAuthorities = None

    def __init__(self) -> None:
        self.asked = 0
        self.answer = lambda: ALICE

    def start(self, changed):
        self.changed = changed

    def stop(self):
        return self.answer()

    def messages(self):
        return ["hello"]

    def authenticate(self, credentials):
        self.asked += 1
        return self.answer()

    def authorize(self, account, name):
        return self.answer()

    def refresh(self, account):
        return self.answer()


def refusing(text="no such user bob", **how):
    """An answer that refuses."""

    def answer():
        raise LoginRefused(text, **how)

    return answer


def failing():
    """An answer that is a bug."""
    raise KeyError("secret detail")


class GuardedAuthenticatorTests(SynchronousTestCase):
    """`GuardedAuthenticator` around an authenticator that does as told."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = []
        self.told = Told()
        self.guarded = GuardedAuthenticator(
            self.told, self.clock, pendingPerAddress=2, log=Logger("test", observer=self.events.append)
        )
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def login(self, peer: str = HERE) -> Deferred[Account]:
        return self.guarded.authenticate(Credentials("hunter2", peer=peer))

    def logged(self) -> str:
        return "\n".join(map(formatEvent, self.events))

    def test_contract(self) -> None:
        """The guard is itself an authenticator, and passes on what the inner one says at start."""
        verifyObject(IAuthenticator, self.guarded)
        changed = []
        self.successResultOf(self.guarded.start(lambda: changed.append(True)))
        self.told.changed()
        self.assertEqual(changed, [True])
        self.assertEqual(self.guarded.messages(), ["hello"])

    def test_startFails(self) -> None:
        """Why an authenticator cannot start is passed on: the gateway must not start either."""
        self.told.start = lambda changed: self.told.answer()  # type: ignore[method-assign]

        def answer():
            raise UsageError("no such file")

        self.told.answer = answer
        self.assertEqual(str(self.failureResultOf(self.guarded.start(print), UsageError).value), "no such file")

    def test_yes(self) -> None:
        """A good login gives the account, whether it comes at once or later."""
        self.assertIs(self.successResultOf(self.login()), ALICE)
        self.told.answer = lambda: succeed(ALICE)
        self.assertIs(self.successResultOf(self.login()), ALICE)

    def test_oneText(self) -> None:
        """Whatever was wrong, the agent reads the same words; the operator reads the reason, never the token."""
        texts = set()
        for text in ("no such user bob", "wrong password"):
            self.told.answer = refusing(text)
            failure = self.failureResultOf(self.login(), LoginRefused)
            texts.add((str(failure.value), failure.value.permanent))
            self.assertIn(text, self.logged())
        self.assertEqual(texts, {(REFUSAL, True)})
        self.assertNotIn("hunter2", self.logged())

    def test_temporary(self) -> None:
        """A refusal that is not permanent keeps its words and costs the address nothing."""
        self.told.answer = refusing("come back later", permanent=False)
        for _ in range(20):
            failure = self.failureResultOf(self.login(), LoginRefused)
            self.assertEqual(str(failure.value), "come back later")

    def test_bug(self) -> None:
        """An exception refuses, not for good, and its text stays with the operator."""
        self.told.answer = failing
        for question in (self.login, lambda: self.guarded.refresh(ALICE)):
            failure = self.failureResultOf(question(), LoginRefused)
            self.assertFalse(failure.value.permanent)
            self.assertNotIn("secret", str(failure.value))
        self.assertIn("KeyError: 'secret detail'", self.logged())

    def test_notAnAccount(self) -> None:
        """Anything but an account is a no: True, None or a bare name let nobody in."""
        for answer in (True, None, "alice"):
            self.told.answer = lambda answer=answer: answer
            self.failureResultOf(self.login(), LoginRefused)
            self.failureResultOf(self.guarded.refresh(ALICE), LoginRefused)

    def test_expired(self) -> None:
        """An account that is over by the clock is refused, whatever the authenticator thinks."""
        self.clock.advance(100)
        self.told.answer = lambda: Account("alice", ("alice",), expires=100.0)
        failure = self.failureResultOf(self.login(), LoginRefused)
        self.assertEqual(str(failure.value), REFUSAL)
        self.failureResultOf(self.guarded.refresh(ALICE), LoginRefused)

    def test_hangs(self) -> None:
        """No answer within the limit is a no, not for good."""
        self.told.answer = lambda: Deferred()
        asked = [self.login(), self.guarded.refresh(ALICE), self.guarded.authorize(ALICE, "alice")]
        self.clock.advance(10)
        for answer in asked:
            self.assertFalse(self.failureResultOf(answer, Refused).value.permanent)

    def test_agentLeaves(self) -> None:
        """When the agent leaves, the question is cancelled and its place given back."""
        question: Deferred[Account] = Deferred()
        self.told.answer = lambda: question
        for _ in range(5):
            login = self.login()
            login.cancel()
            self.failureResultOf(login, CancelledError)
            self.assertTrue(question.called)
            question = Deferred()
        self.assertEqual(self.events, [])

    def test_pending(self) -> None:
        """An address may have only so many logins open at once; others are not affected."""
        waiting = [Deferred(), Deferred(), Deferred()]
        self.told.answer = lambda: waiting[0]
        self.login()
        self.told.answer = lambda: waiting[1]
        second = self.login()
        self.told.answer = lambda: waiting[2]
        self.assertFalse(self.failureResultOf(self.login(), LoginRefused).value.permanent)
        self.assertNoResult(self.login("192.0.2.2"))
        waiting[1].callback(ALICE)
        self.successResultOf(second)
        self.told.answer = lambda: ALICE
        self.successResultOf(self.login())
        waiting[0].callback(ALICE)
        waiting[2].callback(ALICE)

    def test_authorize(self) -> None:
        """Only `True` is a yes; an exception is a no that may be tried again."""
        for answer, expected in ((True, True), (False, False), (1, False), (None, False)):
            self.told.answer = lambda answer=answer: answer
            self.assertIs(self.successResultOf(self.guarded.authorize(ALICE, "x")), expected)
        self.told.answer = failing
        failure = self.failureResultOf(self.guarded.authorize(ALICE, "x"), Refused)
        self.assertFalse(failure.value.permanent)
        self.assertNotIn("secret", str(failure.value))

    def test_bruteForce(self) -> None:
        """After five wrong tokens the address is not even listened to, with the right one neither; others are."""
        self.told.answer = refusing()
        for _ in range(6):
            self.failureResultOf(self.login(), LoginRefused)
        self.told.answer = lambda: ALICE
        failure = self.failureResultOf(self.login(), LoginRefused)
        self.assertFalse(failure.value.permanent)
        self.assertIn("try again in 1 s", str(failure.value))
        self.assertEqual(failure.value.code, "login-throttled")
        self.assertEqual(self.told.asked, 6)
        self.successResultOf(self.login("192.0.2.2"))
        self.clock.advance(1)
        self.successResultOf(self.login())

    def test_stopFails(self) -> None:
        """An authenticator that fails to stop is reported and does not keep the gateway."""
        self.told.answer = failing
        self.successResultOf(self.guarded.stop())
        self.assertIn("KeyError", self.logged())


class BackoffTests(SynchronousTestCase):
    """`Backoff`: waits, forgetting, bounds."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.backoff = Backoff(self.clock, free=3, longest=60, forgiven=100, entries=4)

    def fail(self, times: int, peer: str = HERE) -> None:  # type: ignore[override]
        for _ in range(times):
            self.backoff.failed(peer)

    def test_doubles(self) -> None:
        """The wait is nothing at first, then doubles up to the longest."""
        waits = []
        for _ in range(12):
            self.fail(1)
            waits.append(self.backoff.wait(HERE))
        self.assertEqual(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60])

    def test_manyFailures(self) -> None:
        """Any number of failures stays a finite wait."""
        self.fail(5000)
        self.assertEqual(self.backoff.wait(HERE), 60)

    def test_passes(self) -> None:
        """The wait runs out with time, but the failures are remembered for longer."""
        self.fail(5)
        self.clock.advance(1.5)
        self.assertEqual(self.backoff.wait(HERE), 0.5)
        self.clock.advance(0.5)
        self.assertEqual(self.backoff.wait(HERE), 0)
        self.fail(1)
        self.assertGreater(self.backoff.wait(HERE), 3.5)

    def test_forgives(self) -> None:
        """Quiet addresses start afresh in the end."""
        self.fail(5)
        self.clock.advance(500)
        self.fail(1)
        self.assertEqual(self.backoff.wait(HERE), 0)

    def test_bounded(self) -> None:
        """Only so many addresses are remembered; the quietest is forgotten first."""
        self.fail(5, "192.0.2.100")
        for last in range(4):
            self.fail(5, f"192.0.2.{last}")
        self.assertEqual(self.backoff.wait("192.0.2.100"), 0)
        self.assertGreater(self.backoff.wait("192.0.2.0"), 0)

    def test_networks(self) -> None:
        """An IPv6 user cannot dodge by another address of the same /64; IPv4 in IPv6 is IPv4."""
        self.assertEqual(network("2001:db8::1"), network("2001:db8::ffff:1"))
        self.assertNotEqual(network("2001:db8::1"), network("2001:db8:0:1::1"))
        self.assertEqual(network("::ffff:192.0.2.1"), "192.0.2.1")
        self.assertEqual(network("fe80::1%eth0"), network("fe80::2"))
        self.assertEqual(network("x" * 1000), "x" * 64)
