"""The local CA: what it makes, keeps, and refuses."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import socket
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import UsageError
from diglett.trust import authority as module
from diglett.trust.authority import LocalAuthority

START = 1_800_000_000.0


def openIn(folder: str, together: object, answers: object) -> None:
    """What one of several processes does: open the CA at the same moment as the others."""
    together.wait()  # type: ignore[attr-defined]
    found = LocalAuthority.open(Path(folder))
    leaf = found.issue(["localhost"])
    answers.put((found.certificate.fingerprint(module.hashes.SHA256()), leaf.pin))  # type: ignore


class AuthorityTests(SynchronousTestCase):
    """A CA in a folder."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.clock = Clock()
        self.clock.advance(START)

    def open(self) -> LocalAuthority:
        return LocalAuthority.open(self.folder, self.clock.seconds)

    def refusal(self) -> str:
        return str(self.assertRaises(UsageError, self.open))

    def test_made(self) -> None:
        """The first use makes a CA for ten years that can sign leaves only, named after its owner."""
        self.patch(getpass, "getuser", lambda: "ann")
        self.patch(socket, "gethostname", lambda: "box")
        certificate = self.open().certificate
        name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        self.assertEqual(name, "diglett local CA (ann@box)")
        extensions = certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertTrue(constraints.critical)
        self.assertEqual(constraints.value, x509.BasicConstraints(ca=True, path_length=0))
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        self.assertTrue(usage.key_cert_sign)
        self.assertFalse(usage.digital_signature)
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        self.assertTrue(timedelta(days=3650) < life < timedelta(days=3660))

    def test_modes(self) -> None:
        """The folder is 0700, keys are 0600, and only the certificate may be read by others."""
        self.open()
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.folder.iterdir()}
        self.assertEqual(modes, {"ca.pem": 0o644, "ca.key": 0o600, "gateway.key": 0o600})
        self.assertEqual(self.folder.stat().st_mode & 0o777, 0o700)

    test_modes.skip = None if os.name == "posix" else "modes are POSIX"  # type: ignore[attr-defined]

    def test_kept(self) -> None:
        """The next start has the same CA and the same pin."""
        first, second = self.open(), self.open()
        self.assertEqual(first.certificate, second.certificate)
        self.assertEqual(first.issue(["localhost"]).pin, second.issue(["example.localhost"]).pin)

    def test_longName(self) -> None:
        """A long host name is cut to what X.509 allows."""
        self.patch(socket, "gethostname", lambda: "h" * 200)
        name = self.open().certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0]
        self.assertEqual(len(name.value), 64)

    def test_nameless(self) -> None:
        """An account without a name, as in a container, gets a CA too."""

        def getuser() -> str:
            raise KeyError("getpwuid(): uid not found: 12345")

        self.patch(getpass, "getuser", getuser)
        self.assertIn("(somebody@", self.open().certificate.subject.rfc4514_string())

    def test_race(self) -> None:
        """Processes that start together end with one CA and one pin."""
        context = multiprocessing.get_context("spawn")
        together, answers = context.Barrier(3), context.Queue()
        arguments = (str(self.folder), together, answers)
        processes = [context.Process(target=openIn, args=arguments) for _ in range(3)]
        for process in processes:
            process.start()
            self.addCleanup(process.kill)
        found = {answers.get(timeout=60) for _ in processes}
        for process in processes:
            process.join(60)
        self.assertEqual(len(found), 1)
        self.assertEqual(len(list(self.folder.iterdir())), 3)

    def test_raceOfCertificates(self) -> None:
        """A process that comes second with its certificate uses that of the first."""
        key = module._keptKey(self.makeFolder() / "ca.key")
        theirs = module._pem(module._selfSigned(key, module._moment(self.clock.seconds)))
        create = module.createPrivate

        def beaten(path: Path, data: bytes, **options: int) -> bool:
            if path.name == "ca.pem":
                path.write_bytes(theirs)
            return create(path, data, **options)

        self.patch(module, "createPrivate", beaten)
        self.assertEqual(module._pem(self.open().certificate), theirs)

    def makeFolder(self) -> Path:
        self.folder.mkdir(mode=0o700)
        return self.folder

    def test_interrupted(self) -> None:
        """A first start that died after the key is completed by the next one."""
        self.open()
        key = (self.folder / "ca.key").read_bytes()
        (self.folder / "ca.pem").unlink()
        self.open()
        self.assertEqual((self.folder / "ca.key").read_bytes(), key)

    def test_keyMissing(self) -> None:
        """A CA certificate without its key is refused, not replaced."""
        self.open()
        (self.folder / "ca.key").unlink()
        self.assertIn("ca.key is missing although", self.refusal())
        self.assertFalse((self.folder / "ca.key").exists())

    def test_mismatched(self) -> None:
        """A key of another CA is refused with what to remove."""
        self.open()
        os.replace(self.folder / "gateway.key", self.folder / "ca.key")
        refusal = self.refusal()
        self.assertIn("is not the key of", refusal)
        self.assertIn("remove both", refusal)

    def test_corrupt(self) -> None:
        """Each of the three files, when damaged, is named."""
        for name in ("ca.pem", "ca.key", "gateway.key"):
            self.folder = Path(self.mktemp())
            self.open()
            (self.folder / name).write_text("garbage")
            self.assertIn(str(self.folder / name), self.refusal())

    def test_unwritable(self) -> None:
        """A folder that cannot be written in is one clear sentence."""

        def refuse(*arguments: object, **options: object) -> bool:
            raise PermissionError(13, "Permission denied")

        self.patch(module, "createPrivate", refuse)
        self.assertIn(f"cannot keep a local CA in {self.folder}: Permission", self.refusal())

    def test_expired(self) -> None:
        """After ten years a new CA is asked for, rather than leaves made that nobody accepts."""
        self.open()
        self.clock.advance(timedelta(days=3653).total_seconds())
        self.assertIn("expired on", self.refusal())


class LeafTests(SynchronousTestCase):
    """The certificates it issues."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.authority = LocalAuthority.open(Path(self.mktemp()), self.clock.seconds)

    def test_names(self) -> None:
        """Names and addresses are each of their own kind; names are in lower case."""
        leaf = self.authority.issue(["Example.localhost", "127.0.0.1", "::1"]).leaf
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["example.localhost"])
        self.assertEqual(
            [str(ip) for ip in names.get_values_for_type(x509.IPAddress)], ["127.0.0.1", "::1"]
        )

    def test_life(self) -> None:
        """A leaf is backdated by an hour, and shorter than the 397 days browsers allow."""
        leaf = self.authority.issue(["localhost"]).leaf
        self.assertEqual(leaf.not_valid_before_utc.timestamp(), START - 3600)
        self.assertLess(leaf.not_valid_after_utc - leaf.not_valid_before_utc, timedelta(days=397))

    def test_notBeyond(self) -> None:
        """A leaf never outlives its CA."""
        self.clock.advance(timedelta(days=3640).total_seconds())
        leaf = self.authority.issue(["localhost"]).leaf
        self.assertEqual(leaf.not_valid_after_utc, self.authority.certificate.not_valid_after_utc)

    def test_usage(self) -> None:
        """A leaf is for servers alone and is no CA."""
        extensions = self.authority.issue(["localhost"]).leaf.extensions
        usage = extensions.get_extension_for_oid(ExtensionOID.EXTENDED_KEY_USAGE).value
        self.assertEqual(list(usage), [ExtendedKeyUsageOID.SERVER_AUTH])
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        self.assertFalse(constraints.ca)

    def test_verified(self) -> None:
        """The strict verifier of the web's rules accepts a leaf for its name and no other."""
        leaf = self.authority.issue(["example.localhost"]).leaf
        store = Store([self.authority.certificate])
        builder = PolicyBuilder().store(store).time(leaf.not_valid_before_utc + timedelta(hours=2))
        right = builder.build_server_verifier(x509.DNSName("example.localhost"))
        self.assertEqual(right.verify(leaf, []), [leaf, self.authority.certificate])
        wrong = builder.build_server_verifier(x509.DNSName("other.localhost"))
        self.assertRaises(x509.verification.VerificationError, wrong.verify, leaf, [])

    def test_secret(self) -> None:
        """The representation does not show the keys."""
        self.assertNotIn("key", repr(self.authority).lower().replace("certificate", ""))
