"""Signed tokens (JWT): the ring of keys, and what a token must look like."""

import hashlib
import hmac
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

from zxo.kit.errors import Unauthorized

# RFC 9864 renames EdDSA to Ed25519, which few verifiers know yet.
warnings.filterwarnings("ignore", message="EdDSA is deprecated")

REQUIRED = frozenset({"userId", "sid", "jti", "iat", "exp", "iss", "aud"})
MAX_TOKEN_LENGTH = 4096
VERIFIED_LIMIT = 20_000


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
    key: OctKey | OKPKey


def hmac_key(secret: str) -> Key:
    """An HS256 key."""
    return Key(_kid(secret.encode()), "HS256", OctKey.import_key(secret))


def eddsa_key(pem: str) -> Key:
    """An EdDSA key from PEM text: private to sign and verify, public to verify only.

    Raises ValueError where the text is neither.
    """
    try:
        key = OKPKey.import_key(pem)
    except (JoseError, TypeError) as error:
        raise ValueError("not an Ed25519 key") from error
    if key.curve_name != "Ed25519":
        raise ValueError("not an Ed25519 key")
    return Key(_kid(key.as_pem(private=False)), "EdDSA", key)


def _kid(material: bytes) -> str:
    return hashlib.sha256(b"kid" + material).hexdigest()[:8]


class TokenRing:
    """Signs with the first key and accepts every key: secrets rotate without signing anyone out."""

    def __init__(self, keys: Sequence[Key], issuer: str, audience: str) -> None:
        self._keys = {key.kid: key for key in keys}
        self._signing = keys[0]
        self._issuer = issuer
        self._audience = audience
        self._verified: dict[str, dict[str, Any]] = {}
        self._secrets = {
            _header_of(key): key.key.raw_value for key in keys if isinstance(key.key, OctKey)
        }

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with `claims` (which hold iat and exp, in seconds), issuer and audience."""
        key, payload = self._signing, {**claims, "iss": self._issuer, "aud": self._audience}
        return jwt.encode(_header(key), payload, key.key, algorithms=[key.algorithm])

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
            claims = self._claims(token)
        except KeyError:
            raise TokenInvalid("unknown key") from None
        except (JoseError, ValueError, TypeError) as error:
            raise TokenInvalid(type(error).__name__) from None
        if not claims.keys() >= REQUIRED:
            raise TokenInvalid("a claim is missing")
        if (claims["iss"], claims["aud"]) != (self._issuer, self._audience):
            raise TokenInvalid("made for somebody else")
        # Expiry is judged by the injected clock, at every use.
        return claims

    def _claims(self, token: str) -> dict[str, Any]:
        """The signed claims. Raises KeyError, TypeError, JoseError, ValueError.

        A token that has the very header that our own HS256 keys write takes the short way: it costs
        a fifth of the library's, and a log-in's first request waits for it (docs/adr/0010).
        """
        header, _, rest = token.partition(".")
        secret = self._secrets.get(header)
        if secret is not None:
            return _verified_payload(secret, header, rest)
        key = self._keys[jws.extract_compact(token.encode()).headers()["kid"]]
        return jwt.decode(token, key.key, algorithms=[key.algorithm]).claims


def _header_of(key: Key) -> str:
    """The first part of every token that `key` signs."""
    return jwt.encode(_header(key), {}, key.key, algorithms=[key.algorithm]).partition(".")[0]


def _header(key: Key) -> dict[str, str]:
    return {"alg": key.algorithm, "kid": key.kid}


def _verified_payload(secret: bytes, header: str, rest: str) -> dict[str, Any]:
    """The claims of an HS256 token. Raises TokenInvalid, ValueError."""
    payload, _, signature = rest.partition(".")
    expected = urlsafe_b64encode(hmac.digest(secret, f"{header}.{payload}".encode(), "sha256"))
    # The text is compared, not what it decodes to: then there is one spelling of a signature.
    if not hmac.compare_digest(expected.rstrip(b"="), signature.encode()):
        raise TokenInvalid("bad signature")
    raw = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return msgspec.json.decode(raw, type=dict[str, Any])
