"""Redeeming codes, making them, and what operators do to a membership.

Locks are taken in one order: the user's row, then the code's, which is held for one statement and
the commit. The code is read before, without a lock: most refusals need none.
"""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

from zxo.context import Context
from zxo.kit import outbox
from zxo.kit.db import Connection
from zxo.modules import users
from zxo.modules.membership import repository, rules
from zxo.modules.membership.errors import (
    CodeAlreadyRedeemed,
    CodeDisabled,
    CodeExpired,
    CodeNotFound,
    CodeNotYetValid,
    CodeTextTaken,
    CodeUsedUp,
    InvalidGrant,
    InvalidPlan,
    MembershipDowngrade,
    NoSuchBatch,
    NoSuchCode,
    NoSuchUser,
)
from zxo.modules.membership.events import CardsAdded, Cause, MembershipChanged
from zxo.modules.membership.models import (
    Batch,
    BatchPosition,
    Change,
    Code,
    CodeFilter,
    ListedCode,
    NewBatch,
    Redeemed,
    Usage,
    Worth,
    membership_of,
)
from zxo.modules.membership.rules import BuiltIn, Membership, Plan, Tier
from zxo.modules.users import User

T = TypeVar("T")
# What else is to be true if and only if the change is: an entry in an operator's audit.
Beside = Callable[[Connection, T], Awaitable[None]]

INDEX = "redeem-codes"


async def redeem(ctx: Context, user_id: int, text: str) -> Redeemed:
    """Give the user what the code is worth, once.

    Raises, in this order, UserGone, CodeNotFound, CodeDisabled, CodeUsedUp, CodeNotYetValid,
    CodeExpired, CodeAlreadyRedeemed, MembershipDowngrade.
    """
    await users.get(ctx, user_id)
    key = rules.key(text)
    built_in = rules.BUILT_IN.get(key) if ctx.settings.built_in_codes else None
    async with ctx.db.transaction() as connection:
        if built_in:
            redeemed = await _redeem_built_in(ctx, connection, user_id, built_in)
        else:
            redeemed = await _redeem_stored(ctx, connection, user_id, key)
    users.keep(ctx, redeemed.change.user)
    return redeemed


async def _redeem_stored(ctx: Context, connection: Connection, user_id: int, key: str) -> Redeemed:
    now, index = ctx.clock.now(), ctx.index.of(INDEX, key)
    code = _usable(await repository.find(connection, index, user_id), now)
    user = await users.lock(connection, user_id)
    worth = Worth(
        code.code_type, code.code_hint, code.duration_days, code.makeup_card_count, code.id
    )
    redeemed = await _give(connection, user, worth, now)
    spent, recorded = await repository.spend(connection, worth, redeemed.change, now)
    if not spent:  # somebody was faster
        _usable(await repository.find(connection, index, user_id), now)
        raise CodeUsedUp
    if not recorded:
        raise CodeAlreadyRedeemed
    return redeemed


def _usable(code: Code | None, now: datetime) -> Code:
    """The code, unless there is a reason against it."""
    if code is None:
        raise CodeNotFound
    if not code.is_active:
        raise CodeDisabled
    if code.is_used_up:
        raise CodeUsedUp
    if code.valid_from is not None and now < code.valid_from:
        raise CodeNotYetValid
    if code.valid_until is not None and now > code.valid_until:
        raise CodeExpired
    if code.redeemed:
        raise CodeAlreadyRedeemed
    return code


async def _redeem_built_in(
    ctx: Context, connection: Connection, user_id: int, code: BuiltIn
) -> Redeemed:
    now = ctx.clock.now()
    user = await users.lock(connection, user_id)
    worth = Worth(code.code_type, code.text, code.days)
    redeemed = await _give(connection, user, worth, now)
    await repository.record(connection, worth, redeemed.change, now)
    return redeemed


async def _give(connection: Connection, user: User, worth: Worth, now: datetime) -> Redeemed:
    """To be called while holding the user's row lock."""
    if worth.code_type == rules.CARDS:
        assert worth.cards is not None, "fault() sees to it"
        return await _give_cards(connection, user, worth.cards, now)
    before, days = membership_of(user), None
    if worth.code_type == rules.FREE:
        after: Membership | None = rules.take_away(before)
    else:
        tier: Tier = "vip" if worth.code_type == rules.VIP else "ai"
        after = rules.give(before, tier, worth.days, now)
        days = rules.days_given(rules.counted_from(before, tier, now), worth.days)
    change = await _write(connection, user, after, "code", now)
    return Redeemed(worth.code_type, change, days)


async def _give_cards(connection: Connection, user: User, cards: int, now: datetime) -> Redeemed:
    after = await repository.add_cards(connection, user.id, cards, now)
    await outbox.publish(connection, CardsAdded(user.id, after.version, cards))
    tier = user.tier(now)
    expiry = None if tier == rules.FREE else user.member_expiry_at
    change = Change(after, tier, tier, expiry, expiry)
    return Redeemed(rules.CARDS, change, cards=cards)


async def _write(
    connection: Connection, user: User, after: Membership | None, cause: Cause, now: datetime
) -> Change:
    """To be called while holding the user's row lock. Raises MembershipDowngrade for None."""
    if after is None:
        raise MembershipDowngrade
    written = await repository.set_membership(connection, user.id, after, now)
    before = user.tier(now)
    event = MembershipChanged(
        user_id=user.id,
        version=written.version,
        cause=cause,
        before=before,
        after=after.tier,
        expiry=after.expiry,
        ends_on=after.expiry and rules.last_day(after.expiry, user.timezone),
    )
    await outbox.publish(connection, event)
    expiry_before = None if before == rules.FREE else user.member_expiry_at
    return Change(written, before, after.tier, expiry_before, after.expiry)


async def history(ctx: Context, user_id: int, before: int | None, limit: int) -> list[Usage]:
    """The codes that the user has redeemed, newest first; `before`: an id. Raises UserGone."""
    await users.get(ctx, user_id)
    async with ctx.db.connection() as connection:
        return await repository.history(connection, user_id, before, limit)


async def create_batch(
    ctx: Context, plan: Plan, created_by: int | None, beside: Beside[Batch] | None = None
) -> NewBatch:
    """Make codes; `created_by`: the operator, None: the command line.

    `beside` runs in the same transaction. Raises InvalidPlan, CodeTextTaken.
    """
    if why := rules.fault(plan):
        raise InvalidPlan(why)
    batch_id = uuid4()
    async with ctx.db.transaction() as connection:
        await repository.add_batch(connection, batch_id, plan, created_by, ctx.clock.now())
        if plan.text is None:
            texts = await _add_random(ctx, connection, batch_id, plan.count)
        else:
            texts = [rules.plain(plan.text)]
            if len(await _add(ctx, connection, batch_id, texts)) < len(texts):
                raise CodeTextTaken
        batch = await repository.get_batch(connection, batch_id)
        assert batch is not None, "it was just written"
        if beside:
            await beside(connection, batch)
    return NewBatch(batch, texts)


async def _add_random(
    ctx: Context, connection: Connection, batch_id: UUID, count: int
) -> list[str]:
    texts: list[str] = []
    while missing := count - len(texts):  # 60 bits: hardly ever twice
        fresh = [rules.code_of(secrets.randbits(rules.CODE_BITS)) for _ in range(missing)]
        texts += await _add(ctx, connection, batch_id, fresh)
    return texts


async def _add(ctx: Context, connection: Connection, batch_id: UUID, texts: list[str]) -> list[str]:
    """Those of `texts` that were not codes before."""
    by_index = {ctx.index.of(INDEX, rules.key(text)): text for text in texts}
    hints = {index: rules.masked(text) for index, text in by_index.items()}
    added = await repository.add_codes(connection, batch_id, hints)
    return [text for index, text in by_index.items() if index in added]


async def list_batches(
    ctx: Context, *, code_type: str | None = None, after: BatchPosition | None = None, limit: int
) -> list[Batch]:
    """Newest first, after the row `after`."""
    async with ctx.db.connection() as connection:
        return await repository.list_batches(connection, code_type, after, limit)


async def list_codes(
    ctx: Context, wanted: CodeFilter, *, before: int | None = None, limit: int
) -> list[ListedCode]:
    """Newest first, masked; `before`: an id."""
    async with ctx.db.connection() as connection:
        return await repository.list_codes(connection, wanted, before, limit)


async def disable(
    ctx: Context,
    *,
    batch_id: UUID | None = None,
    code_id: int | None = None,
    beside: Beside[int] | None = None,
) -> int:
    """Disable a batch or one code: nobody can redeem it any more; how many codes were active.

    `beside` gets that number, in the same transaction. Raises NoSuchBatch, NoSuchCode.
    """
    async with ctx.db.transaction() as connection:
        if batch_id is not None and not await repository.has_batch(connection, batch_id):
            raise NoSuchBatch
        if code_id is not None and not await repository.has_code(connection, code_id):
            raise NoSuchCode
        disabled = await repository.disable(connection, batch_id, code_id)
        if beside:
            await beside(connection, disabled)
    return disabled


async def grant(
    ctx: Context,
    user_id: int,
    tier: Tier,
    days: int | None,
    beside: Beside[Change] | None = None,
) -> Change:
    """Give `days` of a membership, as a code would (None: three calendar months of AI).

    `beside` runs in the same transaction. Raises InvalidGrant, NoSuchUser, MembershipDowngrade.
    """
    if why := rules.fault_of_days(tier, days):
        raise InvalidGrant(why)
    return await _change(
        ctx, user_id, lambda before, now: rules.give(before, tier, days, now), "grant", beside
    )


async def revoke(ctx: Context, user_id: int, beside: Beside[Change] | None = None) -> Change:
    """Take the membership away at once. `beside` runs in the same transaction.

    Raises NoSuchUser.
    """
    return await _change(ctx, user_id, lambda before, _: rules.take_away(before), "revoke", beside)


async def _change(
    ctx: Context,
    user_id: int,
    decide: Callable[[Membership, datetime], Membership | None],
    cause: Cause,
    beside: Beside[Change] | None,
) -> Change:
    now = ctx.clock.now()
    async with ctx.db.transaction() as connection:
        try:
            user = await users.lock(connection, user_id)
        except users.UserGone:  # somebody else's id, not the caller's own account
            raise NoSuchUser from None
        change = await _write(connection, user, decide(membership_of(user), now), cause, now)
        if beside:
            await beside(connection, change)
    users.keep(ctx, change.user)
    return change
