"""Tokens are ours, whole, and signed with the algorithm that the key has."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.security import forging
from tests.security.forging import encoded
from zxo.kit import security
from zxo.kit.security import Key, TokenInvalid, TokenRing, eddsa_key, hmac_key

OLD, NEW = "the-old-secret-of-the-ring-0123456789", "the-new-secret-of-the-ring-0123456789"
SID, JTI = "5f0c8e52-6a4e-4e0a-9d0a-0d5b8f1f6a11", "0b7a2b7e-3c1d-4f6e-8a55-6f1d2c3b4a59"
CLAIMS = {"userId": 7, "sid": SID, "jti": JTI, "iat": 1_000, "exp": 2_000}
ISSUER, AUDIENCE = "zxo", "zxo-app"


def ring_of(*keys: Key) -> TokenRing:
    return TokenRing(keys, ISSUER, AUDIENCE)


@pytest.fixture
def ring() -> TokenRing:
    return ring_of(hmac_key(NEW))


def pem_of(private: Any) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem_of(private: Any) -> str:
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture(scope="module")
def private() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def headers(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def signed(key: str = NEW, kid: str | None = None, **changes: Any) -> str:
    """A token as the ring would sign it, with changes; a claim that is None is left out."""
    claims = {**CLAIMS, "iss": ISSUER, "aud": AUDIENCE, **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return forging.signed(key, forging.header_of(NEW, kid=kid or hmac_key(NEW).kid), kept)


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA"])
def test_what_was_signed_is_verified(algorithm: str, private: Ed25519PrivateKey) -> None:
    key = hmac_key(NEW) if algorithm == "HS256" else eddsa_key(pem_of(private))
    ring = ring_of(key)
    token = ring.sign(CLAIMS)
    assert headers(token)["alg"] == algorithm
    assert ring.verify(token) == {**CLAIMS, "iss": ISSUER, "aud": AUDIENCE}
    assert ring_of(key).verify(token) == ring.verify(token)


def test_a_public_key_verifies_what_the_private_key_signed(private: Ed25519PrivateKey) -> None:
    token = ring_of(eddsa_key(pem_of(private))).sign(CLAIMS)
    reader = ring_of(eddsa_key(public_pem_of(private)))
    assert reader.verify(token)["userId"] == 7


def test_a_key_of_another_kind_is_no_eddsa_key() -> None:
    other = generate_private_key(SECP256R1())
    for pem in (pem_of(other), public_pem_of(other), "no key at all"):
        with pytest.raises(ValueError, match=r"."):
            eddsa_key(pem)


def test_an_expired_token_is_verified_all_the_same(ring: TokenRing) -> None:
    """Whether it has expired is for the injected clock to say, at every use."""
    assert ring.verify(ring.sign({**CLAIMS, "exp": 1}))["exp"] == 1


def test_an_unsigned_token_is_refused(ring: TokenRing) -> None:
    _, payload, _ = signed().split(".")
    for algorithm in ("none", "None", "NONE"):
        header = encoded({"alg": algorithm, "typ": "JWT", "kid": hmac_key(NEW).kid})
        for signature in ("", signed().split(".")[2]):
            with pytest.raises(TokenInvalid):
                ring.verify(f"{header}.{payload}.{signature}")


def test_hs256_with_the_public_key_as_its_secret_is_refused(private: Ed25519PrivateKey) -> None:
    key = eddsa_key(pem_of(private))
    raw = private.public_key().public_bytes_raw()
    claims = {**CLAIMS, "iss": ISSUER, "aud": AUDIENCE}
    forged = jwt.encode(claims, raw, "HS256", {"kid": key.kid})
    with pytest.raises(TokenInvalid):
        ring_of(key).verify(forged)


def test_another_hmac_algorithm_than_the_key_has_is_refused(ring: TokenRing) -> None:
    claims = {**CLAIMS, "iss": ISSUER, "aud": AUDIENCE}
    token = jwt.encode(claims, NEW * 2, "HS512", {"kid": hmac_key(NEW).kid})
    with pytest.raises(TokenInvalid):
        ring_of(hmac_key(NEW * 2)).verify(token)
    with pytest.raises(TokenInvalid):
        ring.verify(token)


def test_a_token_of_an_unknown_key_is_refused(ring: TokenRing) -> None:
    with pytest.raises(TokenInvalid, match="unknown key"):
        ring.verify(signed(kid="00000000"))
    with pytest.raises(TokenInvalid):
        ring.verify(signed(OLD))  # a known name, another secret


@pytest.mark.parametrize("kid", [7, ["x"], {"a": 1}, None, True, 1.5])
def test_a_key_name_that_is_no_text_is_refused(ring: TokenRing, kid: object) -> None:
    _, payload, signature = signed().split(".")
    header = encoded({"alg": "HS256", "typ": "JWT", "kid": kid})
    with pytest.raises(TokenInvalid):
        ring.verify(f"{header}.{payload}.{signature}")


def test_a_token_without_a_key_name_is_refused(ring: TokenRing) -> None:
    with pytest.raises(TokenInvalid):
        ring.verify(jwt.encode({**CLAIMS, "iss": ISSUER, "aud": AUDIENCE}, NEW, "HS256"))


@pytest.mark.parametrize(
    "changes",
    [{"iss": "another"}, {"aud": "another"}, {"aud": ["another"]}, {"iss": ""}],
)
def test_a_token_from_or_for_somebody_else_is_refused(ring: TokenRing, changes: Any) -> None:
    with pytest.raises(TokenInvalid):
        ring.verify(signed(**changes))


@pytest.mark.parametrize("name", ["userId", "sid", "jti", "iat", "exp", "iss", "aud"])
def test_a_token_without_a_claim_that_is_needed_is_refused(ring: TokenRing, name: str) -> None:
    assert ring.verify(signed())
    with pytest.raises(TokenInvalid):
        ring.verify(signed(**{name: None}))


def test_any_changed_letter_is_noticed(ring: TokenRing) -> None:
    token = ring.sign(CLAIMS)
    for place in (0, 10, len(token) // 2, len(token) - 10):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(TokenInvalid):
            ring.verify(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        ".",
        "..",
        "a.b.c",
        "\x00",
        "é.ü.ñ",
        "\ud800.a.b",
        "💤" * 100,
        "=" * 4096,
        ".." * 2000,
    ],
)
def test_garbage_is_refused(ring: TokenRing, token: str) -> None:
    with pytest.raises(TokenInvalid):
        ring.verify(token)


def test_a_header_that_is_no_object_is_refused(ring: TokenRing) -> None:
    for header in ([], 1, "x", None):
        with pytest.raises(TokenInvalid):
            ring.verify(f"{encoded(header)}.{encoded(CLAIMS)}.x")


def test_an_endless_token_is_refused_without_being_read(
    ring: TokenRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: str) -> None:
        raise AssertionError("was read")

    monkeypatch.setattr(jwt, "get_unverified_header", read)
    with pytest.raises(TokenInvalid, match="too long"):
        ring.verify("a" * 1_000_000)


def test_a_secret_rotates_without_signing_anybody_out() -> None:
    before = ring_of(hmac_key(OLD))
    old = before.sign(CLAIMS)
    during = ring_of(hmac_key(NEW), hmac_key(OLD))
    assert during.verify(old)["userId"] == 7
    new = during.sign(CLAIMS)
    assert headers(new)["kid"] == hmac_key(NEW).kid != headers(old)["kid"]
    after = ring_of(hmac_key(NEW))
    assert after.verify(new)["userId"] == 7
    with pytest.raises(TokenInvalid):
        after.verify(old)


def test_a_secret_rotates_to_another_algorithm(private: Ed25519PrivateKey) -> None:
    during = ring_of(eddsa_key(pem_of(private)), hmac_key(OLD))
    assert during.verify(ring_of(hmac_key(OLD)).sign(CLAIMS))
    assert headers(during.sign(CLAIMS))["alg"] == "EdDSA"


def test_verified_tokens_are_remembered_but_not_without_end(
    ring: TokenRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "VERIFIED_LIMIT", 3)
    tokens = [ring.sign({**CLAIMS, "iat": number}) for number in range(5)]
    for token in tokens:
        ring.verify(token)
    assert list(ring._verified) == tokens[-3:]
    assert ring.verify(tokens[0])["iat"] == 0


def test_a_refused_token_is_not_remembered(ring: TokenRing) -> None:
    with pytest.raises(TokenInvalid):
        ring.verify(signed(iss="another"))
    assert not ring._verified


def test_a_remembered_token_costs_no_signature(
    ring: TokenRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = ring.sign(CLAIMS)
    first = ring.verify(token)

    def decode(*_: Any, **__: Any) -> None:
        raise AssertionError("was verified again")

    monkeypatch.setattr(jwt, "decode", decode)
    assert ring.verify(token) == first
