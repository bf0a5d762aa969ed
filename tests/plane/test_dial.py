"""Connecting to one of several addresses, and finding them."""

from __future__ import annotations

import errno
import select
import socket
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from diglett.plane.channel import Target
from diglett.plane.dial import STAGGER, Address, Dial, connect, interleave
from diglett.plane.fast import FastPlane
from diglett.plane.readiness import IN
from diglett.plane.resolve import resolve
from diglett.plane.sockets import SocketChannel
from tests.plane.test_sockets import ClockReactor, PollerTestCase

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)


class InterleaveTests(SynchronousTestCase):
    """Which address is tried first."""

    def test_alternates(self) -> None:
        """Families take turns, the resolver's favourite begins, the order within each stays."""
        found: list[Address] = [(V6, 1), (V6, 2), (V6, 3), (V4, 4)]
        self.assertEqual([each[1] for each in interleave(found)], [1, 4, 2, 3])
        self.assertEqual(interleave([]), [])


class DialTests(PollerTestCase):
    """Happy eyeballs, turned by hand."""

    def setUp(self) -> None:
        super().setUp()
        self.results: list[Any] = []

    def listener(self, backlog: int = 10) -> socket.socket:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(backlog)
        self.addCleanup(listening.close)
        return listening

    def silent(self) -> Address:
        """An address that does not answer: its queue is full."""
        listening = self.listener(0)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
            self.addCleanup(waiting.close)
        return V4, listening.getsockname()

    def refusing(self) -> Address:
        """An address where nobody listens."""
        unused = socket.socket()
        unused.bind(("127.0.0.1", 0))
        self.addCleanup(unused.close)
        return V4, unused.getsockname()

    def dial(self, *addresses: Address, timeout: float = 10.0) -> Deferred[SocketChannel]:
        done = connect(self.poller, addresses, timeout)
        done.addBoth(self.results.append)
        return done

    def failure(self) -> BaseException:
        (failure,) = self.results
        error: BaseException = failure.value
        return error

    def clean(self) -> None:
        """Nothing is left of the attempts, but for one last look at deadlines within a second."""
        self.reactor.advance(1.0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual([each for each in self.poller._watched.values() if type(each).__name__ == "_Attempt"], [])

    def test_first(self) -> None:
        """The first that answers is taken, and the others are never tried."""
        one, two = self.listener(), self.listener()
        self.dial((V4, one.getsockname()), (V4, two.getsockname()))
        self.turn()
        (channel,) = self.results
        self.assertEqual(channel.peer, one.getsockname())
        two.setblocking(False)
        self.assertRaises(BlockingIOError, two.accept)
        self.clean()

    def test_refusedFirst(self) -> None:
        """Where nobody listens the next is tried at once."""
        one = self.listener()
        self.dial(self.refusing(), self.refusing(), (V4, one.getsockname()))
        self.turn()
        self.assertEqual(self.results[0].peer, one.getsockname())
        self.clean()

    def test_silentFirst(self) -> None:
        """Where nobody answers the next is tried beside it after a moment; the loser is dropped."""
        one = self.listener()
        self.dial(self.silent(), (V4, one.getsockname()))
        self.turn()
        self.assertEqual(self.results, [])
        self.reactor.advance(STAGGER)
        self.turn()
        self.assertEqual(self.results[0].peer, one.getsockname())
        self.clean()

    def test_allRefused(self) -> None:
        """When all refuse, the last one's reason is told."""
        self.dial(self.refusing(), self.refusing())
        self.turn()
        self.assertIsInstance(self.failure(), ConnectionRefusedError)
        self.clean()

    def test_none(self) -> None:
        """Without any address there is an error, too."""
        self.dial()
        self.assertIsInstance(self.failure(), OSError)
        self.clean()

    def test_timeout(self) -> None:
        """After the time is over nothing is tried any more."""
        self.dial(self.silent(), self.silent(), timeout=3.0)
        for _ in range(6):
            self.reactor.advance(0.5)
            self.turn()
        self.assertIsInstance(self.failure(), TimeoutError)
        self.clean()

    def test_refusedLater(self) -> None:
        """A refusal that takes its time starts the next attempt at once, which then has its own moment alone."""
        dial = Dial(self.poller, [self.silent(), self.silent(), self.silent()], 10.0)
        dial.done.addBoth(self.results.append)
        self.reactor.advance(STAGGER - 0.1)
        (attempt,) = dial._trying
        attempt.giveUp()
        dial.failed(attempt, ConnectionRefusedError())
        self.assertEqual(len(dial._left), 1)
        self.reactor.advance(STAGGER - 0.05)
        self.assertEqual(len(dial._left), 1)
        self.reactor.advance(0.06)
        self.assertEqual(len(dial._left), 0)
        dial.done.cancel()
        self.clean()

    def test_cancel(self) -> None:
        """A cancelled attempt is over, whatever answers later."""
        one = self.listener()
        done = self.dial(self.silent(), (V4, one.getsockname()))
        done.cancel()
        self.assertIsInstance(self.failure(), CancelledError)
        self.reactor.advance(STAGGER)
        self.turn()
        self.clean()

    def test_unix(self) -> None:
        """A Unix socket answers at once, also when there is none."""
        path = self.mktemp()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(1)
        self.addCleanup(listening.close)
        self.dial((int(socket.AF_UNIX), path))
        self.assertEqual(self.results.pop().peer, path)
        self.dial((int(socket.AF_UNIX), path + "x"))
        self.assertEqual(self.failure().errno, errno.ENOENT)  # type: ignore[attr-defined]
        self.dial((int(socket.AF_UNIX), "x" * 500))
        self.assertIsInstance(self.results[-1].value, OSError)
        self.clean()

    def test_unixFull(self) -> None:
        """A Unix socket whose queue is full says so in words."""
        path = self.mktemp()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen(0)
        self.addCleanup(listening.close)
        for _ in range(3):
            self.dial((int(socket.AF_UNIX), path))
        self.assertIn("queue", str(self.results[-1].value))
        self.clean()

    def test_paused(self) -> None:
        """The channel comes paused, so that nothing is lost before it has an owner."""
        one = self.listener()
        self.dial((V4, one.getsockname()))
        self.turn()
        there, _ = one.accept()
        self.addCleanup(there.close)
        there.sendall(b"220 ready")
        self.turn()
        self.assertFalse(self.results[0].mask & IN)


class Resolver:
    """A name resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, str]] = []
        self.nameResolver = self

    def resolveHostName(self, receiver: Any, host: str, port: int = 0, *rest: Any) -> None:
        self.asked.append((receiver, host))

    def answer(self, *addresses: Any) -> None:
        receiver, _ = self.asked.pop(0)
        receiver.resolutionBegan(None)
        for each in addresses:
            receiver.addressResolved(each)
        receiver.resolutionComplete()


class FastConnectTests(SynchronousTestCase):
    """The time for connecting includes that for finding the address."""

    skip = None if hasattr(select, "epoll") else "there is no epoll here"

    def setUp(self) -> None:
        self.reactor = ClockReactor()
        self.resolver = Resolver()
        self.reactor.nameResolver = self.resolver  # type: ignore[attr-defined]
        self.plane = FastPlane(self.reactor)
        self.addCleanup(self.plane.close, 0)

    def test_slowResolver(self) -> None:
        """A resolver that does not answer is not waited for longer than that."""
        connecting = self.plane.connect(Target("example.com", 443), 10.0)
        self.reactor.advance(9.9)
        self.assertNoResult(connecting)
        self.reactor.advance(0.1)
        self.failureResultOf(connecting, TimeoutError)
        self.resolver.answer(IPv4Address("TCP", "127.0.0.1", 1))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_whatIsLeft(self) -> None:
        """What the resolver took is not there for connecting any more."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listening.close)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
            self.addCleanup(waiting.close)
        connecting = self.plane.connect(Target("example.com", listening.getsockname()[1]), 10.0)
        self.reactor.advance(8.0)
        self.resolver.answer(IPv4Address("TCP", "127.0.0.1", 1))
        self.reactor.advance(1.9)
        self.assertNoResult(connecting)
        self.reactor.advance(1.1)
        self.failureResultOf(connecting, TimeoutError)

    def test_cancelled(self) -> None:
        """Whoever stops waiting in the meantime leaves nothing behind."""
        connecting = self.plane.connect(Target("example.com", 443), 10.0)
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.resolver.answer(IPv4Address("TCP", "127.0.0.1", 1))
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class ResolveTests(SynchronousTestCase):
    """From names to addresses."""

    def setUp(self) -> None:
        self.resolver = Resolver()

    def test_literals(self) -> None:
        """Addresses need no resolver."""
        self.assertEqual(self.successResultOf(resolve(None, "192.0.2.1", 80)), [(V4, ("192.0.2.1", 80))])
        self.assertEqual(self.successResultOf(resolve(None, "2001:db8::1", 80)), [(V6, ("2001:db8::1", 80, 0, 0))])

    def test_zone(self) -> None:
        """A link-local address has its interface with it."""
        found = self.successResultOf(resolve(None, "fe80::1%lo", 80))
        self.assertEqual(found, [(V6, ("fe80::1", 80, 0, socket.if_nametoindex("lo")))])

    test_zone.skip = None if "lo" in dict(socket.if_nameindex()).values() else "no lo"  # type: ignore[attr-defined]

    def test_unknownZone(self) -> None:
        """An interface that does not exist is an OSError like any other, not an exception out of the blue."""
        self.failureResultOf(resolve(None, "fe80::1%nonexistent0", 80), OSError)

    def test_localhost(self) -> None:
        """Loopback needs none either, in both families."""
        for name in ("localhost", "demo.localhost"):
            found = self.successResultOf(resolve(None, name, 80))
            self.assertEqual([each[1][0] for each in found], ["127.0.0.1", "::1"])

    def test_names(self) -> None:
        """Other names are asked for each time, and come in the resolver's order."""
        found = resolve(self.resolver, "example.com", 443)
        self.assertNoResult(found)
        self.resolver.answer(IPv6Address("TCP", "2001:db8::1", 443), IPv4Address("TCP", "192.0.2.1", 443))
        self.assertEqual(
            self.successResultOf(found), [(V6, ("2001:db8::1", 443, 0, 0)), (V4, ("192.0.2.1", 443))]
        )

    def test_unknown(self) -> None:
        """A name without an address is an OSError with words."""
        found = resolve(self.resolver, "nowhere.example", 443)
        self.resolver.answer()
        error = self.failureResultOf(found, OSError).value
        self.assertIn("nowhere.example", str(error))

    def test_cancelled(self) -> None:
        """Whoever has stopped waiting is not bothered by a late answer."""
        for addresses in ((), (IPv4Address("TCP", "192.0.2.1", 443),)):
            found = resolve(self.resolver, "example.com", 443)
            found.cancel()
            self.failureResultOf(found, CancelledError)
            self.resolver.answer(*addresses)

    def test_hostNameThatCannotBe(self) -> None:
        """A host that cannot be a name is an OSError; resolvers would not answer at all."""
        for host in ("a..b", "x" * 64 + ".example"):
            self.failureResultOf(resolve(self.resolver, host, 443), OSError)
        self.assertEqual(self.resolver.asked, [])
