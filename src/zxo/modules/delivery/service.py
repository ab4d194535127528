"""Telling people outside of the app: WeChat messages that they agreed to, and their browsers.

At most once: a delivery is claimed in the database before it is sent, and a job that runs again
finds the claim. What is lost with a killed worker stays lost; a reminder that comes twice would be
worse, and the inbox has it anyway. No transaction is open while somebody else's server is asked.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence

import msgspec
from asyncpg import ForeignKeyViolationError
from structlog import get_logger

from zxo.clients.outcomes import Outcome
from zxo.clients.web_push import Subscription
from zxo.clients.wechat_messages import Template, send_subscribe_message
from zxo.context import Context
from zxo.kit.zones import zone
from zxo.modules import notifications, users
from zxo.modules.delivery import repository, rules
from zxo.modules.delivery.errors import (
    NoSuchPushSubscription,
    NoWechatTemplate,
    PushServiceNotAllowed,
    WebPushNotConfigured,
)
from zxo.modules.delivery.models import Browser, PushSubscription, Reachable, Subscriptions
from zxo.modules.notifications import Notice

log = get_logger(__name__)

AT_ONCE = 20  # notices on their way


class _Text(msgspec.Struct):
    title: str = ""
    body: str = ""


class _Message(msgspec.Struct):
    """What the service worker of the web app gets, as JSON."""

    id: int
    type: str
    title: str
    body: str


def template(ctx: Context, name: str | None) -> Template | None:
    """What the operator has set up at WeChat for such messages; None where nothing is."""
    if name is None or not ctx.settings.wechat.configured:
        return None
    text: str = getattr(ctx.settings.wechat, name)
    return Template.parse(text) if text else None


async def subscriptions(ctx: Context, user_id: int) -> Subscriptions:
    """Raises UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        return await repository.subscriptions(connection, user_id)


async def add_credits(ctx: Context, user_id: int, name: str, accepted: int) -> Subscriptions:
    """The person agreed to `accepted` messages of the template. Raises NoWechatTemplate, UserGone.

    That is what the mini program says. WeChat knows better, and its refusal takes the credits back.
    """
    if template(ctx, name) is None:
        raise NoWechatTemplate
    await users.get(ctx, user_id)
    most, now = rules.MOST_CREDITS, ctx.clock.now()
    try:
        async with ctx.db.connection() as connection:
            await repository.add_credits(connection, user_id, name, accepted, most, now)
            return await repository.subscriptions(connection, user_id)
    except ForeignKeyViolationError:  # the account was erased since it was read
        raise users.UserGone from None


async def subscribe(
    ctx: Context, user_id: int, endpoint: str, p256dh: bytes, auth: bytes
) -> PushSubscription:
    """Tell this browser from now on, and nobody else who used it before.

    Raises WebPushNotConfigured, PushServiceNotAllowed, UserGone.
    """
    if ctx.web_push is None:
        raise WebPushNotConfigured
    if ctx.web_push.host(endpoint) is None:
        raise PushServiceNotAllowed
    browser = endpoint, p256dh, auth
    async with ctx.db.transaction() as connection:
        await users.lock(connection, user_id)
        return await repository.put_browser(
            connection, user_id, browser, rules.MOST_BROWSERS, ctx.clock.now()
        )


async def unsubscribe(ctx: Context, user_id: int, number: int) -> None:
    """Raises NoSuchPushSubscription, UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        if not await repository.drop_browser(connection, user_id, number):
            raise NoSuchPushSubscription


async def deliver_stored(ctx: Context, ids: Collection[int]) -> None:
    """Send those of the notices that are still worth it: unread, and of the last hours."""
    since = ctx.clock.now() - rules.STALE_AFTER
    notices = await notifications.still_unread(ctx, ids, since)
    async with ctx.db.connection() as connection:
        reachable = await repository.reachable(connection, {notice.user_id for notice in notices})
    await deliver(ctx, [notice for notice in notices if notice.user_id in reachable])


async def deliver(ctx: Context, notices: Collection[Notice]) -> None:
    """Send each to WeChat and to the person's browsers, where they agreed to it.

    One that fails does not keep the others; then raises what it failed with.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def send(notice: Notice) -> list[str]:
        async with gate:
            return [*await _to_wechat(ctx, notice), *await _to_browsers(ctx, notice)]

    done = await asyncio.gather(*map(send, notices), return_exceptions=True)
    counts = Counter(name for names in done if isinstance(names, list) for name in names)
    if counts:
        log.info("notices_delivered", **counts)
    for failed in done:
        if isinstance(failed, BaseException):
            raise failed


async def _to_wechat(ctx: Context, notice: Notice) -> list[str]:
    """How it ended, for the count of the log; nothing where there was nobody to send to."""
    name = rules.template_of(notice.type)
    form, text = template(ctx, name), _text(notice)
    if name is None or form is None or not text.title:
        return []
    person = await _claim_for_wechat(ctx, notice, name)
    if person is None:
        return []
    fields = form.filled(text.title, text.body, notice.created_at.astimezone(zone(person.timezone)))
    page = ctx.settings.wechat.page
    outcome = await send_subscribe_message(ctx.wechat, person.openid, form.id, fields, page)
    await _settle(ctx, notice.user_id, name, outcome)
    return [f"wechat_{outcome.name.lower()}"]


async def _claim_for_wechat(ctx: Context, notice: Notice, name: str) -> Reachable | None:
    try:
        async with ctx.db.connection() as connection:
            return await repository.claim_for_wechat(
                connection, notice.user_id, name, notice.id, ctx.clock.now()
            )
    except ForeignKeyViolationError:  # notice or account were erased since they were read
        return None


async def _settle(ctx: Context, user_id: int, name: str, outcome: Outcome) -> None:
    """A credit that WeChat did not use is still there; of those it does not know, none is."""
    settle = {
        Outcome.NOT_SENT: repository.give_credit_back,
        Outcome.NO_CREDIT: repository.drop_credits,
    }.get(outcome)
    if settle is None:
        return
    async with ctx.db.connection() as connection:
        await settle(connection, user_id, name, ctx.clock.now())


async def _to_browsers(ctx: Context, notice: Notice) -> list[str]:
    """How it ended, browser by browser; those that are gone are forgotten."""
    text = _text(notice)
    if ctx.web_push is None or not text.title:
        return []
    browsers = await _claim_for_browsers(ctx, notice)
    message = _message(notice, text)
    kept, topic = rules.kept_for(notice.type), rules.topic_of(notice.type)
    outcomes = await asyncio.gather(
        *(
            ctx.web_push.send(
                Subscription(browser.endpoint, browser.p256dh, browser.auth),
                message,
                ttl=kept,
                topic=topic,
            )
            for browser in browsers
        )
    )
    await _forget_gone(ctx, browsers, outcomes)
    return [f"web_push_{outcome.name.lower()}" for outcome in outcomes]


async def _claim_for_browsers(ctx: Context, notice: Notice) -> list[Browser]:
    try:
        async with ctx.db.connection() as connection:
            return await repository.claim_for_browsers(
                connection, notice.user_id, notice.id, ctx.clock.now()
            )
    except ForeignKeyViolationError:  # notice or account were erased since they were read
        return []


async def _forget_gone(
    ctx: Context, browsers: Sequence[Browser], outcomes: Sequence[Outcome]
) -> None:
    both = zip(browsers, outcomes, strict=True)
    gone = [browser.id for browser, outcome in both if outcome is Outcome.GONE]
    if gone:
        async with ctx.db.connection() as connection:
            await repository.drop_gone_browsers(connection, gone)


def _text(notice: Notice) -> _Text:
    return msgspec.json.decode(notice.data, type=_Text)


def _message(notice: Notice, text: _Text) -> bytes:
    title = rules.cut(text.title, rules.LONGEST_TITLE)
    body = rules.cut(text.body, rules.LONGEST_BODY)
    return msgspec.json.encode(_Message(notice.id, notice.type, title, body))
