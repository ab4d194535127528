"""An application where everything is configured, and alice in it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, empty, make_settings, running
from tests.factories import FrozenClock, Visitor
from tests.fakes.aliyun_sms import KEY_ID, KEY_SECRET, SIGN_NAME, TEMPLATE, FakeAliyun
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from tests.security.world import Outside, World, make_world
from zxo import embedded
from zxo.clients.web_push_crypto import make_key
from zxo.context import Context
from zxo.kit.values import Quota
from zxo.settings import LimitSettings, SmsSettings, WebPushSettings, WechatSettings

QUOTAS = LimitSettings.model_fields.keys() - {"enabled", "proxies"}
CEILINGS = {"user", "address", "sockets"}


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with FakeWechat() as wechat, FakeAliyun() as sms:
        yield Outside(wechat, sms)


def everything_configured(outside: Outside) -> dict[str, object]:
    """Settings for whatever a route may need."""
    wechat = WechatSettings(
        app_id=APP_ID, app_secret=APP_SECRET, base_url=outside.wechat.url, reminder="T-1"
    )
    sms = SmsSettings(
        key_id=KEY_ID,
        key_secret=KEY_SECRET,
        sign_name=SIGN_NAME,
        template=TEMPLATE,
        base_url=outside.sms.url,
    )
    push = WebPushSettings(key=make_key(), subject="mailto:ops@zxo.test")
    # Kept, so that they leave their traces, and never reached.
    wide = {name: Quota(1_000, 86_400) for name in QUOTAS - CEILINGS}
    limits = LimitSettings(enabled=True, **wide, **dict.fromkeys(CEILINGS, Quota(100_000, 60)))
    return {"wechat": wechat, "sms": sms, "web_push": push, "limits": limits}


@pytest_asyncio.fixture(scope="module")
async def whole_app(
    services: embedded.Endpoints, session_clock: FrozenClock, outside: Outside
) -> AsyncIterator[FastAPI]:
    """An application where everything is configured that a route may need."""
    async with running(
        make_settings(services, **everything_configured(outside)), session_clock
    ) as app:
        yield app


@pytest_asyncio.fixture
async def world(whole_app: FastAPI, clock: FrozenClock, outside: Outside) -> AsyncIterator[World]:
    """Over an empty database."""
    context: Context = whole_app.state.context
    await empty(context)
    async with client_of(whole_app) as client:
        yield await make_world(context, outside, Visitor(client))
