"""Keys and encryption of version 1: ECDH on secp256k1, SHA-512 of the common point, ChaCha20 without authentication."""

from __future__ import annotations

from hashlib import sha512
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from diglett.errors import ProtocolError, UsageError

PUBLIC_SIZE = 33
BLOCK_SIZE = 64
_CARRY = 2**32
_COUNTERS = 2**64


def requireCurve() -> Any:
    """The package that knows the curve.

    Raises UsageError: it is not installed; few need it, so it is an extra.
    """
    try:
        import coincurve
    except ImportError:
        raise UsageError(
            "version 1 of the protocol needs a package more: pip install 'diglett[protocol-v1]'"
        ) from None
    return coincurve


class KeyPair:
    """One side's keys. To be used for one connection: both directions have the same key stream already."""

    __slots__ = ("public", "_secret")

    def __init__(self, secret: bytes | None = None) -> None:
        """A new pair, or that of a known secret, 32 bytes."""
        private = requireCurve().PrivateKey(secret)
        self._secret: bytes = private.secret
        self.public: bytes = private.public_key.format()

    def agree(self, public: bytes) -> bytes:
        """What both sides know now, 64 bytes: the key, the counter and the nonce of `KeyStream`.

        Raises ProtocolError: the peer's key is none.
        """
        try:
            point = requireCurve().PublicKey(public).multiply(self._secret)
        except ValueError:
            raise ProtocolError("the peer's public key is none") from None
        return sha512(point.format(compressed=False)[1:]).digest()


class KeyStream:
    """One direction's ChaCha20, one continuous key stream for headers and payload; encrypting is decrypting.

    The counter has 64 bits, as in OpenSSL, and starts anywhere. Where its lower half is full `cryptography` refuses to
    go on, and a new cipher does.
    """

    __slots__ = ("_key", "_left", "_next", "_nonce", "_update")

    def __init__(self, material: bytes) -> None:
        self._key = material[:32]
        self._nonce = material[40:48]
        self._start(int.from_bytes(material[32:40], "little"))

    def _start(self, counter: int) -> None:
        """Go on with this block."""
        algorithm = ChaCha20(self._key, counter.to_bytes(8, "little") + self._nonce)
        self._update = Cipher(algorithm, mode=None).encryptor().update_into
        self._left = (_CARRY - counter % _CARRY) * BLOCK_SIZE
        """Bytes until the carry."""
        self._next = (counter // _CARRY + 1) * _CARRY % _COUNTERS

    def apply(self, data: bytes | bytearray | memoryview, out: memoryview) -> None:
        """Encrypt or decrypt `data` into `out`, which has the same size and is other memory."""
        left = self._left - len(data)
        if left >= 0:
            self._left = left
            self._update(data, out)
            return
        here = self._left
        view = memoryview(data)
        self._update(view[:here], out[:here])
        self._start(self._next)
        self.apply(view[here:], out[here:])
