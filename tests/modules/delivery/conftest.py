"""A second application with both ways out: WeChat's templates, and a key for Web Push."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from tests.conftest import client_of, make_settings, running
from tests.factories import FrozenClock, Visitor, data
from tests.fakes.push_service import Browser, FakePushService
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo import embedded, registry
from zxo.clients import web_push as web_push_client
from zxo.clients import wechat as wechat_client
from zxo.clients.web_push_crypto import make_key
from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.jobs import run_to_idle
from zxo.modules import notifications
from zxo.modules.delivery import handlers
from zxo.modules.notifications import NewNotice, Notified
from zxo.settings import WebPushSettings, WechatSettings

KEY = make_key()
TEMPLATES = {"reminder": "T-reminder", "milestone": "T-milestone", "membership": "T-member"}


@dataclass
class Outward:
    """The application, the servers around it, and shorthands for what tests do."""

    ctx: Context
    client: httpx.AsyncClient
    wechat: FakeWechat
    push: FakePushService
    settings: Any
    people: dict[str, Visitor] = field(default_factory=dict)

    async def log_in(self, name: str) -> Visitor:
        """The person with the openid o<name>."""
        code = self.wechat.issue(f"o{name}")
        answer = await Visitor(self.client).post("/auth/wechat/login", code=code)
        person = Visitor(self.client, data(answer)["token"])
        person.user = data(answer)["user"]
        return person

    async def agree(self, person: Visitor, template: str = "reminder", times: int = 1) -> None:
        """Say yes, at WeChat and to us."""
        openid = await self.ctx.db.fetchval(
            "SELECT openid FROM users WHERE id = $1", person.user["id"]
        )
        self.wechat.agree(openid, TEMPLATES[template], times)
        path = "/notifications/subscriptions"
        data(await person.post(path, template=template, accepted=times), 201)

    async def open_browser(self, person: Visitor) -> Browser:
        """A browser that wants to be told."""
        browser = self.push.browser()
        answer = await person.post("/notifications/push-subscriptions", **browser.subscription())
        data(answer, 201)
        return browser

    async def notify(self, person: Visitor, kind: str = "check_in_reminder", **said: Any) -> int:
        """Store a notice; its id. Nothing is sent yet."""
        number = await self.ctx.db.fetchval("SELECT coalesce(max(id), 0) FROM notifications")
        text = {"title": "该打卡了", "body": "今天是第 8 天", **said}
        notice = NewNotice(person.user["id"], kind, f"{kind}:{number}", text)
        await notifications.add(self.ctx, [notice])
        return int(await notifications.latest_id(self.ctx, person.user["id"]))

    async def deliver(self, person: Visitor, *notice_ids: int) -> None:
        """Run the job that follows when the notices are announced."""
        events = [Notified([number]) for number in notice_ids]
        await handlers.deliver(self.ctx, events)

    async def announce(self, person: Visitor, *notice_ids: int) -> None:
        """The same through outbox and queue."""
        async with self.ctx.db.transaction() as connection:
            events = [Notified([number]) for number in notice_ids]
            await outbox.publish(connection, *events)
        await self.drain()

    async def drain(self) -> None:
        while await outbox.relay(self.ctx.db, registry.REACTIONS):
            pass
        dsn = self.settings.database.dsn()
        async with asyncpg.create_pool(dsn, min_size=0, max_size=3) as pool:
            await run_to_idle(pool, registry.jobs(self.ctx))

    async def tell(self, person: Visitor, kind: str = "check_in_reminder", **said: Any) -> int:
        """Store a notice and deliver it."""
        number = await self.notify(person, kind, **said)
        await self.deliver(person, number)
        return number

    async def credits(self, person: Visitor, template: str = "reminder") -> int:
        answer = data(await person.get("/notifications/subscriptions"))
        return next(int(t["credits"]) for t in answer["wechat"] if t["template"] == template)


@pytest.fixture
def push_service() -> Iterator[FakePushService]:
    with FakePushService() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wechat_client, "BUSY_PAUSES", (0.0, 0.01, 0.01))
    monkeypatch.setattr(web_push_client, "PAUSES", (0.0, 0.01, 0.01))


@pytest_asyncio.fixture
async def outward(
    ctx: Context,
    services: embedded.Endpoints,
    clock: FrozenClock,
    fake_wechat: FakeWechat,
    push_service: FakePushService,
) -> AsyncIterator[Outward]:
    for template in TEMPLATES.values():
        fake_wechat.templates[template] = {"thing1", "thing2"}
    fake_wechat.templates["T-reminder"] = {"thing4", "thing2", "time3"}
    wechat = WechatSettings(
        app_id=APP_ID,
        app_secret=APP_SECRET,
        base_url=fake_wechat.url,
        reminder="T-reminder:thing4=title,thing2=body,time3=at",
        milestone="T-milestone",
        membership="T-member",
    )
    hosts = (push_service.url, "fcm.googleapis.com")
    push = WebPushSettings(key=KEY, subject="mailto:ops@zxo.test", hosts=hosts)
    settings = make_settings(services, wechat=wechat, web_push=push)
    async with running(settings, clock) as app, client_of(app) as client:
        yield Outward(app.state.context, client, fake_wechat, push_service, settings)


@pytest_asyncio.fixture
async def alice(outward: Outward) -> Visitor:
    return await outward.log_in("Alice")


@pytest_asyncio.fixture
async def bob(outward: Outward) -> Visitor:
    return await outward.log_in("Bob")


@pytest.fixture
def kept(ctx: Context) -> Callable[[str], Awaitable[list[dict[str, Any]]]]:
    """The rows of a table as they are stored."""

    async def rows(table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await ctx.db.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]

    return rows
