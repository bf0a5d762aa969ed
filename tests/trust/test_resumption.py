"""Who comes back resumes a TLS session; no link of an agent is had in this way."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from weakref import ref

import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.internet import reactor as _reactor
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from diglett.errors import UsageError
from diglett.trust import server as serverModule
from diglett.trust.authority import LocalAuthority
from diglett.trust.client import GatewayTrust
from diglett.trust.contexts import DIGLETT, HTTP, isResumed, makeContext, protocolOf, serverNameOf
from diglett.trust.credentials import loadCredentials
from diglett.trust.server import KEYS, ServerContexts
from tests.trust.forging import named
from tests.trust.shaking import anyClient, credentialsOf, move, say, shake, standardContext, standardShake

reactor: Any = _reactor

Visits = list[tuple[ssl.SSLContext, Any]]
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Rig:
    """A gateway's contexts and visitors; `a.org` and `b.org` have certificates of their own, localhost a local one."""

    def __init__(self, test: SynchronousTestCase | TestCase) -> None:
        self.folder = Path(test.mktemp())
        self.folder.mkdir()
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.ca = trustme.CA()
        self.authority = LocalAuthority.open(self.folder / "state")
        self.trusted = self.folder / "trusted.pem"
        self.trusted.write_bytes(self.authority.certificateFile.read_bytes() + self.ca.cert_pem.bytes())
        self.agents = trustme.CA()
        self.clients = self.folder / "clients.pem"
        self.agents.cert_pem.write_to_path(str(self.clients))
        self.write("a.org")

    def write(self, name: str) -> None:
        """Write the first certificate, for this name."""
        self.ca.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(self.folder / "first.pem"))

    def contexts(self, resumes: bool = True, **options: Any) -> ServerContexts:
        """Make those of one port."""
        return ServerContexts(
            [loadCredentials(self.folder / "first.pem"), credentialsOf(self.ca.issue_cert("b.org"))],
            self.authority,
            alpn=[HTTP, DIGLETT],
            localNames=["localhost", "127.0.0.1"],
            clock=self.clock.seconds,
            resumes=resumes,
            **options,
        )

    def local(self) -> ServerContexts:
        """Make those of one port without certificates from outside."""
        return ServerContexts(authority=self.authority, localNames=["localhost"], resumes=True)

    def visitor(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        """Make one who trusts all of them, in this version of TLS."""
        context = standardContext(self.trusted)
        context.minimum_version = context.maximum_version = version
        return context

    def visits(self, contexts: ServerContexts, name: str = "b.org") -> Visits:
        """Let one of each version come; who they are and their sessions."""
        visitors = [self.visitor(version) for version in VERSIONS]
        return [(each, standardShake(name, each, contexts.connection()).session) for each in visitors]


def resumed(visits: Visits, contexts: ServerContexts, name: str = "b.org") -> list[Any]:
    """Let them come back; whether their sessions are resumed."""
    return [standardShake(name, each, contexts.connection(), session).session_reused for each, session in visits]


class VisitorTests(SynchronousTestCase):
    """Visitors who come back."""

    def setUp(self) -> None:
        self.rig = Rig(self)

    def test_resumed(self) -> None:
        """They resume, again and again, whichever certificate they have seen, and all is said as before."""
        both, local = self.rig.contexts(), self.rig.local()
        for contexts, name in (
            (both, "a.org"), (both, "b.org"), (both, "localhost"), (both, "x.localhost"), (local, "x.localhost"),
            (local, "localhost"),
        ):  # fmt: skip
            for version in VERSIONS:
                visitor, session = self.rig.visitor(version), None
                for expected in (False, True, True):
                    server = contexts.connection()
                    client = standardShake(name, visitor, server, session)
                    self.assertEqual(client.session_reused, expected, (name, version))
                    self.assertEqual(serverNameOf(server), name)
                    session = client.session

    def test_protocols(self) -> None:
        """The protocol is agreed on anew, and visitors without ALPN resume as well."""
        contexts = self.rig.contexts()
        for version in VERSIONS:
            visitor = self.rig.visitor(version)
            session = standardShake("a.org", visitor, contexts.connection()).session
            for offered, agreed in ((["h2", "http/1.1"], HTTP), ([], None), (["h2"], None)):
                visitor.set_alpn_protocols(offered)
                server = contexts.connection()
                self.assertTrue(standardShake("a.org", visitor, server, session).session_reused)
                self.assertEqual(protocolOf(server), agreed)

    def test_otherName(self) -> None:
        """Who wants another name with the session is taken at that word in TLS 1.3, and in 1.2 for the first name."""
        contexts = self.rig.contexts()
        for version, expected in zip(VERSIONS, ("a.org", "b.org"), strict=True):
            visitor, server = self.rig.visitor(version), contexts.connection()
            session = standardShake("a.org", visitor, contexts.connection()).session
            self.assertTrue(standardShake("b.org", visitor, server, session).session_reused)
            self.assertEqual(serverNameOf(server), expected)

    def test_anotherGateway(self) -> None:
        """A ticket of another gateway, or of this one before its restart, leads to a full handshake."""
        self.assertEqual(resumed(self.rig.visits(self.rig.contexts()), self.rig.contexts()), [False, False])

    def test_keys(self) -> None:
        """The keys of tickets are replaced when it is time; who is there stays, and who comes can return."""
        contexts = self.rig.contexts()
        client, server = anyClient(), contexts.connection()
        self.assertTrue(shake(client, server).good)
        for passing, expected in ((KEYS - 1, True), (1, False), (KEYS - 1, True), (1, False), (-1, False)):
            visits = self.rig.visits(contexts)
            self.rig.clock.rightNow += passing
            self.assertFalse(contexts.reload())  # that no certificate has changed is true all the same
            self.assertEqual(resumed(visits, contexts), [expected] * 2, passing)
        self.assertEqual(resumed(self.rig.visits(contexts), contexts), [True, True])
        self.assertEqual(say(client, server, b"still here"), b"still here")

    def test_keysEnd(self) -> None:
        """The old keys are gone from memory with the last connection that began with them."""
        contexts = self.rig.contexts()
        client, server = anyClient("a.org"), contexts.connection()
        old = ref(server.get_context())
        self.assertTrue(shake(client, server).good)
        self.rig.clock.advance(KEYS)
        contexts.reload()
        self.assertIsNotNone(old())
        del client, server
        self.assertIsNone(old())

    def test_keysOfBrokenFiles(self) -> None:
        """They are replaced also while a certificate on disk cannot be used."""
        contexts = self.rig.contexts()
        visits = self.rig.visits(contexts)
        (self.rig.folder / "first.pem").write_text("half a fi")
        self.rig.clock.advance(KEYS)
        self.assertRaises(UsageError, contexts.reload)
        self.assertEqual(resumed(visits, contexts), [False, False])

    def test_newCertificate(self) -> None:
        """Who comes back after a change of certificates sees the new one."""
        contexts = self.rig.contexts()
        visits = self.rig.visits(contexts, "a.org")
        self.rig.write("a.org")
        self.assertTrue(contexts.reload())
        self.assertEqual(resumed(visits, contexts, "a.org"), [False, False])

    def test_notByDefault(self) -> None:
        """Other ports, such as the agents' own, resume nothing, though the client would."""
        contexts = self.rig.contexts(resumes=False)
        self.assertEqual(resumed(self.rig.visits(contexts), contexts), [False, False])

    def test_whereAllAreAsked(self) -> None:
        """A port that asks everybody for a certificate cannot be told to resume."""
        for protocol in (None, HTTP):
            options = {"clientAuthorities": self.rig.clients, "clientProtocol": protocol}
            self.assertRaises(ValueError, self.rig.contexts, **options)


class ExpiryTests(TestCase):
    """The clock of OpenSSL, which is the real one."""

    async def test_expired(self) -> None:
        """A session that is too old leads to a full handshake."""
        rig = Rig(self)
        self.patch(serverModule, "RESUMABLE", 1)
        contexts = rig.contexts()
        visits = rig.visits(contexts)
        self.assertEqual(resumed(visits, contexts), [True, True])
        self.assertEqual([session.ticket_lifetime_hint for _, session in visits], [1, 1])
        await deferLater(reactor, 2.1)
        self.assertEqual(resumed(visits, contexts), [False, False])


class AgentTests(SynchronousTestCase):
    """Links of agents, also on a port shared with visitors."""

    def setUp(self) -> None:
        self.rig = Rig(self)

    def port(self, **options: Any) -> ServerContexts:
        """Make a port shared with visitors."""
        return self.rig.contexts(clientProtocol=DIGLETT, **options)

    def refused(self, contexts: ServerContexts, certified: bool = False) -> None:
        """Check that an agent is let in by a full handshake, and by no session of a visitor's."""
        agent = named(self.rig.agents, ["ann"])
        for version in VERSIONS:
            for name in ("a.org", "b.org", "x.localhost"):
                context = anyClient(version=version, credentials=agent if certified else None).get_context()

                def dial(alpn: bytes, session: Any = None, context: Any = context, name: str = name) -> Any:
                    client, server = SSL.Connection(context, None), contexts.connection()
                    client.set_connect_state()
                    client.set_tlsext_host_name(name.encode())
                    client.set_alpn_protos([alpn])
                    if session is not None:
                        client.set_session(session)
                    outcome = shake(client, server)
                    client.set_shutdown(SSL.SENT_SHUTDOWN)  # else the session is not used again
                    return outcome, client, server

                outcome, client, server = dial(HTTP)
                self.assertTrue(outcome.good)
                server.send(b"x")
                move(server, client)
                self.assertEqual(client.recv(1), b"x")
                session = client.get_session()
                self.assertTrue(dial(HTTP, session)[0].good)
                outcome, client, server = dial(DIGLETT, session)
                self.assertIn("an agent cannot resume a session", str(outcome.server))
                self.assertIn("no application protocol", str(outcome.client))
                self.assertIsNone(protocolOf(server))
                self.assertTrue(dial(DIGLETT)[0].good)

    def test_refused(self) -> None:
        """A visitor's session leads to no link."""
        self.refused(self.port())

    def test_refusedWithCertificate(self) -> None:
        """Nor does it where agents may or must show a certificate, which a resumed session does not."""
        for required in (False, True):
            contexts = self.port(clientAuthorities=self.rig.clients, clientsRequired=required)
            self.refused(contexts, certified=True)

    def test_stillRequired(self) -> None:
        """Without a certificate, where it must be shown, there is no link, with or without a session."""
        contexts = self.port(clientAuthorities=self.rig.clients, clientsRequired=True)
        for version in VERSIONS:
            visitor = self.rig.visitor(version)
            session = standardShake("b.org", visitor, contexts.connection()).session
            visitor.set_alpn_protocols(["diglett/2"])
            for each, why in ((session, "cannot resume"), (None, "did not return a certificate")):
                server = contexts.connection()
                error = self.assertRaises(SSL.Error, standardShake, "b.org", visitor, server, each)
                self.assertIn(why, str(error))

    def test_secondHello(self) -> None:
        """That is so, too, when the server has to ask for another hello first."""

        def oneGroup(*arguments: Any, **options: Any) -> SSL.Context:
            context = makeContext(*arguments, **options)
            context.set_tmp_ecdh(ec.SECP521R1())  # not what clients guess
            return context

        self.patch(serverModule, "makeContext", oneGroup)
        self.refused(self.port())

    def test_noTickets(self) -> None:
        """A link's own session, which may know a client certificate, is resumed by nobody, as whatever."""
        for options in ({}, {"clientAuthorities": self.rig.clients}):
            contexts = self.port(**options)
            agent = self.rig.agents.issue_cert("ann@example.com")
            for version in VERSIONS:
                context = self.rig.visitor(version)
                agent.configure_cert(context)
                context.set_alpn_protocols(["diglett/2"])
                first = standardShake("b.org", context, contexts.connection())
                self.assertEqual(first.selected_alpn_protocol(), "diglett/2")
                for protocol in ("diglett/2", "http/1.1"):
                    context.set_alpn_protocols([protocol])
                    again = standardShake("b.org", context, contexts.connection(), first.session)
                    self.assertEqual((again.session_reused, again.selected_alpn_protocol()), (False, protocol))

    def test_dialling(self) -> None:
        """The agent's own side never tries to, though the server would let it."""
        seen = []
        credentials = credentialsOf(self.rig.ca.issue_cert("a.org"))
        lenient = SSL.Context(SSL.TLS_METHOD)
        lenient.use_certificate(credentials.leaf)
        lenient.use_privatekey(credentials.key)
        lenient.set_tlsext_servername_callback(lambda connection: seen.append(isResumed(connection)))

        def meet(client: SSL.Connection) -> Any:
            server = SSL.Connection(lenient, None)
            server.set_accept_state()
            self.assertTrue(shake(client, server).good)
            self.assertRaises(SSL.WantReadError, client.recv, 1)  # the tickets
            client.set_shutdown(SSL.SENT_SHUTDOWN)  # else the session is not used again
            return client.get_session()

        trust = GatewayTrust("a.org", ca=self.rig.trusted)
        for _ in range(3):
            meet(trust.connection())
        self.assertEqual(seen, [False, False, False])
        client = anyClient("a.org")
        again = SSL.Connection(client.get_context(), None)
        again.set_connect_state()
        again.set_tlsext_host_name(b"a.org")
        again.set_session(meet(client))
        meet(again)
        self.assertEqual(seen[3:], [False, True])
