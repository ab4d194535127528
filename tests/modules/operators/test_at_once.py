"""What happens at the same moment as a log-in, or as the second factor is set up."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pyotp
import pytest

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.modules.operators.conftest import PASSWORD, SignIn, try_log_in
from tests.modules.operators.test_log_in import enrol
from zxo.context import Context
from zxo.kit import passwords

NEW = "another horse battery"
Meanwhile = Callable[[Callable[[], Awaitable[object]]], Awaitable[httpx.Response]]
BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def log_in_meanwhile(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """A log-in of `owner` during which something happens once the password has been compared."""

    async def log_in(happen: Callable[[], Awaitable[object]]) -> httpx.Response:
        compared, go, matches = asyncio.Event(), asyncio.Event(), passwords.matches

        async def waiting(password: str, password_hash: str) -> bool:
            monkeypatch.setattr(passwords, "matches", matches)
            right = await matches(password, password_hash)
            compared.set()
            await go.wait()
            return right

        monkeypatch.setattr(passwords, "matches", waiting)
        late = asyncio.create_task(try_log_in(client, "owner"))
        await compared.wait()
        await happen()
        go.set()
        return await late

    return log_in


async def test_no_log_in_with_the_old_password_outlives_its_change(
    sign_in: SignIn, log_in_meanwhile: Meanwhile
) -> None:
    owner = await sign_in("owner")

    async def change() -> None:
        data(await owner.post("/admin/password", password=PASSWORD, newPassword=NEW))

    assert refusal(await log_in_meanwhile(change), 401) == "invalid_credentials"


async def test_no_log_in_without_the_second_factor_outlives_its_setting_up(
    sign_in: SignIn, log_in_meanwhile: Meanwhile, clock: FrozenClock
) -> None:
    owner = await sign_in("owner")
    late = await log_in_meanwhile(lambda: enrol(owner, clock))
    assert refusal(late, 401) == "totp_required"


async def test_no_log_in_of_somebody_disabled_waits_for_them_to_be_let_in_again(
    ctx: Context, sign_in: SignIn, log_in_meanwhile: Meanwhile
) -> None:
    owner, boss = await sign_in("owner"), await sign_in("owner", "boss")

    async def disable() -> None:
        data(await boss.put(f"/admin/operators/{owner.user['id']}", disabled=True))

    assert refusal(await log_in_meanwhile(disable), 401) == "invalid_credentials"
    sql = "SELECT count(*) FROM operator_sessions WHERE operator_id = $1"
    assert await ctx.db.fetchval(sql, owner.user["id"]) == 0


@pytest.mark.parametrize("first", ["begin", "confirm"])
async def test_a_factor_begun_anew_never_takes_the_place_of_the_one_confirmed(
    ctx: Context, client: httpx.AsyncClient, sign_in: SignIn, clock: FrozenClock, first: str
) -> None:
    owner = await sign_in("owner")
    totp = pyotp.TOTP(data(await owner.post("/admin/totp"))["secret"])
    calls = {
        "begin": lambda: owner.post("/admin/totp"),
        "confirm": lambda: owner.post("/admin/totp/confirm", code=totp.at(clock.now())),
    }
    order = [first, *(calls.keys() - {first})]
    begun, confirmed = await _queued(ctx, owner, [calls[name] for name in order], order)
    assert sorted((begun.status_code, confirmed.status_code)) in ([200, 400], [200, 409])
    clock.advance(seconds=30)
    if confirmed.status_code == 200:
        assert (await try_log_in(client, "owner", totp=totp.at(clock.now()))).status_code == 200
    else:
        again = pyotp.TOTP(data(begun)["secret"])
        data(await owner.post("/admin/totp/confirm", code=again.at(clock.now())))


async def _queued(
    ctx: Context,
    owner: Visitor,
    calls: list[Callable[[], Awaitable[httpx.Response]]],
    names: list[str],
) -> tuple[httpx.Response, httpx.Response]:
    """Let both wait for the operator's row, in this order; the answers to begin and to confirm."""
    waiting: list[asyncio.Future[httpx.Response]] = []
    async with ctx.db.transaction() as connection:
        sql = "SELECT FROM operators WHERE id = $1 FOR UPDATE"
        await connection.execute(sql, owner.user["id"])
        for number, call in enumerate(calls, start=1):
            waiting.append(asyncio.ensure_future(call()))
            while await ctx.db.fetchval(BLOCKED) < number:
                await asyncio.sleep(0.01)
    answers = dict(zip(names, await asyncio.gather(*waiting), strict=True))
    return answers["begin"], answers["confirm"]
