"""An application that keeps its limits, and requests of each route that is limited."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data
from zxo import embedded
from zxo.context import Context
from zxo.kit.values import Quota
from zxo.limits import TABLE
from zxo.settings import LimitSettings, Settings, ValkeySettings

DAY = 86_400
MANY = 400
WIDE = Quota(100_000, DAY)
PHONE = "13800138000"

Limited = Callable[..., AbstractAsyncContextManager[FastAPI]]

# A request of each route that is limited. What it is answered does not matter, but 429 does.
BODIES: dict[str, dict[str, Any]] = {
    "/v1/auth/wechat/login": {"json": {"code": "dev:limited"}},
    "/v1/auth/sms/login": {"json": {"phone": PHONE, "code": "000000"}},
    "/v1/auth/sms/code": {"json": {"phone": PHONE}},
    "/v1/admin/login": {"json": {"name": "nobody", "password": "no such password"}},
    "/v1/cravings": {"json": {}},
    "/v1/redeem-codes/redeem": {"json": {"code": "NOSUCHCODE12"}},
    "/v1/rankings": {"params": {"type": "city"}},
    "/v1/rankings/around": {"params": {"type": "city"}},
}


@pytest.fixture
def limited(
    ctx: Context, services: embedded.Endpoints, settings: Settings, clock: FrozenClock
) -> Limited:
    """An application that keeps its limits: wide ones, but for those that are named."""

    @asynccontextmanager
    async def run(*, valkey: str = "", **named: Any) -> AsyncIterator[FastAPI]:
        wide = {limit.name: WIDE for limit in TABLE}
        chosen = LimitSettings(**{**wide, "user": WIDE, "address": WIDE, **named})
        others: dict[str, Any] = {"tokens": settings.tokens, "limits": chosen}
        if valkey:
            others["valkey"] = ValkeySettings(url=valkey)
        async with running(make_settings(services, **others), clock) as app:
            if not valkey:
                # A machine that stands still for a second is not a Valkey that is away.
                app.state.context.valkey.connection_pool.connection_kwargs["socket_timeout"] = 30
            yield app

    return run


async def ask(app: FastAPI, route: str, token: str, times: int = 1) -> list[httpx.Response]:
    """So many requests at once."""
    method, path = route.split()
    headers = {"Authorization": f"Bearer {token}"}
    async with client_of(app) as client:
        calls = (
            client.request(method, path, headers=headers, **BODIES[path]) for _ in range(times)
        )
        return await asyncio.gather(*calls)


async def somebody(app: FastAPI, name: str = "limited") -> str:
    """The token of somebody who lives in a city."""
    async with client_of(app) as client:
        person = await Visitor(client).log_in(name)
        data(await person.put("/users/me", province="浙江省", city="杭州市"))
        assert person.token
        return person.token
