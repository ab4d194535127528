"""Looking people up, giving and taking memberships, bans."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.factories import Visitor, data, refusal
from tests.modules.operators.conftest import SignIn
from zxo.context import Context
from zxo.modules import users

PHONE = "+8613987651234"


SEARCH = "/admin/search/users"


def ids(answer: httpx.Response) -> list[int]:
    return [person["id"] for person in data(answer)["users"]]


async def test_people_are_found_by_id_nickname_openid_and_phone(
    ctx: Context, sign_in: SignIn, alice: Visitor, bob: Visitor
) -> None:
    viewer = await sign_in("viewer")
    data(await alice.put("/users/me", nickname="Run_100%\\Fast"))
    data(await bob.put("/users/me", nickname="Runner"))
    async with ctx.db.transaction() as connection:
        await users.set_phone(ctx, connection, alice.user["id"], PHONE)
    one, two = alice.user["id"], bob.user["id"]
    for by, text, expected in (
        ("id", str(one), [one]),
        ("id", "999999999", []),
        ("openid", "dev_bob", [two]),
        ("openid", "dev_bo", []),
        ("phone", "139 8765 1234", [one]),
        ("phone", "13912345678", []),
        ("nickname", "run", [one, two]),
        ("nickname", "Run_", [one]),
        ("nickname", "run_100%\\", [one]),
        ("nickname", "%", []),
        ("nickname", "Runner!", []),
    ):
        assert ids(await viewer.post(SEARCH, by=by, text=text)) == expected, (
            by,
            text,
        )


async def test_what_cannot_be_looked_up_is_refused(sign_in: SignIn) -> None:
    viewer = await sign_in("viewer")
    for text in ("x", "-1", "1.5", "１２", str(2**63)):
        assert refusal(await viewer.post(SEARCH, by="id", text=text), 400) == "invalid_search"
    assert refusal(await viewer.post(SEARCH, by="phone", text="1"), 400) == "invalid_phone"
    assert refusal(await viewer.post(SEARCH, by="x", text="1"), 400) == "invalid_request"


async def test_people_of_one_name_come_in_pages(sign_in: SignIn, visitor: Visitor) -> None:
    viewer = await sign_in("viewer")
    everybody = [(await visitor.log_in(f"p{n}")).user["id"] for n in range(5)]
    first = await viewer.post(SEARCH, text="戒烟", limit=3)
    rest = await viewer.post(SEARCH, text="戒烟", limit=3, cursor=data(first)["nextCursor"])
    assert (ids(first), ids(rest)) == (everybody[:3], everybody[3:])
    assert data(rest)["nextCursor"] is None


async def test_a_person_is_shown_with_the_number_masked_and_that_is_written_down(
    ctx: Context, sign_in: SignIn, alice: Visitor
) -> None:
    viewer = await sign_in("viewer")
    async with ctx.db.transaction() as connection:
        await users.set_phone(ctx, connection, alice.user["id"], PHONE)
    answer = await viewer.get(f"/admin/users/{alice.user['id']}")
    seen = data(answer)
    assert seen["user"]["phone"] == "139****1234"
    assert seen["sessions"] == 1
    assert "87651234" not in answer.text
    entry = data(await viewer.get("/admin/audit"))["entries"][0]
    assert (entry["action"], entry["target"]) == ("user.view", f"user:{alice.user['id']}")
    assert refusal(await viewer.get("/admin/users/999999999"), 404) == "user_not_found"


async def test_a_membership_is_given_and_taken_at_once(sign_in: SignIn, alice: Visitor) -> None:
    operator, path = await sign_in("operator"), f"/admin/users/{alice.user['id']}"
    given = data(await operator.post(f"{path}/grant", tier="vip", days=7))
    assert (given["memberTypeBefore"], given["memberTypeAfter"]) == ("free", "vip")
    assert given["expiryAfter"] == "2025-12-08T01:00:00Z"
    assert data(await alice.get("/users/me"))["memberType"] == "vip"
    data(await operator.post(f"{path}/grant", tier="ai"))
    down = await operator.post(f"{path}/grant", tier="vip", days=1)
    assert refusal(down, 409) == "membership_downgrade"
    assert data(await operator.post(f"{path}/revoke"))["memberTypeAfter"] == "free"
    assert data(await alice.get("/users/me"))["memberType"] == "free"
    assert refusal(await operator.post(f"{path}/grant", tier="vip"), 400) == "invalid_grant"
    nobody = await operator.post("/admin/users/999999999/grant", tier="vip", days=1)
    assert refusal(nobody, 404) == "user_not_found"


async def test_a_ban_ends_every_session_everywhere_within_a_second(
    sign_in: SignIn, alice: Visitor, other_process: Callable[[Visitor], Visitor]
) -> None:
    operator, elsewhere = await sign_in("operator"), other_process(alice)
    data(await elsewhere.get("/users/me"))
    path = f"/admin/users/{alice.user['id']}"
    data(await operator.post(f"{path}/ban", reason="发广告"))
    assert refusal(await alice.get("/users/me"), 401) == "session_ended"
    async with asyncio.timeout(1):
        while (await elsewhere.get("/users/me")).status_code == 200:
            await asyncio.sleep(0.02)
    again = await Visitor(alice.client).post("/auth/wechat/login", code="dev:alice")
    assert refusal(again, 403) == "account_banned"
    assert again.json()["message"] == "账号已被封禁"
    assert data(await operator.get(path))["user"]["banReason"] == "发广告"
    data(await operator.post(f"{path}/unban"))
    assert data(await (await Visitor(alice.client).log_in("alice")).get("/users/me"))


async def test_no_session_outlives_a_ban_that_comes_at_the_same_moment(
    ctx: Context, sign_in: SignIn, alice: Visitor
) -> None:
    operator, path = await sign_in("operator"), f"/admin/users/{alice.user['id']}"
    for _ in range(10):
        log_ins = [
            Visitor(alice.client).post("/auth/wechat/login", code="dev:alice") for _ in range(6)
        ]
        await asyncio.gather(*log_ins[:3], operator.post(f"{path}/ban", reason="x"), *log_ins[3:])
        sql = "SELECT count(*) FROM sessions WHERE user_id = $1"
        assert await ctx.db.fetchval(sql, alice.user["id"]) == 0
        data(await operator.post(f"{path}/unban"))


async def test_who_is_banned_stands_on_no_board(
    sign_in: SignIn, alice: Visitor, bob: Visitor, drain: Callable[[], asyncio.Future[None]]
) -> None:
    operator = await sign_in("operator")
    for person in (alice, bob):
        data(await person.put("/users/me", province="浙江省", city="杭州市"))
        data(await person.post("/check-in"))
    await drain()

    async def names() -> list[int]:
        board = data(await bob.get("/rankings", type="city"))["rankings"]
        return [line["userId"] for line in board]

    assert set(await names()) == {alice.user["id"], bob.user["id"]}
    path = f"/admin/users/{alice.user['id']}"
    data(await operator.post(f"{path}/ban", reason="x"))
    await drain()
    assert await names() == [bob.user["id"]]
    data(await operator.post(f"{path}/unban"))
    await drain()
    assert set(await names()) == {alice.user["id"], bob.user["id"]}


@pytest.mark.parametrize("reason", ["", " ", "x" * 501, None])
async def test_a_ban_needs_a_reason(sign_in: SignIn, alice: Visitor, reason: str | None) -> None:
    operator = await sign_in("operator")
    answer = await operator.post(f"/admin/users/{alice.user['id']}/ban", reason=reason)
    assert refusal(answer, 400) == "invalid_request"
    assert data(await alice.get("/users/me"))
