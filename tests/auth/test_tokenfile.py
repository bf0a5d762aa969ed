"""The format of the tokens file: what is read, what is refused, and that writing loses nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.accounts import BANDWIDTH_MIN, Limits
from diglett.auth.tokenfile import (
    Token,
    User,
    checkPattern,
    digestOf,
    newToken,
    parse,
    render,
    without,
    withToken,
)
from diglett.errors import UsageError

DIGEST = digestOf("secret")
ALICE = f"""
[user.alice]
names = ["alice", "alice-*"]
agents = 2
max-names = 3
streams = 100
bandwidth = "10M"
comment = "the first"

[[user.alice.token]]
sha256 = "{DIGEST}"
expires = 2030-01-31T12:00:00Z
comment = "laptop"
"""

times = st.none() | st.integers(0, 4_000_000_000).map(float)
counts = st.none() | st.integers(0, 10**9)
comments = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
tokens = st.builds(Token, st.binary(min_size=32, max_size=32).map(bytes.hex), times, comments)
users = st.builds(
    User,
    st.from_regex(r"\A[A-Za-z0-9._@+-]{1,12}\Z"),
    st.lists(st.from_regex(r"\A[a-z0-9*?-]{1,9}\Z"), max_size=3).map(tuple),
    st.builds(Limits, counts, counts, counts, st.none() | st.integers(BANDWIDTH_MIN, 10**12)),
    comments,
    st.lists(tokens, max_size=3).map(tuple),
)


class ParseTests(SynchronousTestCase):
    """`parse` on good and bad files."""

    def refused(self, text: str) -> str:
        return str(self.assertRaises(UsageError, parse, text.encode()))

    def test_everything(self) -> None:
        """All that a user and a token can have is read."""
        [alice] = parse(ALICE.encode())
        self.assertEqual(alice.patterns, ("alice", "alice-*"))
        self.assertEqual(alice.limits, Limits(2, 3, 100, 10_000_000))
        self.assertEqual(alice.tokens, (Token(DIGEST, 1896091200.0, "laptop"),))
        account = alice.account(alice.tokens[0])
        self.assertEqual((account.id, account.expires), ("alice", 1896091200.0))

    def test_bandwidth(self) -> None:
        """A bandwidth is a number or has a unit; one that is none, or so low that links seem dead, is an error."""
        for text, limit in (("100000", 100_000), ('"500K"', 500_000), ('"1G"', 10**9)):
            [alice] = parse(ALICE.replace('"10M"', text).encode())
            self.assertEqual(alice.limits.bandwidth, limit)
        for text in ("99999", "true", "1.5", '"10m"', '"M"', '"-1M"', '"10 M"', '"1T"', '"99K"'):
            self.assertIn("user alice: bandwidth must be", self.refused(ALICE.replace('"10M"', text)))

    def test_times(self) -> None:
        """A date is its first moment, a time without zone is UTC, and another zone is converted."""
        for text, seconds in (
            ("2030-01-31", 1896048000.0),
            ("2030-01-31T12:00:00", 1896091200.0),
            ("2030-01-31T13:00:00+01:00", 1896091200.0),
        ):
            [alice] = parse(ALICE.replace("2030-01-31T12:00:00Z", text).encode())
            self.assertEqual(alice.tokens[0].expires, seconds)

    def test_noNames(self) -> None:
        """A user without names is an error, not somebody who may use all or none by accident."""
        self.assertIn('names = ["*"]', self.refused('[user.alice]\ncomment = "x"'))

    def test_emptyNames(self) -> None:
        """An empty list of names allows nothing."""
        [alice] = parse(b"[user.alice]\nnames = []")
        self.assertEqual(alice.patterns, ())

    def test_empty(self) -> None:
        """An empty file is an error: an editor may be just about to write it."""
        for text in ("", " \n\n"):
            self.assertIn("empty", self.refused(text))

    def test_noUsers(self) -> None:
        """A file with nothing but a remark has no users."""
        self.assertEqual(parse(b"# nobody yet\n"), ())

    def test_refused(self) -> None:
        """Whatever is wrong is named, with its place."""
        for old, new, reason in (
            ("[user.alice]", "[user.alice", "not valid TOML"),
            ("agents = 2", 'agents = "2"', "user alice: agents must be a whole number"),
            ("agents = 2", "agents = true", "agents must be a whole number"),
            ("agents = 2", "agents = -1", "not below 0"),
            ("agents = 2", "agent = 2", "unknown key 'agent'; did you mean agents?"),
            ('["alice", "alice-*"]', '"alice"', "names must be a list"),
            ('["alice", "alice-*"]', "[1]", "names must be a list of strings"),
            ('["alice", "alice-*"]', '["Alice"]', "pattern 'Alice'"),
            (DIGEST, "secret", "64 hexadecimal digits"),
            ("sha256", "token", "unknown key 'token'"),
            ("2030-01-31T12:00:00Z", '"soon"', "expires must be a date"),
            ("[user.alice]", "[users.alice]", "unknown key 'users'; did you mean user?"),
            ("[user.alice]", '[user."al ice"]\nnames = []\n[user.alice]', "the user 'al ice'"),
        ):
            self.assertIn(reason, self.refused(ALICE.replace(old, new)))

    def test_twice(self) -> None:
        """One token cannot be two users'."""
        self.assertIn("twice", self.refused(ALICE + ALICE.replace("alice", "bob")))

    def test_notText(self) -> None:
        """Bytes that are not UTF-8 are an error like any other."""
        self.assertRaises(UsageError, parse, b'[user.alice]\nnames = ["\xff"]')

    @settings(deadline=None)
    @given(st.lists(users, max_size=4, unique_by=lambda user: user.name).map(tuple))
    def test_roundTrip(self, written: tuple[User, ...]) -> None:
        """Whatever is written is read back the same."""
        digests = [token.digest for user in written for token in user.tokens]
        if len(set(digests)) == len(digests):
            self.assertEqual(parse(render(written).encode()), written)


class ChangeTests(SynchronousTestCase):
    """`withToken` and `without`."""

    def setUp(self) -> None:
        self.users = parse(ALICE.encode())

    def test_add(self) -> None:
        """A token is added to a known user, or with a new one."""
        token = Token(digestOf("other"))
        [alice] = withToken(self.users, self.users[0], token)
        self.assertEqual(len(alice.tokens), 2)
        both = withToken(self.users, User("bob", ("*",)), token)
        self.assertEqual([user.name for user in both], ["alice", "bob"])

    def test_revokeToken(self) -> None:
        """A token goes by its id, and its user stays."""
        users, gone = without(self.users, DIGEST[:8])
        self.assertEqual([(user.name, token.digest) for user, token in gone], [("alice", DIGEST)])
        self.assertEqual(users[0].tokens, ())

    def test_revokeUser(self) -> None:
        """A user goes with all tokens; somebody unknown changes nothing."""
        users, gone = without(self.users, "alice")
        self.assertEqual((users, len(gone)), ((), 1))
        self.assertEqual(without(self.users, "bob"), (self.users, []))


class SecretTests(SynchronousTestCase):
    """Tokens and patterns."""

    def test_tokens(self) -> None:
        """Tokens are long, different, and fit for a shell and a command line."""
        made = {newToken() for _ in range(50)}
        self.assertEqual(len(made), 50)
        for token in made:
            self.assertRegex(token, r"\Adig_[A-Za-z0-9_-]{43}\Z")

    def test_digest(self) -> None:
        """The hash is what `printf %s TOKEN | sha256sum` prints."""
        self.assertEqual(digestOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")

    def test_patterns(self) -> None:
        """Patterns are lower case and of the characters names have, and wildcards."""
        for good in ("*", "alice-*", "t?st", "[a-c]*", "xn--bcher-kva"):
            self.assertEqual(checkPattern(good), good)
        for bad in ("", "A", "a.b", "a b", "ü", "x" * 81):
            self.assertRaises(UsageError, checkPattern, bad)
