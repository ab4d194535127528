"""An application where everything is configured, and alice in it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, empty, make_settings, running
from tests.factories import FrozenClock, Visitor
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from tests.security.world import World, make_world
from zxo import embedded
from zxo.clients.web_push_crypto import make_key
from zxo.context import Context
from zxo.settings import WebPushSettings, WechatSettings


@pytest.fixture(scope="module")
def wechat() -> Iterator[FakeWechat]:
    with FakeWechat() as fake:
        yield fake


@pytest_asyncio.fixture(scope="module")
async def whole_app(
    services: embedded.Endpoints, session_clock: FrozenClock, wechat: FakeWechat
) -> AsyncIterator[FastAPI]:
    """An application where everything is configured that a route may need."""
    settings = make_settings(
        services,
        wechat=WechatSettings(
            app_id=APP_ID, app_secret=APP_SECRET, base_url=wechat.url, reminder="T-1"
        ),
        web_push=WebPushSettings(key=make_key(), subject="mailto:ops@zxo.test"),
    )
    async with running(settings, session_clock) as app:
        yield app


@pytest_asyncio.fixture
async def world(whole_app: FastAPI, clock: FrozenClock, wechat: FakeWechat) -> AsyncIterator[World]:
    """Over an empty database."""
    context: Context = whole_app.state.context
    await empty(context)
    async with client_of(whole_app) as client:
        yield await make_world(context, wechat, Visitor(client))
