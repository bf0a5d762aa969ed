"""Publishing at several registrars at once: all or none, and withdrawn exactly once."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from diglett.errors import DiglettError, Refused, UsageError
from diglett.interfaces import ILease, IRegistrar, Registration
from diglett.publishing import Publisher

EXAMPLE = Registration("example", "example.gateway.com", "127.0.0.1", 41234)
OTHER = Registration("other", "other.gateway.com", "127.0.0.1", 41235)


@implementer(ILease)
class Lease:
    """Notes its withdrawals in its registrar's log."""

    def __init__(self, registrar: Registrar, registration: Registration) -> None:
        self.urls = tuple(f"{scheme}://{registration.fqdn}" for scheme in registrar.schemes)
        self._registrar = registrar
        self._name = registration.name

    def withdraw(self):
        self._registrar.log.append(("withdraw", self._name))
        return self._registrar.onWithdraw()


@implementer(IRegistrar)
class Registrar:
    """A registrar that does as the test says: `onPublish` may raise or return a Deferred."""

    def __init__(self, onPublish=lambda: None, onWithdraw=lambda: None, schemes=("https",)):
        self.log = []
        self.schemes = schemes
        self.onPublish = onPublish
        self.onWithdraw = onWithdraw

    def start(self):
        self.log.append("start")

    def stop(self):
        self.log.append("stop")

    async def publish(self, registration):
        self.log.append(("publish", registration.name))
        wait = self.onPublish()
        if wait is not None:
            await wait
        return Lease(self, registration)


def raising(error):
    """A callable that raises `error`."""

    def call():
        raise error

    return call


class PublisherTests(SynchronousTestCase):
    """`Publisher` with registrars that succeed, fail, hang and answer late."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = []
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))

    def publisher(self, *registrars: Registrar) -> Publisher:
        labelled = [(f"r{index}", registrar) for index, registrar in enumerate(registrars)]
        log = Logger("test", observer=self.events.append)
        return Publisher(labelled, self.clock, publishTimeout=30, withdrawTimeout=10, log=log)

    def logged(self) -> str:
        return "\n".join(event["log_format"].format(**event) for event in self.events)

    def test_fakes(self) -> None:
        """The registrar and lease of these tests keep to the contracts."""
        registrar = Registrar()
        verifyObject(IRegistrar, registrar)
        verifyObject(ILease, Lease(registrar, EXAMPLE))

    def test_publishAndWithdraw(self) -> None:
        """A name is told to every registrar, and its withdrawal as well, once however often asked."""
        first, second = Registrar(), Registrar(schemes=("https", "http"))
        publication = self.successResultOf(self.publisher(first, second).publish(EXAMPLE))
        self.assertEqual(publication.urls, ("https://example.gateway.com", "http://example.gateway.com"))
        self.successResultOf(publication.withdraw())
        self.successResultOf(publication.withdraw())
        self.assertEqual(first.log, [("publish", "example"), ("withdraw", "example")])
        self.assertEqual(second.log, first.log)

    def test_noRegistrars(self) -> None:
        """Without any registrar publishing succeeds with no URL."""
        publication = self.successResultOf(self.publisher().publish(EXAMPLE))
        self.assertEqual(publication.urls, ())
        self.successResultOf(publication.withdraw())

    def test_oneFails(self) -> None:
        """If one registrar fails the others take back what they did, and the agent reads no details."""
        good, bad = Registrar(), Registrar(raising(OSError("secret path")))
        failure = self.failureResultOf(self.publisher(good, bad).publish(EXAMPLE), Refused)
        self.assertEqual(good.log, [("publish", "example"), ("withdraw", "example")])
        self.assertEqual(bad.log, [("publish", "example")])
        self.assertNotIn("secret", str(failure.value))
        self.assertFalse(failure.value.permanent)
        self.assertIn("OSError: secret path", self.logged())

    def test_notALease(self) -> None:
        """A registrar that forgets its lease is told so in the log, and the name is not published."""
        forgetful = Registrar()
        forgetful.publish = lambda registration: None  # type: ignore[method-assign]
        self.failureResultOf(self.publisher(forgetful).publish(EXAMPLE), Refused)
        self.assertIn("provides no ILease", self.logged())

    def test_refusedWithReason(self) -> None:
        """A registrar's `Refused` reaches the agent in its own words and with its own code."""
        bad = Registrar(raising(Refused("the name is taken", code="name-taken")))
        failure = self.failureResultOf(self.publisher(bad).publish(EXAMPLE), Refused)
        self.assertEqual((str(failure.value), failure.value.code), ("the name is taken", "name-taken"))

    def test_oneFailsWhileAnotherIsHalfDone(self) -> None:
        """A failure cancels the registrar that still works on it, without calling that an error."""
        pending: Deferred[None] = Deferred()
        slow, bad = Registrar(lambda: pending), Registrar(raising(Refused("no")))
        self.failureResultOf(self.publisher(slow, bad).publish(EXAMPLE), Refused)
        self.assertTrue(pending.called)
        self.assertEqual(slow.log, [("publish", "example")])
        self.assertNotIn("Cancelled", self.logged())

    def test_hangs(self) -> None:
        """A registrar that does not answer in its time counts as failed."""
        good, hung = Registrar(), Registrar(lambda: Deferred())
        publishing = self.publisher(good, hung).publish(EXAMPLE)
        self.clock.advance(29)
        self.assertNoResult(publishing)
        self.clock.advance(1)
        failure = self.failureResultOf(publishing, Refused)
        self.assertIn("r1 did not answer in time", str(failure.value))
        self.assertEqual(good.log[-1], ("withdraw", "example"))

    def test_answersTooLate(self) -> None:
        """A lease that arrives although its question was given up is withdrawn at once."""
        deaf: Deferred[None] = Deferred(lambda d: None)
        deaf.cancel = lambda: None  # type: ignore[method-assign]
        late = Registrar(lambda: deaf)
        publishing = self.publisher(late).publish(EXAMPLE)
        self.clock.advance(30)
        self.failureResultOf(publishing, Refused)
        self.assertEqual(late.log, [("publish", "example")])
        deaf.callback(None)
        self.assertEqual(late.log, [("publish", "example"), ("withdraw", "example")])

    def test_agentGoneHalfWay(self) -> None:
        """Cancelling takes back what is done and cancels what is not."""
        pending: Deferred[None] = Deferred()
        good, slow = Registrar(), Registrar(lambda: pending)
        publishing = self.publisher(good, slow).publish(EXAMPLE)
        publishing.cancel()
        self.failureResultOf(publishing, CancelledError)
        self.assertEqual(good.log, [("publish", "example"), ("withdraw", "example")])
        self.assertEqual(slow.log, [("publish", "example")])
        self.assertEqual(self.events, [])

    def test_withdrawFails(self) -> None:
        """A registrar that cannot withdraw is reported; the others withdraw all the same."""
        bad, good = Registrar(onWithdraw=raising(OSError("disk full"))), Registrar()
        publication = self.successResultOf(self.publisher(bad, good).publish(EXAMPLE))
        self.successResultOf(publication.withdraw())
        self.assertEqual(good.log[-1], ("withdraw", "example"))
        self.assertIn("r0 could not withdraw example.gateway.com", self.logged())
        self.assertIn("disk full", self.logged())

    def test_withdrawHangs(self) -> None:
        """A withdrawal that hangs is waited for only as long as its limit."""
        publication = self.successResultOf(
            self.publisher(Registrar(onWithdraw=lambda: Deferred())).publish(EXAMPLE)
        )
        gone = publication.withdraw()
        self.clock.advance(9)
        self.assertNoResult(gone)
        self.clock.advance(1)
        self.successResultOf(gone)
        self.assertIn("no answer within 10 s", self.logged())

    def test_sameNameAgain(self) -> None:
        """A name is published anew only when its old publication is gone; others need not wait."""
        slow: Deferred[None] = Deferred()
        registrar = Registrar(onWithdraw=lambda: slow)
        publisher = self.publisher(registrar)
        self.successResultOf(publisher.publish(EXAMPLE)).withdraw()
        again = publisher.publish(EXAMPLE)
        self.successResultOf(publisher.publish(OTHER))
        self.assertNoResult(again)
        slow.callback(None)
        self.successResultOf(again)
        self.assertEqual(
            registrar.log,
            [("publish", "example"), ("withdraw", "example"), ("publish", "other"), ("publish", "example")],
        )

    def test_cancelledWhileWaitingForOldOne(self) -> None:
        """An agent that leaves while its name's old publication goes leaves nothing behind."""
        slow: Deferred[None] = Deferred()
        registrar = Registrar(onWithdraw=lambda: slow)
        publisher = self.publisher(registrar)
        self.successResultOf(publisher.publish(EXAMPLE)).withdraw()
        again = publisher.publish(EXAMPLE)
        again.cancel()
        self.failureResultOf(again, CancelledError)
        third = publisher.publish(EXAMPLE)
        self.assertNoResult(third)
        slow.callback(None)
        self.successResultOf(third)
        self.assertEqual(registrar.log.count(("publish", "example")), 2)

    def test_stop(self) -> None:
        """Stopping withdraws what stands and cancels what is under way, then stops the registrars."""
        pending: Deferred[None] = Deferred()
        waits = [None, pending]
        registrar = Registrar(lambda: waits.pop(0))
        publisher = self.publisher(registrar)
        self.successResultOf(publisher.start())
        self.successResultOf(publisher.publish(EXAMPLE))
        underWay = publisher.publish(OTHER)
        self.successResultOf(publisher.stop())
        self.failureResultOf(underWay)
        self.assertEqual(
            registrar.log, ["start", ("publish", "example"), ("publish", "other"), ("withdraw", "example"), "stop"]
        )

    def test_stopWithHungWithdrawal(self) -> None:
        """Stopping waits for a withdrawal no longer than its limit, and stops the registrar then."""
        registrar = Registrar(onWithdraw=lambda: Deferred())
        publisher = self.publisher(registrar)
        self.successResultOf(publisher.start())
        self.successResultOf(publisher.publish(EXAMPLE))
        stopped = publisher.stop()
        self.assertNoResult(stopped)
        self.clock.advance(10)
        self.successResultOf(stopped)
        self.assertEqual(registrar.log[-1], "stop")

    def test_startFails(self) -> None:
        """If a registrar cannot start, those that did are stopped and the reason is told."""
        good, bad = Registrar(), Registrar()
        bad.start = raising(OSError("no socket"))  # type: ignore[method-assign]
        failure = self.failureResultOf(self.publisher(good, bad).start(), DiglettError)
        self.assertIn("r1 could not start: OSError: no socket", str(failure.value))
        self.assertEqual(good.log, ["start", "stop"])

    def test_startFailsWithUsageError(self) -> None:
        """A registrar's own words about its configuration are not wrapped."""
        bad = Registrar()
        bad.start = raising(UsageError("no such folder"))  # type: ignore[method-assign]
        failure = self.failureResultOf(self.publisher(bad).start(), UsageError)
        self.assertEqual(str(failure.value), "no such folder")
