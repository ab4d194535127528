"""Forged and mangled tokens, over HTTP and at the socket: all are 401, none is a 500.

The key ring alone is tested in tests/kit/test_security.py, the life of a token in
tests/modules/auth/test_tokens.py.
"""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from joserfc.jwk import OKPKey

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.auth.test_tokens import claims_of
from tests.modules.notifications.socket_client import connected
from tests.security.forging import (
    CLAIMS,
    HEADERS,
    LONG_AGO,
    MANGLED,
    OTHER,
    WHOLE,
    encoded,
    signed,
    with_claims,
    with_header,
    with_payload,
)
from zxo import embedded
from zxo.context import Context
from zxo.kit.security import TokenInvalid, TokenRing, eddsa_key
from zxo.settings import Settings, TokenSettings

WHERE = [("GET", "/users/me"), ("POST", "/auth/refresh"), ("POST", "/check-in")]


def secret_of(settings: Settings) -> str:
    return settings.tokens.secret.get_secret_value()


async def refused(client: Visitor, authorization: str, *codes: str) -> None:
    """Every kind of route answers 401 in the envelope, and says no more than it must."""
    for method, path in WHERE:
        headers = {"Authorization": authorization.encode("latin-1")}
        answer = await client.request(method, path, headers=headers)
        assert refusal(answer, 401) in codes
        assert answer.headers["www-authenticate"] == "Bearer"
        assert len(answer.content) < 500


@pytest.mark.parametrize("name", [*HEADERS, *CLAIMS])
async def test_a_forged_token_is_refused(
    visitor: Visitor, alice: Visitor, ctx: Context, settings: Settings, name: str
) -> None:
    claims = claims_of(alice.token, settings)
    token = (HEADERS | CLAIMS)[name](secret_of(settings), claims)
    await refused(visitor, f"Bearer {token}", "token_invalid")
    assert not await ctx.db.fetchval("SELECT count(*) FROM check_in_records")


@pytest.mark.parametrize("name", MANGLED)
async def test_a_mangled_token_is_refused(
    visitor: Visitor, alice: Visitor, settings: Settings, name: str
) -> None:
    assert alice.token is not None
    token = MANGLED[name](alice.token, secret_of(settings))
    await refused(visitor, f"Bearer {token}", "token_invalid")


async def test_what_is_forged_here_would_be_accepted_if_nothing_was_wrong(
    visitor: Visitor, alice: Visitor, settings: Settings
) -> None:
    """Or the refusals above would prove nothing."""
    secret, claims = secret_of(settings), claims_of(alice.token, settings)
    for forge in (with_header(), with_claims(), with_payload(claims)):
        person = Visitor(visitor.client, forge(secret, claims))
        assert data(await person.get("/users/me"))["id"] == alice.user["id"]


async def test_a_token_from_the_future_is_accepted(
    visitor: Visitor, alice: Visitor, settings: Settings
) -> None:
    """The clocks of two machines differ by a little; only we can have written an `iat`."""
    claims = claims_of(alice.token, settings)
    forge = with_claims(iat=claims["iat"] + 30)
    data(await Visitor(visitor.client, forge(secret_of(settings), claims)).get("/users/me"))


async def test_a_token_for_everybody_dies_with_its_time(
    visitor: Visitor, alice: Visitor, settings: Settings
) -> None:
    claims = claims_of(alice.token, settings)
    for exp in (0, LONG_AGO, claims["iat"]):
        token = with_claims(exp=exp)(secret_of(settings), claims)
        answer = await Visitor(visitor.client, token).get("/users/me")
        assert refusal(answer, 401) == "token_expired"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "TOKEN",
        "Basic TOKEN",
        "Token TOKEN",
        "JWT TOKEN",
        "Bearer:TOKEN",
        "Bearer\tTOKEN",
        "BearerTOKEN",
        "Bearer, TOKEN",
        "Basic dXNlcjpwYXNz, Bearer TOKEN",
    ],
)
async def test_only_the_bearer_scheme_carries_a_token(
    visitor: Visitor, alice: Visitor, authorization: str
) -> None:
    assert alice.token is not None
    await refused(visitor, authorization.replace("TOKEN", alice.token), "unauthorized")


async def test_a_token_counts_nowhere_but_in_its_header(visitor: Visitor, alice: Visitor) -> None:
    token = str(alice.token)
    names = ("token", "access_token", "jwt", "authorization", "Authorization", "bearer")
    for name in names:
        for answer in (
            await visitor.request("GET", "/users/me", params={name: token}),
            await visitor.request("GET", "/users/me", headers={"Cookie": f"{name}={token}"}),
            await visitor.request("GET", "/users/me", headers={f"X-{name}": f"Bearer {token}"}),
            await visitor.request("POST", "/check-in", json={name: token}),
        ):
            assert refusal(answer, 401) == "unauthorized"


async def test_two_authorization_headers_are_not_two_chances(
    visitor: Visitor, alice: Visitor, bob: Visitor
) -> None:
    """Whatever is made of them, the answer is one person's, or a 401."""
    for first, second in ((alice.token, "x.y.z"), ("x.y.z", alice.token)):
        headers = [("Authorization", f"Bearer {first}"), ("Authorization", f"Bearer {second}")]
        answer = await visitor.client.get("/v1/users/me", headers=headers)
        assert answer.status_code in {200, 401}
        if answer.status_code == 200:
            assert data(answer)["id"] == alice.user["id"]


@pytest.mark.parametrize("gone", ["DELETE FROM users", "UPDATE users SET deleted_at = now()"])
async def test_the_token_of_somebody_who_is_gone_opens_nothing(
    alice: Visitor, ctx: Context, gone: str
) -> None:
    await ctx.db.execute(gone)
    assert refusal(await alice.get("/users/me"), 401) == "account_gone"
    assert refusal(await alice.post("/check-in"), 401) == "account_gone"
    assert refusal(await alice.post("/auth/refresh"), 401) == "account_gone"


def eddsa_pair() -> tuple[str, bytes, bytes]:
    """A private key as PEM, its public key as PEM and as bare bytes."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key()
    public_pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode(), public_pem, public.public_bytes_raw()


async def test_a_public_key_is_no_secret_to_sign_with(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock
) -> None:
    pem, public_pem, raw = eddsa_pair()
    settings = make_settings(services, tokens=TokenSettings(secret=pem, algorithm="EdDSA"))
    kid = eddsa_key(pem).kid
    async with running(settings, clock) as app, client_of(app) as client:
        alice = await Visitor(client).log_in("alice")
        claims = app.state.context.tokens.verify(alice.token)
        for secret in (public_pem, public_pem.strip(), raw, encoded(raw).encode()):
            for algorithm in ("HS256", "EdDSA"):
                header = {"typ": "JWT", "alg": algorithm, "kid": kid}
                token = signed(secret, header, claims)
                await refused(Visitor(client), f"Bearer {token}", "token_invalid")
        data(await alice.get("/users/me"))


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_are_held_to_the_same_under_eddsa(name: str) -> None:
    """The signature is right, as only our own key can make it."""
    private = OKPKey.generate_key("Ed25519")
    ring = TokenRing([eddsa_key(private.as_pem(private=True).decode())], "zxo", "zxo-app")
    true = ring.sign(WHOLE)
    assert ring.verify(true)["userId"] == 1
    payload = CLAIMS[name](OTHER, ring.verify(true)).split(".")[1]
    content = f"{true.partition('.')[0]}.{payload}"
    signature = private.private_key.sign(content.encode())  # type: ignore[union-attr]
    with pytest.raises(TokenInvalid):
        ring.verify(f"{content}.{encoded(signature)}")


@pytest.mark.parametrize("name", ["alg none", "another secret", "exp NaN", "sid no UUID", "jku"])
async def test_a_socket_takes_no_forged_token(
    app: FastAPI, alice: Visitor, settings: Settings, name: str
) -> None:
    token = (HEADERS | CLAIMS)[name](secret_of(settings), claims_of(alice.token, settings))
    async with connected(app) as client:
        client.say(type="auth", token=token)
        assert await client.end() == (4401, "token_invalid")
