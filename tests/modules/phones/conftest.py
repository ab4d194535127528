"""People with phones: a code that is sent can be read."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo import embedded
from zxo.context import Context
from zxo.settings import WechatSettings

PHONE, OTHER_PHONE = "13800138000", "13900139000"


class Inbox:
    """A sender that keeps what it sent, in place of the one that writes to the log."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send_code(self, number: str, masked: str, code: str) -> None:
        self.sent.append((number, code))

    async def close(self) -> None:
        """Nothing is open."""

    def last(self) -> str:
        return self.sent[-1][1]


@pytest.fixture
def inbox(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    made = Inbox()
    monkeypatch.setattr(type(ctx.sms), "send_code", lambda _, *args: made.send_code(*args))
    return made


AskCode = Callable[..., Awaitable[str]]


@pytest.fixture
def ask_code(visitor: Visitor, inbox: Inbox) -> AskCode:
    """Have a code sent, and read it: for a log-in, or to bind where somebody asks."""

    async def ask(phone: str = PHONE, by: Visitor | None = None) -> str:
        body = {"phone": phone, "purpose": "bind"} if by else {"phone": phone}
        data(await (by or visitor).post("/auth/sms/code", **body))
        return inbox.last()

    return ask


@pytest_asyncio.fixture
async def wechat_app(
    ctx: Context, services: embedded.Endpoints, clock: FrozenClock, fake_wechat: FakeWechat
) -> AsyncIterator[FastAPI]:
    wechat = WechatSettings(app_id=APP_ID, app_secret=APP_SECRET, base_url=fake_wechat.url)
    async with running(make_settings(services, wechat=wechat), clock) as app:
        yield app


@pytest_asyncio.fixture
async def carol(wechat_app: FastAPI, fake_wechat: FakeWechat) -> AsyncIterator[Visitor]:
    """Somebody who logged in with WeChat."""
    async with client_of(wechat_app) as client:
        answer = data(
            await Visitor(client).post("/auth/wechat/login", code=fake_wechat.issue("oCarol"))
        )
        yield Visitor(client, answer["token"])
