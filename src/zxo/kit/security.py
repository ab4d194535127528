"""Signed tokens (JWT): the ring of keys, and what a token must look like."""

import hashlib
import hmac
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

from zxo.kit.errors import Unauthorized

# RFC 9864 renames EdDSA to Ed25519, which few verifiers know yet.
warnings.filterwarnings("ignore", message="EdDSA is deprecated")

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


_Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
# In the one spelling that we write: ended sessions are compared as text.
_Uuid = Annotated[
    str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
]
_Seconds = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class _Claims(msgspec.Struct):
    """What every token of ours holds: a signature alone does not make a text a number."""

    sid: _Uuid
    jti: _Uuid
    iat: _Seconds
    exp: _Seconds
    iss: str
    aud: str
    user_id: _Id = msgspec.field(name="userId")
    # We never write it: a token that may not be used yet is not ours, whatever time it names.
    nbf: msgspec.UnsetType = msgspec.UNSET


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
        self._keys = {_header_of(key): key for key in keys}
        self._signing = keys[0]
        self._issuer = issuer
        self._audience = audience
        self._verified: dict[str, dict[str, Any]] = {}

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
            said = msgspec.convert(claims, _Claims)
        except KeyError:
            raise TokenInvalid("unknown key") from None
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise TokenInvalid(type(error).__name__) from None
        if (said.iss, said.aud) != (self._issuer, self._audience):
            raise TokenInvalid("made for somebody else")
        # Expiry is judged by the injected clock, at every use.
        return claims

    def _claims(self, token: str) -> dict[str, Any]:
        """The signed claims. Raises KeyError, TypeError, JoseError, ValueError, RecursionError.

        The header is never parsed: it is, letter by letter, one that a key of ours writes, or the
        token is not ours. So nothing that stands in one (jwk, jku, crit, two algs) can matter.
        HS256 takes a short way, for a log-in's first request waits for it (docs/adr/0010).
        """
        header, _, rest = token.partition(".")
        key = self._keys[header]
        if isinstance(key.key, OctKey):
            return _verified_payload(key.key.raw_value, header, rest)
        return jwt.decode(token, key.key, algorithms=[key.algorithm]).claims


def _header_of(key: Key) -> str:
    """The first part of every token that `key` signs; joserfc writes just this."""
    return urlsafe_b64encode(msgspec.json.encode(_header(key))).decode().rstrip("=")


def _header(key: Key) -> dict[str, str]:
    return {"typ": "JWT", "alg": key.algorithm, "kid": key.kid}


def _verified_payload(secret: bytes, header: str, rest: str) -> dict[str, Any]:
    """The claims of an HS256 token. Raises TokenInvalid, ValueError."""
    payload, _, signature = rest.partition(".")
    expected = urlsafe_b64encode(hmac.digest(secret, f"{header}.{payload}".encode(), "sha256"))
    # The text is compared, not what it decodes to: then there is one spelling of a signature.
    if not hmac.compare_digest(expected.rstrip(b"="), signature.encode()):
        raise TokenInvalid("bad signature")
    raw = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    return msgspec.json.decode(raw, type=dict[str, Any])
