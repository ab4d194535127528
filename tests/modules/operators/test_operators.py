"""Owners manage operators; everybody their own password; all of it is written down for good."""

import asyncio

import asyncpg
import httpx
import pytest

from tests.factories import Visitor, data, refusal
from tests.modules.operators.conftest import PASSWORD, SignIn, try_log_in
from zxo.context import Context

NEW = "another horse battery"


async def test_an_owner_adds_an_operator_who_signs_in(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    owner = await sign_in("owner")
    body = {"name": "小王", "role": "operator", "password": PASSWORD}
    made = data(await owner.post("/admin/operators", **body), 201)
    assert (made["name"], made["role"]) == ("小王", "operator")
    assert (await try_log_in(client, "小王")).status_code == 200
    listed = data(await owner.get("/admin/operators"))["operators"]
    assert [one["name"] for one in listed] == ["owner", "小王"]


@pytest.mark.parametrize("name", ["OWNER", "ｏwner", "Owner "])
async def test_nobody_is_called_almost_the_same(sign_in: SignIn, name: str) -> None:
    owner = await sign_in("owner")
    answer = await owner.post("/admin/operators", name=name, role="viewer", password=NEW)
    assert refusal(answer, 409) == "operator_name_taken"


@pytest.mark.parametrize(
    "password", ["short horse", "x" * 73, "长" * 25, "My name is Wang 1", "WANGwangWANG"]
)
async def test_a_password_that_is_short_long_or_holds_the_name_is_refused(
    sign_in: SignIn, password: str
) -> None:
    owner = await sign_in("owner")
    answer = await owner.post("/admin/operators", name="wang", role="viewer", password=password)
    assert refusal(answer, 400) == "weak_password"
    assert password not in answer.text


ANYTHING = ["x" * 11 + "y", "a b c d e f!", "短" + "长" * 23, "p" * 71 + "q"]


@pytest.mark.parametrize("password", ANYTHING)
async def test_any_characters_will_do(sign_in: SignIn, password: str) -> None:
    owner = await sign_in("owner")
    data(await owner.post("/admin/operators", name="w", role="viewer", password=password), 201)


# In the list; in it however it is written; and one piece again and again.
OBVIOUS = [
    "1qaz2wsx3edc",
    "1QAZ2wsx3edC",
    "１２３４５６６５４３２１",
    "x" * 12,
    "Abcabcabcabc",
    "长" * 20,
]


@pytest.mark.parametrize("password", OBVIOUS)
async def test_a_password_that_is_tried_first_is_refused(sign_in: SignIn, password: str) -> None:
    owner = await sign_in("owner")
    body = {"name": "小王", "role": "viewer", "password": password}
    assert refusal(await owner.post("/admin/operators", **body), 400) == "weak_password"
    changed = await owner.post("/admin/password", password=PASSWORD, newPassword=password)
    assert refusal(changed, 400) == "weak_password"
    data(await owner.post("/admin/operators", **{**body, "password": f"{password}/y"}), 201)


async def test_somebody_who_is_disabled_is_signed_out_and_cannot_come_back(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    owner, other = await sign_in("owner"), await sign_in("operator")
    path = f"/admin/operators/{other.user['id']}"
    assert data(await owner.put(path, disabled=True))["disabledAt"]
    assert refusal(await other.get("/admin/me"), 401) == "operator_session_ended"
    assert refusal(await try_log_in(client, "operator"), 401) == "invalid_credentials"
    assert data(await owner.put(path, disabled=False))["disabledAt"] is None
    assert (await try_log_in(client, "operator")).status_code == 200


async def test_another_role_counts_at_once_by_a_new_session(sign_in: SignIn) -> None:
    owner, other = await sign_in("owner"), await sign_in("operator")
    data(await owner.put(f"/admin/operators/{other.user['id']}", role="viewer"))
    assert (await other.get("/admin/me")).status_code == 401


async def test_nobody_has_an_id_that_nobody_has(sign_in: SignIn) -> None:
    owner = await sign_in("owner")
    for number in (10**9, 2**63 - 1):
        answer = await owner.put(f"/admin/operators/{number}", role="viewer")
        assert refusal(answer, 404) == "operator_not_found"


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"disabled": True}])
async def test_the_last_owner_stays(sign_in: SignIn, change: dict[str, object]) -> None:
    owner = await sign_in("owner")
    answer = await owner.put(f"/admin/operators/{owner.user['id']}", **change)
    assert refusal(answer, 409) == "last_owner"
    data(await owner.get("/admin/me"))


async def test_of_two_owners_who_put_each_other_out_at_once_one_stays(
    ctx: Context, sign_in: SignIn
) -> None:
    one, two = await sign_in("owner", "one"), await sign_in("owner", "two")
    for _ in range(5):
        await asyncio.gather(
            one.put(f"/admin/operators/{two.user['id']}", disabled=True),
            two.put(f"/admin/operators/{one.user['id']}", disabled=True),
        )
        sql = "SELECT count(*) FROM operators WHERE role = 'owner' AND disabled_at IS NULL"
        assert await ctx.db.fetchval(sql) >= 1


async def test_ones_own_password_is_changed_with_the_old_one_and_ends_other_sessions(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    owner = await sign_in("owner")
    other = Visitor(client, data(await try_log_in(client, "owner"))["token"])
    wrong = await owner.post("/admin/password", password="wrong", newPassword=NEW)
    assert refusal(wrong, 401) == "invalid_credentials"
    data(await owner.post("/admin/password", password=PASSWORD, newPassword=NEW))
    data(await owner.get("/admin/me"))
    assert (await other.get("/admin/me")).status_code == 401
    assert (await try_log_in(client, "owner")).status_code == 401
    assert (await try_log_in(client, "owner", password=NEW)).status_code == 200


async def test_whoever_lost_the_second_factor_sets_it_up_anew(
    ctx: Context, client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    owner, other = await sign_in("owner"), await sign_in("viewer")
    await ctx.db.execute(
        "UPDATE operators SET totp_ciphertext = 'x', totp_confirmed_at = $1 WHERE id = $2",
        ctx.clock.now(),
        other.user["id"],
    )
    assert refusal(await try_log_in(client, "viewer"), 401) == "totp_required"
    data(await owner.put(f"/admin/operators/{other.user['id']}", resetTotp=True))
    assert (await try_log_in(client, "viewer")).status_code == 200


async def test_the_audit_says_who_did_what_when_and_from_where(sign_in: SignIn) -> None:
    owner = await sign_in("owner")
    made = data(await owner.post("/admin/operators", name="w", role="viewer", password=NEW), 201)
    newest, log_in, *_ = data(await owner.get("/admin/audit"))["entries"]
    assert {name: newest[name] for name in ("operatorName", "action", "target", "details")} == {
        "operatorName": "owner",
        "action": "operator.create",
        "target": f"operator:{made['id']}",
        "details": {"name": "w", "role": "viewer"},
    }
    assert newest["address"] == "127.0.0.1"
    assert newest["requestId"]
    assert log_in["action"] == "operator.log_in"
    only = data(await owner.get("/admin/audit", target=f"operator:{made['id']}"))["entries"]
    assert only == [newest]


async def test_the_audit_comes_in_pages(sign_in: SignIn) -> None:
    owner = await sign_in("owner")
    for number in range(5):
        await owner.post("/admin/operators", name=f"w{number}", role="viewer", password=NEW)
    seen, cursor = [], {}
    while True:
        page = data(await owner.get("/admin/audit", limit=2, **cursor))
        seen += [entry["id"] for entry in page["entries"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 7


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE operator_audit SET operator_name = 'somebody else'",
        "DELETE FROM operator_audit",
        "TRUNCATE operator_audit",
    ],
)
async def test_nothing_is_taken_out_of_the_audit(ctx: Context, sign_in: SignIn, sql: str) -> None:
    await sign_in("owner")
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await ctx.db.execute(sql)


async def test_a_weak_new_password_costs_no_try(client: httpx.AsyncClient, sign_in: SignIn) -> None:
    owner = await sign_in("owner")
    for _ in range(6):
        weak = await owner.post("/admin/password", password=PASSWORD, newPassword="short")
        assert refusal(weak, 400) == "weak_password"
    assert (await try_log_in(client, "owner")).status_code == 200
