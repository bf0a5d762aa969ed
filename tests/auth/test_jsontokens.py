"""The `jwt` authenticator: signatures, claims, times, and keys that change."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from diglett.accounts import Credentials, Limits
from diglett.auth.jsontokens import JsonWebTokens, create
from diglett.auth.jwtkeys import UrlKeys, parse
from diglett.errors import LoginRefused, UsageError
from diglett.interfaces import IAuthenticator, PluginContext
from tests.service import Service

ED = ed25519.Ed25519PrivateKey.generate()
OTHER = ed25519.Ed25519PrivateKey.generate()
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
CLAIMS = {"sub": "alice", "aud": "diglett", "exp": 2000, "names": ["alice", "alice-*"], "limits": {"agents": 2}}


def pem(key) -> bytes:
    """The public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(key=ED, algorithm="EdDSA", keyId=None, **claims) -> str:
    """A token of the usual claims, changed by `claims`; None takes one away."""
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(merged, key, algorithm, headers={"kid": keyId} if keyId else None)


def jwk(key, algorithm, **more) -> dict:
    """An entry of a JWKS document."""
    kind = {"EdDSA": "OKPAlgorithm", "ES256": "ECAlgorithm", "RS256": "RSAAlgorithm"}[algorithm]
    return {**json.loads(getattr(jwt.algorithms, kind).to_jwk(key.public_key())), **more}


class JwtTestCase(SynchronousTestCase):
    """What the tests of both kinds of keys share."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.path = Path(self.mktemp())
        self.path.write_bytes(pem(ED))
        self.changes = []
        self.events = []
        log = Logger("test", observer=self.events.append)
        self.context = PluginContext(self.clock, self.path.parent, "gateway.com", "g1", log)

    def started(self, options: str = "") -> JsonWebTokens:
        made = create(f"{self.path},audience=diglett{options}", self.context)
        made.start(lambda: self.changes.append(True))
        self.addCleanup(made.stop)
        return made

    def login(self, made: JsonWebTokens, token: str | None) -> Deferred:
        return Deferred.fromCoroutine(made.authenticate(Credentials(token)))

    def refused(self, made: JsonWebTokens, token: str | None) -> str:
        return str(self.failureResultOf(self.login(made, token), LoginRefused).value)


class ClaimTests(JwtTestCase):
    """Tokens and their claims, with one key in a file."""

    def test_login(self) -> None:
        """The subject is the account, with the names and limits of its claims; expiry does not end it."""
        made = self.started()
        verifyObject(IAuthenticator, made)
        account = self.successResultOf(self.login(made, signed()))
        self.assertEqual((account.id, account.patterns), ("alice", ("alice", "alice-*")))
        self.assertEqual((account.limits, account.expires), (Limits(agents=2), None))
        self.assertTrue(made.authorize(account, "alice-x"))
        self.assertFalse(made.authorize(account, "bob"))

    def test_noNames(self) -> None:
        """No names claim, or an empty one, allows nothing."""
        made = self.started()
        for names in (None, []):
            account = self.successResultOf(self.login(made, signed(names=names)))
            self.assertFalse(made.authorize(account, "alice"))

    def test_badClaims(self) -> None:
        """What is missing or of the wrong kind refuses the whole token."""
        made = self.started()
        for claims in (
            {"sub": None}, {"sub": ""}, {"aud": None}, {"aud": "other"}, {"aud": []}, {"exp": None}, {"exp": 900},
            {"nbf": 1100}, {"names": "*"}, {"names": [1]}, {"names": ["A B"]}, {"limits": []},
            {"limits": {"agents": -1}},
        ):  # fmt: skip
            self.refused(made, signed(**claims))

    def test_times(self) -> None:
        """Clocks may differ by half a minute."""
        made = self.started()
        for claims in ({"exp": 971}, {"nbf": 1030}):
            self.successResultOf(self.login(made, signed(**claims)))
        for claims in ({"exp": 970}, {"nbf": 1031}):
            self.refused(made, signed(**claims))

    def test_audiences(self) -> None:
        """One of several audiences will do."""
        self.successResultOf(self.login(self.started(), signed(aud=["other", "diglett"])))

    def test_issuer(self) -> None:
        """If an issuer is asked for, it must be there and be the one."""
        made = self.started(",issuer=https://id.test")
        self.successResultOf(self.login(made, signed(iss="https://id.test")))
        for issuer in (None, "https://other.test"):
            self.refused(made, signed(iss=issuer))

    def test_otherClaims(self) -> None:
        """Names and limits may come by other names."""
        made = self.started(",names-claim=tunnels,limits-claim=most")
        account = self.successResultOf(self.login(made, signed(tunnels=["t"], most={"names": 1})))
        self.assertEqual((account.patterns, account.limits), (("t",), Limits(names=1)))

    def test_nonsense(self) -> None:
        """Anything that is not a token signed by the key is refused."""
        made = self.started()
        head, body, signature = signed().split(".")
        evil = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "sub": "root"}).encode()).rstrip(b"=").decode()
        forged, bare = f"{head}.{evil}.{signature}", f"{head}.{body}."
        for token in (None, "", "x", "a.b.c", forged, bare, signed(OTHER), "x" * 20_000):
            self.refused(made, token)

    def test_algorithms(self) -> None:
        """A token cannot choose how it is verified: not by nothing, nor by the public key as a shared secret."""
        made = self.started()
        self.refused(made, jwt.encode(CLAIMS, None, "none"))
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
        body = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).rstrip(b"=")
        import hashlib
        import hmac

        digest = hmac.new(pem(ED), head + b"." + body, hashlib.sha256).digest()
        self.refused(made, b".".join((head, body, base64.urlsafe_b64encode(digest).rstrip(b"="))).decode())

    def test_disconnect(self) -> None:
        """If asked for, the end of the token is the end of the session."""
        made = self.started(",disconnect=yes")
        account = self.successResultOf(self.login(made, signed()))
        self.assertEqual(account.expires, 2030.0)
        self.clock.advance(1029)
        self.successResultOf(Deferred.fromCoroutine(made.refresh(account)))
        self.clock.advance(1)
        self.failureResultOf(Deferred.fromCoroutine(made.refresh(account)), LoginRefused)

    def test_otherKey(self) -> None:
        """A key the operator changes ends the sessions of those who came by the old one, expired or not."""
        made = self.started()
        account = self.successResultOf(self.login(made, signed()))
        self.clock.advance(5000)
        self.successResultOf(Deferred.fromCoroutine(made.refresh(account)))
        self.path.write_bytes(pem(RSA))
        self.clock.advance(2)
        self.assertEqual(self.changes, [True])
        self.failureResultOf(Deferred.fromCoroutine(made.refresh(account)), LoginRefused)

    def test_badArguments(self) -> None:
        """Keys and audience are needed, and options must be known and sensible."""
        for argument in (
            "", "/k", "audience=a", "/k,audience=", "/k,audience=a,disconnect=maybe", "/k,audience=a,leeway=x",
            "/k,audience=a,isuer=b", "http://id.example/jwks,audience=a",
        ):  # fmt: skip
            self.assertRaises(UsageError, create, argument, self.context)


class KeyFileTests(JwtTestCase):
    """`parse`: PEM and JWKS."""

    def test_kinds(self) -> None:
        """Each kind of key verifies its own algorithm."""
        for key, algorithm in ((ED, "EdDSA"), (EC, "ES256"), (RSA, "RS256")):
            self.path.write_bytes(pem(key))
            self.successResultOf(self.login(self.started(), signed(key, algorithm)))

    def test_set(self) -> None:
        """In a set the key is chosen by id, or by being the only one of its algorithm."""
        keys = [jwk(ED, "EdDSA", kid="a"), jwk(OTHER, "EdDSA", kid="b"), jwk(EC, "ES256", kid="c")]
        self.path.write_text(json.dumps({"keys": keys}))
        made = self.started()
        self.successResultOf(self.login(made, signed(OTHER, keyId="b")))
        self.successResultOf(self.login(made, signed(EC, "ES256")))
        for token in (signed(OTHER, keyId="a"), signed(ED), signed(ED, keyId="z"), signed(ED, keyId="c")):
            self.refused(made, token)

    def test_passedOver(self) -> None:
        """Keys of other kinds or for other uses in a set are passed over, and one that says another algorithm."""
        good = jwk(ED, "EdDSA", kid="a")
        weak = jwk(rsa.generate_private_key(65537, 1024), "RS256", kid="w")
        others = [
            {**good, "use": "enc"},
            {**good, "alg": "ES256"},
            {**good, "d": "secret"},
            {"kty": "oct", "k": "AAAA"},
            {"kty": "EC", "crv": "P-256", "x": "!", "y": "!"},
            {},
            "x",
            weak,
        ]
        [key] = parse(json.dumps({"keys": [*others, good]}).encode())
        self.assertEqual((key.id, key.algorithm), ("a", "EdDSA"))
        self.assertRaises(UsageError, parse, json.dumps({"keys": others}).encode())

    def test_bad(self) -> None:
        """Private keys, small or strange keys, and nonsense are no public keys."""
        private = ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        small = pem(rsa.generate_private_key(65537, 1024))
        strange = pem(ec.generate_private_key(ec.SECP384R1()))
        for data in (private, small, strange, b"", b"{}", b"[]", b'{"keys": 1}', b"-----BEGIN x", b"[" * 100_000):
            self.assertRaises(UsageError, parse, data)


class KeyAddressTests(JwtTestCase):
    """`UrlKeys` against a service in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.service = Service()
        self.publish(jwk(ED, "EdDSA", kid="a"))
        self.keys = UrlKeys("https://id.test/jwks", self.clock, self.context.log, agent=self.service.agent)
        self.made = JsonWebTokens(self.keys, self.context, {"audience": "diglett"})
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.addCleanup(self.made.stop)

    def publish(self, *keys) -> None:
        self.service.answer = lambda: (200, {"keys": list(keys)})

    def login(self, made: JsonWebTokens, token: str | None) -> Deferred:
        login = super().login(made, token)
        self.service.agent.flush()
        return login

    def test_start(self) -> None:
        """The keys are asked for at once; a login that is faster waits for them."""
        _, document = self.service.answer()
        self.service.answer = lambda: None
        self.made.start(print)
        login = self.login(self.made, signed(keyId="a"))
        self.assertNoResult(login)
        self.service.reply(200, document)
        self.successResultOf(login)
        self.assertEqual(len(self.service.requests), 1)

    def test_rotation(self) -> None:
        """A key that is not known yet is asked for; one that is gone ends no session, but lets nobody in."""
        self.made.start(print)
        account = self.successResultOf(self.login(self.made, signed(keyId="a")))
        self.publish(jwk(OTHER, "EdDSA", kid="b"))
        self.clock.advance(10)
        self.successResultOf(self.login(self.made, signed(OTHER, keyId="b")))
        self.successResultOf(Deferred.fromCoroutine(self.made.refresh(account)))
        self.refused(self.made, signed(keyId="a"))

    def test_notTooOften(self) -> None:
        """However many tokens name unknown keys, the issuer is asked every ten seconds at most."""
        self.made.start(print)
        for _ in range(5):
            self.refused(self.made, signed(OTHER, keyId="z"))
        self.assertEqual(len(self.service.requests), 1)
        self.clock.advance(10)
        for _ in range(5):
            self.refused(self.made, signed(OTHER, keyId="z"))
        self.assertEqual(len(self.service.requests), 2)

    def test_regularly(self) -> None:
        """The keys are asked for every five minutes."""
        self.made.start(print)
        self.service.agent.flush()
        for _ in range(3):
            self.clock.advance(300)
            self.service.agent.flush()
        self.assertEqual(len(self.service.requests), 4)

    def test_down(self) -> None:
        """While the issuer is out of order its last keys count, for a day."""
        self.made.start(print)
        self.successResultOf(self.login(self.made, signed(keyId="a", exp=10**6)))
        self.service.answer = lambda: (503, b"")
        for _ in range(288):
            self.clock.advance(300)
            self.service.agent.flush()
        self.successResultOf(self.login(self.made, signed(keyId="a", exp=10**6)))
        self.clock.advance(1)
        failure = self.failureResultOf(self.login(self.made, signed(keyId="a", exp=10**6)), LoginRefused)
        self.assertFalse(failure.value.permanent)
        self.assertIn("cannot get keys from https://id.test/jwks: the answer was 503", formatEvent(self.events[-1]))

    def test_downAtStart(self) -> None:
        """Without any keys yet nobody gets in, and is told to come back."""
        self.service.answer = lambda: (200, b"nonsense")
        self.made.start(print)
        failure = self.failureResultOf(self.login(self.made, signed(keyId="a")), LoginRefused)
        self.assertFalse(failure.value.permanent)

    def test_agentLeaves(self) -> None:
        """An agent that leaves while the issuer is asked does not take the answer from the others."""
        _, document = self.service.answer()
        self.service.answer = lambda: None
        self.made.start(print)
        first, second = (self.login(self.made, signed(keyId="a")) for _ in range(2))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.service.reply(200, document)
        self.successResultOf(second)
