"""Exactly so many, however many ask at once; then wait for as long as is said."""

import asyncio
import math
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data, refusal
from tests.kit.valkey import OwnValkey
from tests.limited import BODIES, DAY, MANY, PHONE, Limited, ask, limited, somebody
from zxo import embedded, limits
from zxo.context import Context
from zxo.kit.values import Quota
from zxo.limits import TABLE, Limit
from zxo.settings import LimitSettings

__all__ = ["limited"]  # a fixture


def passed(answers: list[httpx.Response]) -> int:
    """Not refused by a limit. What was too busy before it came to one has not passed either."""
    return sum(
        answer.status_code != 429 and (answer.status_code != 503 or "ratelimit" in answer.headers)
        for answer in answers
    )


ON_ROUTES = [(limit, route) for limit in TABLE for route in limit.routes]


@pytest.mark.parametrize(
    ("limit", "route"), ON_ROUTES, ids=lambda part: getattr(part, "name", part)
)
async def test_exactly_as_many_pass_as_may_of_many_at_once(
    limited: Limited, limit: Limit, route: str
) -> None:
    async with limited() as wide:
        token = await somebody(wide)
    async with limited(**{limit.name: Quota(7, DAY)}) as app:
        answers = await ask(app, route, token, MANY)
    assert passed(answers) == 7
    assert {answer.status_code for answer in answers} <= {200, 400, 401, 404, 429, 503}


@pytest.mark.parametrize("name", [limit.name for limit in TABLE if limit.by == "subject"])
async def test_what_a_body_names_is_counted_just_so(limited: Limited, name: str) -> None:
    async with limited(**{name: Quota(3, DAY)}) as app:
        token = await somebody(app)
        assert passed(await ask(app, "POST /v1/auth/sms/code", token, 60)) == 3
        async with client_of(app) as client:
            other = await client.post("/v1/auth/sms/code", json={"phone": "13900139000"})
            assert other.status_code == 200


async def test_every_limit_of_the_table_has_a_setting_and_is_tried_here(app: FastAPI) -> None:
    assert {limit.name for limit in TABLE} <= LimitSettings.model_fields.keys()
    assert {route.split()[1] for _, route in ON_ROUTES} == BODIES.keys()
    routes = {f"{method} {route.path}" for route in app.routes for method in _methods(route)}
    assert {route for _, route in ON_ROUTES} <= routes


def _methods(route: Any) -> set[str]:
    return getattr(route, "methods", None) or set()


async def test_limits_of_one_person_are_not_those_of_another(limited: Limited) -> None:
    async with limited(cravings=Quota(2, DAY)) as app:
        for name in ("one", "two"):
            token = await somebody(app, name)
            assert passed(await ask(app, "POST /v1/cravings", token, 5)) == 2


async def test_who_waits_as_long_as_is_said_passes_and_a_second_earlier_not(
    limited: Limited,
) -> None:
    async with limited(cravings=Quota(1, 3)) as app:
        token = await somebody(app)
        assert passed(await ask(app, "POST /v1/cravings", token)) == 1
        (refused,) = await ask(app, "POST /v1/cravings", token)
        assert refusal(refused, 429) == "too_many_requests"
        assert refused.json()["message"] == "请求过于频繁，请稍后再试"
        assert refused.json()["data"] == {"limit": "cravings"}
        assert refused.headers["retry-after"] == "3"
        await asyncio.sleep(2)
        assert passed(await ask(app, "POST /v1/cravings", token)) == 0
        await asyncio.sleep(1)
        assert passed(await ask(app, "POST /v1/cravings", token)) == 1


async def test_every_answer_of_a_limited_route_says_what_is_left(limited: Limited) -> None:
    async with limited(cravings=Quota(2, 3600)) as app:
        token = await somebody(app)
        first, second, third = [(await ask(app, "POST /v1/cravings", token))[0] for _ in range(3)]
        assert first.headers["ratelimit-policy"] == '"cravings";q=2;w=3600'
        assert first.headers["ratelimit"] == '"cravings";r=1;t=1800'
        assert second.headers["ratelimit"] == '"cravings";r=0;t=3600'
        assert third.headers["ratelimit"] == '"cravings";r=0;t=1800'
        assert third.headers["retry-after"] == "1800"
        (wrong,) = await ask(app, "GET /v1/rankings", token)
        assert '"boards"' in wrong.headers["ratelimit"]
        async with client_of(app) as client:
            free = await client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert "ratelimit" not in free.headers


async def test_a_refusal_of_the_route_counts_and_says_what_is_left(limited: Limited) -> None:
    async with limited(login=Quota(2, DAY)) as app, client_of(app) as client:
        for left in (1, 0):
            wrong = await client.post("/v1/auth/wechat/login", json={"code": "dev:a b"})
            assert refusal(wrong, 400) == "invalid_development_name"
            assert f";r={left};" in wrong.headers["ratelimit"]
        malformed = await client.post("/v1/auth/wechat/login", json={})
        assert malformed.status_code == 429


async def test_only_codes_that_do_not_exist_count_as_misses(limited: Limited) -> None:
    async with limited(redeem_misses=Quota(3, DAY)) as app, client_of(app) as client:
        person = Visitor(client, await somebody(app))
        for _ in range(5):
            data(await person.post("/redeem-codes/redeem", code="VIP"))
        statuses = [
            (await person.post("/redeem-codes/redeem", code="NOSUCHCODE12")).status_code
            for _ in range(5)
        ]
        assert statuses == [404, 404, 404, 429, 429]
        assert (await person.post("/redeem-codes/redeem", code="VIP")).status_code == 429


async def test_an_answer_that_is_replayed_costs_nothing(limited: Limited) -> None:
    async with limited(cravings=Quota(2, DAY)) as app, client_of(app) as client:
        person = Visitor(client, await somebody(app))
        key = {"Idempotency-Key": "once"}
        for _ in range(5):
            data(await person.request("POST", "/cravings", json={}, headers=key))
        assert data(await person.post("/cravings"))
        assert (await person.post("/cravings")).status_code == 429


@pytest.mark.parametrize("name", ["user", "address"])
async def test_nobody_asks_more_often_than_the_ceiling_lets_them(
    limited: Limited, name: str
) -> None:
    async with limited() as wide:
        token = await somebody(wide)
    async with limited(**{name: Quota(9, DAY)}) as app, client_of(app) as client:
        headers = {"Authorization": f"Bearer {token}"}
        calls = (client.get("/v1/users/me", headers=headers) for _ in range(MANY))
        answers = await asyncio.gather(*calls)
        assert passed(answers) == 9
        assert refusal(answers[-1], 429) == "too_many_requests"
        assert (await client.get("/health")).status_code == 200


async def test_the_address_is_the_one_that_our_proxies_saw(limited: Limited) -> None:
    async with limited(login=Quota(1, DAY), proxies=1) as app, client_of(app) as client:

        async def log_in(*forwarded: str) -> int:
            headers = [("X-Forwarded-For", value) for value in forwarded]
            answer = await client.post(
                "/v1/auth/wechat/login", json={"code": "dev:somebody"}, headers=headers
            )
            return answer.status_code

        assert await log_in("203.0.113.7") == 200
        assert await log_in("203.0.113.8") == 200
        assert await log_in("198.51.100.1, 203.0.113.7") == 429
        assert await log_in("2001:db8::1") == 200
        assert await log_in("2001:db8::2") == 429


async def test_valkey_knows_neither_addresses_nor_numbers_and_nothing_for_ever(
    limited: Limited,
) -> None:
    async with limited(proxies=1) as app, client_of(app) as client:
        headers = {"X-Forwarded-For": "203.0.113.7"}
        await client.post("/v1/auth/wechat/login", json={"code": "dev:a"}, headers=headers)
        await client.post("/v1/auth/sms/code", json={"phone": PHONE}, headers=headers)
        valkey = app.state.context.valkey
        keys = [key async for key in valkey.scan_iter("limit:*")]
        assert {key.split(b":")[1] for key in keys} >= {b"login", b"sms_address", b"sms_number"}
        assert not [key for key in keys if b"203.0.113" in key or PHONE.encode() in key]
        assert all([await valkey.ttl(key) > 0 for key in keys])


async def test_a_limit_that_is_switched_off_stops_nobody(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock
) -> None:
    chosen = LimitSettings(enabled=False, **{limit.name: Quota(1, DAY) for limit in TABLE})
    async with running(make_settings(services, limits=chosen), clock) as app:
        token = await somebody(app)
        for route in ("POST /v1/cravings", "POST /v1/auth/sms/code"):
            answers = await ask(app, route, token, 5)
            assert {answer.status_code for answer in answers} == {200}
            assert "ratelimit" not in answers[0].headers


@pytest.mark.slow
async def test_while_valkey_is_away_each_process_keeps_its_share_of_what_matters(
    limited: Limited, tmp_path: Path
) -> None:
    valkey = OwnValkey(tmp_path / "valkey")
    narrow = {"login": Quota(4, DAY), "cravings": Quota(2, DAY), "redeem": Quota(3, DAY)}
    try:
        async with limited() as wide:
            token = await somebody(wide)
        async with limited(valkey=valkey.url, **narrow) as app:
            valkey.kill()
            async with asyncio.timeout(5):
                assert passed(await ask(app, "POST /v1/auth/wechat/login", token, 40)) == 4
                assert passed(await ask(app, "POST /v1/redeem-codes/redeem", token, 40)) == 3
                assert passed(await ask(app, "POST /v1/cravings", token, 40)) == 40
            counted = (await _metrics(app)).splitlines()
            assert any('rate_limit_fallbacks_total{limit="cravings"}' in line for line in counted)
            valkey.start()
            await asyncio.sleep(1.2)
            assert passed(await ask(app, "POST /v1/cravings", token)) == 1  # it is back
            assert passed(await ask(app, "POST /v1/cravings", token, 40)) == 1
    finally:
        valkey.close()


async def _metrics(app: FastAPI) -> str:
    async with client_of(app) as client:
        return (await client.get("/metrics")).text


async def test_a_share_is_never_nothing(ctx: Context) -> None:
    few = limits.Limits(LimitSettings(login=Quota(3, DAY)), ctx.valkey, ctx.index, 8)
    few._limiter._away_until = math.inf
    spent = [await few.count(limits.TABLE[0], "x") for _ in range(2)]
    assert [one.passed for one in spent if one] == [True, False]


async def test_an_address_opens_so_many_sockets_and_no_more(limited: Limited) -> None:
    async with limited(sockets=Quota(2, DAY)) as app:
        said = [await _shake_hands(app) for _ in range(3)]
    assert said == ["websocket.accept", "websocket.accept", "websocket.close"]


async def _shake_hands(app: FastAPI) -> str:
    """What a client that hangs up at once is told first."""
    sent: list[dict[str, Any]] = []
    heard = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}])

    async def receive() -> dict[str, Any]:
        return next(heard)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/v1/ws",
        "raw_path": b"/v1/ws",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": ("203.0.113.7", 4711),
        "subprotocols": [],
        "state": {},
    }
    await app(scope, receive, send)
    return str(sent[0]["type"])
