"""Tokens as an attacker makes them, and as only somebody with our secret could."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey

from zxo.kit.security import hmac_key

Claims = dict[str, Any]
OTHER = "a secret that somebody else has made up, long enough"
ID = "5f0c8e52-6a4e-4e0a-9d0a-0d5b8f1f6a11"
WHOLE = {"userId": 1, "sid": ID, "jti": ID, "iat": 1_000, "exp": 2_000}
LONG_AGO, FAR_AHEAD = 1_000_000_000, 9_000_000_000  # seconds since 1970


def encoded(part: object) -> str:
    """`part` (bytes as they are, anything else as compact JSON) in base64url."""
    text = part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
    return urlsafe_b64encode(text).decode().rstrip("=")


def header_of(secret: str, **more: Any) -> dict[str, Any]:
    """The header that our own tokens under `secret` have; None leaves a member out."""
    members = {"typ": "JWT", "alg": "HS256", "kid": hmac_key(secret).kid, **more}
    return {name: value for name, value in members.items() if value is not None}


def signed(secret: str | bytes, header: object, payload: object, digest: str = "sha256") -> str:
    """Truly signed under `secret`, whatever the header says."""
    key = secret.encode() if isinstance(secret, str) else secret
    content = f"{encoded(header)}.{encoded(payload)}"
    return f"{content}.{encoded(hmac.digest(key, content.encode(), digest))}"


def with_header(**more: Any) -> Callable[[str, Claims], str]:
    """Signed with our secret, as nobody but us can, under another header."""
    return lambda secret, claims: signed(secret, header_of(secret, **more), claims)


def with_raw_header(text: str) -> Callable[[str, Claims], str]:
    """The same; KID stands for the name of our key."""

    def forge(secret: str, claims: Claims) -> str:
        return signed(secret, text.replace("KID", header_of(secret)["kid"]).encode(), claims)

    return forge


def with_claims(**changes: Any) -> Callable[[str, Claims], str]:
    """Signed with our secret, with other claims; `...` leaves one out."""

    def forge(secret: str, claims: Claims) -> str:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
        return signed(secret, header_of(secret), kept)

    return forge


def with_payload(payload: object) -> Callable[[str, Claims], str]:
    return lambda secret, _: signed(secret, header_of(secret), payload)


def unsigned(algorithm: str, signature: str = "") -> Callable[[str, Claims], str]:
    def forge(secret: str, claims: Claims) -> str:
        header = header_of(secret, alg=algorithm)
        return f"{encoded(header)}.{encoded(claims)}.{signature}"

    return forge


def rs256(secret: str, claims: Claims) -> str:
    private = generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    header = header_of(secret, alg="RS256")
    return jwt.encode(header, claims, RSAKey.import_key(pem), algorithms=["RS256"])


def with_embedded_key(secret: str, claims: Claims) -> str:
    """Signed with a key of the attacker's, which the header recommends."""
    jwk = {"kty": "oct", "k": encoded(OTHER.encode())}
    return signed(OTHER, header_of(secret, jwk=jwk), claims)


HEADERS = {
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg NONE": unsigned("NONE"),
    "alg nOnE": unsigned("nOnE"),
    "alg none with a signature": unsigned("none", "c2lnbmF0dXJl"),
    "alg empty": unsigned(""),
    "no alg": with_header(alg=None),
    "alg null": with_raw_header('{"typ":"JWT","alg":null,"kid":"KID"}'),
    "alg HS512": with_header(alg="HS512"),
    "alg HS256 in small letters": with_header(alg="hs256"),
    "alg RS256": rs256,
    "alg a list": with_header(alg=["HS256"]),
    "no kid": with_header(kid=None),
    "kid unknown": with_header(kid="00000000"),
    "kid empty": with_header(kid=""),
    "kid a path": with_header(kid="../../../../../../dev/null"),
    "kid SQL": with_header(kid="x' UNION SELECT 'secret' --"),
    "kid a command": with_header(kid="| cat /etc/passwd"),
    "kid with NUL": with_header(kid="a\x00b"),
    "kid a number": with_header(kid=7),
    "kid an object": with_header(kid={"$ne": None}),
    "crit unknown": with_header(crit=["exp-at-once"], **{"exp-at-once": True}),
    "crit empty": with_header(crit=[]),
    "crit of alg": with_header(crit=["alg"]),
    "crit of b64": with_header(crit=["b64"], b64=False),
    "b64 alone": with_header(b64=False),
    "zip": with_header(zip="DEF"),
    "jwk of the attacker": with_embedded_key,
    "jwk beside our signature": with_header(jwk={"kty": "oct", "k": "AAAA"}),
    "jku": with_header(jku="http://127.0.0.1:1/keys.json"),
    "x5u": with_header(x5u="http://127.0.0.1:1/certificate.pem"),
    "x5c": with_header(x5c=["AAAA"]),
    "alg twice": with_raw_header('{"typ":"JWT","alg":"none","alg":"HS256","kid":"KID"}'),
    "alg twice, none last": with_raw_header('{"typ":"JWT","alg":"HS256","alg":"none","kid":"KID"}'),
    "kid twice": with_raw_header('{"typ":"JWT","alg":"HS256","kid":"x","kid":"KID"}'),
    "header not JSON": with_raw_header("HS256"),
    "header a list": with_raw_header('["HS256"]'),
    "header deep": with_raw_header('{"alg":' + "[" * 1500),
    "header not UTF-8": lambda secret, claims: signed(secret, b"\xff\xfe", claims),
    "another secret": lambda secret, claims: signed(OTHER, header_of(secret), claims),
    "another secret and its name": lambda _, claims: signed(OTHER, header_of(OTHER), claims),
    "no secret": lambda secret, claims: signed("", header_of(secret), claims),
    "another digest": lambda secret, claims: signed(secret, header_of(secret), claims, "sha512"),
}

WITHOUT = {
    f"no {name}": with_claims(**{name: ...})
    for name in ("userId", "sid", "jti", "iat", "exp", "iss", "aud")
}

CLAIMS = {
    **WITHOUT,
    "aud another": with_claims(aud="another-app"),
    "aud empty": with_claims(aud=""),
    "aud a list with ours": with_claims(aud=["zxo-app", "another-app"]),
    "iss another": with_claims(iss="https://evil.test"),
    "iss a list": with_claims(iss=["zxo"]),
    "userId a text": with_claims(userId="1"),
    "userId SQL": with_claims(userId="1 OR 1=1"),
    "userId true": with_claims(userId=True),
    "userId null": with_claims(userId=None),
    "userId a fraction": with_claims(userId=1e3),
    "userId a list": with_claims(userId=[1]),
    "userId zero": with_claims(userId=0),
    "userId negative": with_claims(userId=-1),
    "userId beyond 63 bits": with_claims(userId=2**63),
    "userId of 500 digits": with_claims(userId=10**500),
    "sid no UUID": with_claims(sid="1"),
    "sid null": with_claims(sid=None),
    "sid a list": with_claims(sid=[]),
    "sid with a line feed": with_claims(sid=f"{ID}\n"),
    "jti a number": with_claims(jti=7),
    "exp a text": with_claims(exp=str(FAR_AHEAD)),
    "exp null": with_claims(exp=None),
    "exp true": with_claims(exp=True),
    "exp a list": with_claims(exp=[FAR_AHEAD]),
    "exp a fraction": with_claims(exp=FAR_AHEAD + 0.5),
    "exp of 500 digits": with_claims(exp=10**500),
    "exp negative": with_claims(exp=-1),
    "exp NaN": with_claims(exp=float("nan")),
    "exp infinite": with_claims(exp=float("inf")),
    "iat a text": with_claims(iat="yesterday"),
    "nbf ahead": with_claims(nbf=FAR_AHEAD),
    # We never write one: whatever has it is not ours.
    "nbf past": with_claims(nbf=LONG_AGO),
    "payload a list": with_payload([]),
    "payload a text": with_payload("userId"),
    "payload a number": with_payload(1),
    "payload null": with_payload(None),
    "payload empty": with_payload(b""),
    "payload not JSON": with_payload(b"userId=1"),
    "payload not UTF-8": with_payload(b"\xff\xfe\xfd"),
    "payload deep": with_payload(b"[" * 2000 + b"]" * 900),
    "payload cut": with_payload(b'{"userId":1'),
}


def changed(change: Callable[[str, str, str], str]) -> Callable[[str, str], str]:
    return lambda token, _: change(*token.split("."))


def other_alphabet(text: str) -> str:
    """Two letters of it in the alphabet of plain base64."""
    return f"{text[:5]}+/{text[7:]}"


MANGLED: dict[str, Callable[[str, str], str]] = {
    "signature cut by one": lambda token, _: token[:-1],
    "signature cut by half": lambda token, _: token[:-20],
    "signature gone": changed(lambda head, body, _: f"{head}.{body}."),
    "signature and its point gone": changed(lambda head, body, _: f"{head}.{body}"),
    "signature longer": lambda token, _: token + "A",
    "signature twice": changed(lambda head, body, end: f"{head}.{body}.{end}{end}"),
    "a fourth part": lambda token, _: token + ".e30",
    "a fifth part": lambda token, _: token + ".e30.e30",
    "signature padded": lambda token, _: token + "=",
    "payload padded": changed(lambda head, body, end: f"{head}.{body}=.{end}"),
    "header padded": changed(lambda head, body, end: f"{head}==.{body}.{end}"),
    "plain base64": changed(lambda head, body, end: f"{head}.{body}.{other_alphabet(end)}"),
    "parts exchanged": changed(lambda head, body, end: f"{body}.{head}.{end}"),
    "payload of another": changed(lambda head, _, end: f"{head}.{encoded({'userId': 1})}.{end}"),
    "a space inside": changed(lambda head, body, end: f"{head}. {body}.{end}"),
    "a tab inside": changed(lambda head, body, end: f"{head}.{body}.\t{end}"),
    "quoted": lambda token, _: f'"{token}"',
    "two tokens": lambda token, _: f"{token} {token}",
    "a list of tokens": lambda token, _: f"{token},{token}",
    "in capitals": lambda token, _: token.upper(),
    "Latin-1": lambda token, _: token + "é",
    "percent-encoded": lambda token, _: token.replace(".", "%2e"),
    "the secret itself": lambda _, secret: secret,
    "only points": lambda *_: "..",
    "a word": lambda *_: "null",
    "5,000 letters": lambda token, _: token + "A" * 5000,
    "a megabyte": lambda token, _: token + "A" * 1_000_000,
    "a megabyte of points": lambda *_: "." * 1_000_000,
}
