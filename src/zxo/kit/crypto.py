"""Sealing and indexing at rest, under keys derived from the service's secrets."""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


class Sealer:
    """Seals with the first secret and opens with any of them."""

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        self._ciphers = [AESGCM(_derive(secret, purpose)) for secret in secrets]

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        """`plain`, readable only together with `bound_to` (the row that it belongs to)."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes | None:
        """What was sealed, or None where no secret of ours opens it."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
            except InvalidTag:
                continue
        return None


class Unreadable(Exception):
    """No key of ours opens it: it was changed, moved to another row, or its key is gone."""


class Vault:
    """Seals text into `v1.KID.base64(nonce | ciphertext | tag)`; the first secret seals, all open.

    AES-256-GCM. The kid says which secret it was, so that one can be replaced while rows are read.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._ciphers = {_kid(secret): AESGCM(_derive(secret, "vault")) for secret in secrets}
        self.kid = _kid(secrets[0])

    def seal(self, text: str, bound_to: str) -> str:
        """`text`, readable only with `bound_to`: the column and the row, as `users.phone:7`."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self.kid].encrypt(nonce, text.encode(), bound_to.encode())
        return f"v1.{self.kid}.{b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, bound_to: str) -> str:
        """What was sealed. Raises Unreadable."""
        try:
            version, kid, encoded = sealed.split(".")
            raw = b64decode(encoded, validate=True)
            cipher = self._ciphers[kid]
            plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to.encode())
        except (KeyError, ValueError, InvalidTag):
            raise Unreadable from None
        if version != "v1":
            raise Unreadable
        return plain.decode()

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the first secret."""
        return sealed.startswith(f"v1.{self.kid}.")


class BlindIndex:
    """HMAC-SHA256 of what is looked up without being readable; each purpose has its own key."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._keys: dict[str, bytes] = {}

    def of(self, purpose: str, text: str) -> bytes:
        """32 bytes: the same for the same text, and of no use without the key."""
        key = self._keys.get(purpose) or self._keys.setdefault(
            purpose, _derive(self._secret, f"index:{purpose}")
        )
        return hmac.digest(key, text.encode(), "sha256")


def _kid(secret: str) -> str:
    return hashlib.sha256(b"vault-kid" + secret.encode()).hexdigest()[:8]


def _derive(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret.encode())
