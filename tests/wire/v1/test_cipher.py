"""Keys and key streams of version 1, against the recorded ones."""

from __future__ import annotations

import sys
from hashlib import sha256, sha512

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from diglett.errors import ProtocolError, UsageError
from diglett.wire.v1.cipher import BLOCK_SIZE, KeyPair, KeyStream, requireCurve
from tests.wire import cut
from tests.wire.v1.recorded import AGENT, GATEWAY, MATERIAL, VECTORS, Cryptographer, agentPair, gatewayPair

CARRY = VECTORS["counter carry"]
LONG = bytes.fromhex(CARRY["sha512"])
"""Key material with which the counter's lower half is soon full."""
BEFORE = CARRY["blocks before the carry"] * BLOCK_SIZE


class KeyPairTests(SynchronousTestCase):
    """`KeyPair`."""

    def test_public(self) -> None:
        """A known secret has the recorded public key, compressed."""
        self.assertEqual(agentPair().public.hex(), VECTORS["agent"]["public"])
        self.assertEqual(gatewayPair().public.hex(), VECTORS["server"]["public"])

    def test_agree(self) -> None:
        """Both sides come to the recorded material: SHA-512 of the common point's two coordinates."""
        shared = VECTORS["shared"]
        self.assertEqual(sha512(bytes.fromhex(shared["x"] + shared["y"])).digest(), MATERIAL)
        self.assertEqual(agentPair().agree(gatewayPair().public), MATERIAL)
        self.assertEqual(gatewayPair().agree(agentPair().public), MATERIAL)
        self.assertEqual(MATERIAL[:32].hex(), shared["chacha20 key"])
        self.assertEqual(MATERIAL[32:48].hex(), shared["chacha20 iv"])

    def test_carryKeys(self) -> None:
        """The second pair of keys agrees on the recorded material as well."""
        pair = KeyPair(bytes.fromhex(CARRY["agent secret"]))
        self.assertEqual(pair.agree(bytes.fromhex(CARRY["server public"])), LONG)

    def test_new(self) -> None:
        """Keys are never the same twice, and any two pairs agree."""
        one, two = KeyPair(), KeyPair()
        self.assertNotEqual(one.public, two.public)
        self.assertEqual(one.agree(two.public), two.agree(one.public))

    @given(st.binary(max_size=70) | st.binary(min_size=32, max_size=32).map(lambda x: b"\x02" + x))
    def test_anyKey(self, key: bytes) -> None:
        """Whatever a peer calls its key agrees on something or is refused, and nothing else happens."""
        try:
            self.assertEqual(len(agentPair().agree(key)), 64)
        except ProtocolError:
            pass

    def test_noKeys(self) -> None:
        """What is not on the curve, or not compressed, is no key."""
        uncompressed = b"\x04" + bytes.fromhex(VECTORS["shared"]["x"] + VECTORS["shared"]["y"])
        for key in (b"", bytes(33), b"\x02" + b"\xff" * 32, b"\x05" + agentPair().public[1:], uncompressed[:33]):
            self.assertRaises(ProtocolError, agentPair().agree, key)

    def test_missing(self) -> None:
        """Without the package that knows the curve, people are told what to install."""
        self.addCleanup(sys.modules.__setitem__, "coincurve", requireCurve())
        sys.modules["coincurve"] = None  # type: ignore[assignment]
        error = self.assertRaises(UsageError, requireCurve)
        self.assertIn("pip install 'diglett[protocol-v1]'", str(error))


class KeyStreamTests(SynchronousTestCase):
    """`KeyStream`."""

    def stream(self, material: bytes, size: int) -> bytes:
        """The first bytes of a key stream."""
        return Cryptographer(material).apply(bytes(size))

    def test_recorded(self) -> None:
        """All frames of both directions come out as recorded, and what was recorded comes out as the frames."""
        for direction in (AGENT, GATEWAY):
            there, back = Cryptographer(), Cryptographer()
            for frame in direction.frames:
                self.assertEqual(there.apply(frame.plain), frame.encrypted)
                self.assertEqual(back.apply(frame.encrypted), frame.plain)

    def test_carryNow(self) -> None:
        """The counter starts where the vectors say, so that the carry comes when they say."""
        self.assertEqual(int.from_bytes(LONG[32:36], "little"), CARRY["first counter"])
        self.assertEqual(2**32 - CARRY["first counter"], CARRY["blocks before the carry"])

    def test_carry(self) -> None:
        """The key stream goes on behind the carry as the original's does."""
        around = CARRY["key stream around it"]
        start, expected = around["from byte"], bytes.fromhex(around["bytes"])
        self.assertTrue(start < BEFORE < start + len(expected))
        stream = self.stream(LONG, start + len(expected))
        self.assertEqual(stream[start:], expected)
        self.assertEqual(sha256(stream).hexdigest(), CARRY["sha256 of the key stream to there"])

    @given(st.lists(st.integers(0, BEFORE + 1_000), max_size=8), st.integers(-3, 3))
    def test_pieces(self, cuts: list[int], around: int) -> None:
        """In whatever pieces bytes come, the stream is one: also when a piece ends right at the carry, or near it."""
        data = bytes(range(256)) * ((BEFORE + 1_000) // 256)
        together = Cryptographer(LONG).apply(data)
        one = Cryptographer(LONG)
        self.assertEqual(b"".join(map(one.apply, cut(data, [*cuts, BEFORE + around]))), together)

    def test_secondCarry(self) -> None:
        """The carry is one of 64 bits: a full upper half starts anew at 0, and the nonce stays."""
        last = (2**64 - 1).to_bytes(8, "little")
        first = bytes(8)
        wrapped = self.stream(MATERIAL[:32] + last + MATERIAL[40:], 3 * BLOCK_SIZE)
        self.assertEqual(wrapped[BLOCK_SIZE:], self.stream(MATERIAL[:32] + first + MATERIAL[40:], 2 * BLOCK_SIZE))

    def test_upperHalf(self) -> None:
        """The block behind 2**32 - 1 is block 2**32: the same from there as when it is the first."""
        at = lambda counter: MATERIAL[:32] + counter.to_bytes(8, "little") + MATERIAL[40:]  # noqa: E731
        for upper in (0, 1, 2**31):
            before = self.stream(at((upper << 32) + 2**32 - 1), 2 * BLOCK_SIZE)
            self.assertEqual(before[BLOCK_SIZE:], self.stream(at((upper + 1) << 32), BLOCK_SIZE))

    def test_empty(self) -> None:
        """Nothing encrypted is nothing, and takes nothing of the stream, at the carry neither."""
        stream = KeyStream(LONG)
        nothing = memoryview(bytearray())
        stream.apply(b"", nothing)
        out = memoryview(bytearray(BEFORE + 64))
        stream.apply(bytes(BEFORE), out[:BEFORE])
        stream.apply(b"", nothing)
        stream.apply(bytes(64), out[BEFORE:])
        self.assertEqual(out.tobytes(), self.stream(LONG, BEFORE + 64))
