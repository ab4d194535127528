"""A second application, as in production: WeChat is configured, the development login is not."""

from collections.abc import AsyncIterator

import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo import embedded
from zxo.context import Context
from zxo.settings import WechatSettings


@pytest_asyncio.fixture
async def wechat_app(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock, fake_wechat: FakeWechat
) -> AsyncIterator[FastAPI]:
    """Has a token secret of its own: tokens of `app` are foreign here."""
    wechat = WechatSettings(app_id=APP_ID, app_secret=APP_SECRET, base_url=fake_wechat.url)
    async with running(make_settings(services, wechat=wechat), clock) as app:
        yield app


@pytest_asyncio.fixture
async def phone(wechat_app: FastAPI) -> AsyncIterator[Visitor]:
    """Somebody with the mini program in hand, not signed in."""
    async with client_of(wechat_app) as client:
        yield Visitor(client)
