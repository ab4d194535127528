"""Other ways to write a request must not be other ways in."""

import httpx
import pytest

from tests.factories import Visitor, data, refusal
from zxo.context import Context

NOWHERE = [
    b"//v1/users/me",
    b"/v1//users/me",
    b"/v1/users/me/",
    b"/v1/%2e/users/me",
    b"/v1/%2e%2e/v1/users/me",
    b"/v1/..%2fv1/users/me",
    b"/V1/users/me",
    b"/v1/USERS/me",
    b"/v1/users/me;a=1",
    b"/v1/users/me%20",
    b"/v1/users/me%23",
    b"/v1/users/me%3f",
    b"/v1/users/me%25",
    b"/v1/users/me%zz",
    b"/v1\\users\\me",
    b"/v1%5cusers%5cme",
    b"/docs/static/../../../../etc/passwd",
    b"/docs/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    b"/docs/static/..%5c..%5cetc",
    b"/docs/static//etc/passwd",
    b"/.env",
    b"/.git/config",
    b"/" + b"a" * 30_000,
]
BROKEN = [
    b"/v1/users/me%00",
    b"/v1/users/me%0a",
    b"/v1/users/me%0d%0a",
    b"/v1/users/me%09",
    b"/v1/users/me%7f",
    b"/v1/%0a/users/me",
    b"/v1/users/me%c0%ae",
    b"/v1/users/%ff",
    b"/docs/static/%00",
    b"/metrics%0a",
    b"/health%0a",
    b"/v1/regions?parent=%00",
    b"/v1/regions?parent=%ff",
]
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


async def asked(person: Visitor, target: bytes) -> httpx.Response:
    """The answer to exactly this target, which a client would have tidied up."""
    url = httpx.URL("http://zxo.test").copy_with(raw_path=target)
    headers = {"Authorization": f"Bearer {person.token}"}
    return await person.client.get(url, headers=headers)


@pytest.mark.parametrize("target", NOWHERE)
async def test_another_spelling_of_a_path_is_another_path(alice: Visitor, target: bytes) -> None:
    assert refusal(await asked(alice, target), 404) == "not_found"


@pytest.mark.parametrize("target", BROKEN)
async def test_an_address_that_is_no_text_is_refused(alice: Visitor, target: bytes) -> None:
    assert refusal(await asked(alice, target), 400) == "bad_request"


async def test_a_method_comes_from_the_request_line_alone(alice: Visitor, ctx: Context) -> None:
    data(await alice.post("/cravings"))
    for name in OVERRIDES:
        data(await alice.request("GET", "/cravings/stats", headers={name: "DELETE"}))
        answer = await alice.request(
            "POST", "/users/me", headers={name: "PUT"}, json={"nickname": "偷改"}
        )
        assert refusal(answer, 405) == "method_not_allowed"
    assert await ctx.db.fetchval("SELECT count(*) FROM craving_records") == 1
    assert await ctx.db.fetchval("SELECT nickname FROM users") != "偷改"


@pytest.mark.parametrize("field", ["id", "memberType", "totalDays", "makeupCards", "openid"])
async def test_a_profile_takes_no_field_that_is_not_for_people_to_set(
    alice: Visitor, field: str
) -> None:
    answer = await alice.put("/users/me", **{field: 1})
    assert refusal(answer, 400) == "invalid_request"


async def test_a_key_of_somebody_else_replays_nothing(alice: Visitor, bob: Visitor) -> None:
    """Not even what is refused to whoever has no token at all, or one that has ended."""
    key, body = {"Idempotency-Key": "shared"}, {"triggerNote": "只给自己看"}
    first = await alice.request("POST", "/cravings", headers=key, json=body)
    his = await bob.request("POST", "/cravings", headers=key, json=body)
    assert data(his)["id"] != data(first)["id"]
    nobody = Visitor(alice.client)
    assert refusal(await nobody.request("POST", "/cravings", headers=key, json=body), 401)
    data(await alice.post("/auth/logout"))
    again = await alice.request("POST", "/cravings", headers=key, json=body)
    assert refusal(again, 401) == "session_ended"
