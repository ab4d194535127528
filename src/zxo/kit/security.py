"""Signed tokens (JWT): the ring of keys, and what a token must look like."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from zxo.kit.errors import Unauthorized

REQUIRED = ["userId", "sid", "jti", "iat", "exp", "iss", "aud"]
MAX_TOKEN_LENGTH = 4096
VERIFIED_LIMIT = 20_000
HEADERS_LIMIT = 16


class TokenInvalid(Unauthorized):
    """The token is not one of ours, or was changed."""

    code, message = "token_invalid", "Token 无效"


class TokenExpired(Unauthorized):
    """The token's time is over; /auth/refresh may exchange it."""

    code, message = "token_expired", "登录已过期，请重新登录"


class SessionEnded(Unauthorized):
    """The session of this token was ended, or is over."""

    code, message = "session_ended", "登录已失效，请重新登录"


@dataclass(frozen=True)
class Key:
    """A key and the one algorithm it is used with: a token's header never chooses."""

    kid: str
    algorithm: str
    verifier: bytes | Ed25519PublicKey
    signer: bytes | Ed25519PrivateKey | None = None


def hmac_key(secret: str) -> Key:
    """An HS256 key."""
    raw = secret.encode()
    return Key(hashlib.sha256(b"kid" + raw).hexdigest()[:8], "HS256", raw, raw)


def eddsa_key(pem: str) -> Key:
    """An EdDSA key from PEM text: private to sign and verify, public to verify only.

    Raises ValueError where the text is neither.
    """
    if "PRIVATE" in pem:
        private = load_pem_private_key(pem.encode(), password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 private key")
        return _eddsa(private.public_key(), private)
    public = load_pem_public_key(pem.encode())
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    return _eddsa(public, None)


def _eddsa(public: Ed25519PublicKey, private: Ed25519PrivateKey | None) -> Key:
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Key(hashlib.sha256(b"kid" + raw).hexdigest()[:8], "EdDSA", public, private)


class TokenRing:
    """Signs with the first key and accepts every key: secrets rotate without signing anyone out."""

    def __init__(self, keys: Sequence[Key], issuer: str, audience: str) -> None:
        self._keys = {key.kid: key for key in keys}
        self._signing = keys[0]
        self._issuer = issuer
        self._audience = audience
        self._verified: dict[str, dict[str, Any]] = {}
        self._by_header: dict[str, Key] = {}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with `claims` (which hold iat and exp, in seconds), issuer and audience."""
        payload = {**claims, "iss": self._issuer, "aud": self._audience}
        return jwt.encode(
            payload,
            self._signing.signer,  # type: ignore[arg-type]  # the first key always can sign
            algorithm=self._signing.algorithm,
            headers={"kid": self._signing.kid},
        )

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that we signed; whether it has expired is for the caller to say.

        Verified tokens are remembered: a signature costs more than the rest of a request.
        Raises TokenInvalid.
        """
        known = self._verified.get(token)
        if known is not None:
            return known
        claims = self._decode(token)
        if len(self._verified) >= VERIFIED_LIMIT:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = claims
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise TokenInvalid("too long")
        try:
            key = self._key_of(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key.verifier,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                # Expiry is judged by the injected clock, at every use.
                options={"require": REQUIRED, "verify_exp": False, "verify_iat": False},
            )
        except KeyError:
            raise TokenInvalid("unknown key") from None
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise TokenInvalid(type(error).__name__) from None
        return claims

    def _key_of(self, token: str) -> Key:
        """The key that the token's header names. Raises KeyError, TypeError, InvalidTokenError.

        All tokens of a key have the same header, so its text is read once.
        """
        header = token.partition(".")[0]
        key = self._by_header.get(header)
        if key is None:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            if len(self._by_header) < HEADERS_LIMIT:
                self._by_header[header] = key
        return key
