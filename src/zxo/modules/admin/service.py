"""What operators do. Each change is written down in its own transaction."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from zxo.context import Context
from zxo.kit import jobs
from zxo.kit.db import Connection
from zxo.kit.jobs import Parked
from zxo.kit.zones import date_in
from zxo.modules import auth, coach, membership, operators, phones, statistics, users
from zxo.modules.admin import repository
from zxo.modules.admin.errors import InvalidSearch, InvalidSpan, JobWaiting, NoSuchJob
from zxo.modules.admin.models import By, Person, View
from zxo.modules.membership import Batch, Change, NewBatch, Plan, Tier
from zxo.modules.operators import Acting, Entry

MOST_DAYS = 366
COACH_DAYS = 30
HIDDEN = "********"


async def create_codes(ctx: Context, acting: Acting, plan: Plan) -> NewBatch:
    """Make a batch; its texts are told this once. Raises InvalidPlan, CodeTextTaken."""

    async def written(connection: Connection, batch: Batch) -> None:
        details = {"type": plan.code_type, "count": batch.codes, "chosen": plan.text is not None}
        await _record(ctx, connection, acting, "codes.create", f"batch:{batch.id}", details)

    return await membership.create_batch(ctx, plan, acting.id, written)


async def disable_batch(ctx: Context, acting: Acting, batch_id: UUID) -> int:
    """How many codes of it were active. Raises NoSuchBatch."""

    async def written(connection: Connection, disabled: int) -> None:
        details = {"codes": disabled}
        await _record(ctx, connection, acting, "codes.disable", f"batch:{batch_id}", details)

    return await membership.disable(ctx, batch_id=batch_id, beside=written)


async def disable_code(ctx: Context, acting: Acting, code_id: int) -> int:
    """1, or 0 where it was disabled before. Raises NoSuchCode."""

    async def written(connection: Connection, disabled: int) -> None:
        details = {"codes": disabled}
        await _record(ctx, connection, acting, "codes.disable", f"code:{code_id}", details)

    return await membership.disable(ctx, code_id=code_id, beside=written)


async def grant(ctx: Context, acting: Acting, user_id: int, tier: Tier, days: int | None) -> Change:
    """Raises InvalidGrant, NoSuchUser, MembershipDowngrade."""

    async def written(connection: Connection, change: Change) -> None:
        details = {"tier": tier, "days": days, "before": change.before}
        await _record(ctx, connection, acting, "user.grant", f"user:{user_id}", details)

    return await membership.grant(ctx, user_id, tier, days, written)


async def revoke(ctx: Context, acting: Acting, user_id: int) -> Change:
    """Raises NoSuchUser."""

    async def written(connection: Connection, change: Change) -> None:
        details = {"before": change.before}
        await _record(ctx, connection, acting, "user.revoke", f"user:{user_id}", details)

    return await membership.revoke(ctx, user_id, written)


async def ban(ctx: Context, acting: Acting, user_id: int, reason: str) -> None:
    """End all sessions within a second, and let nobody log in to the account. Raises NoSuchUser."""
    async with ctx.db.transaction() as connection:
        user = await users.set_ban(ctx, connection, user_id, reason)
        if user is None:
            raise membership.NoSuchUser
        ended = await auth.end_all_sessions(connection, user_id)
        details = {"reason": reason, "sessions": len(ended)}
        await _record(ctx, connection, acting, "user.ban", f"user:{user_id}", details)
    users.keep(ctx, user)
    auth.have_ended(ctx, ended)


async def unban(ctx: Context, acting: Acting, user_id: int) -> None:
    """Raises NoSuchUser."""
    async with ctx.db.transaction() as connection:
        user = await users.set_ban(ctx, connection, user_id, None)
        if user is None:
            raise membership.NoSuchUser
        await _record(ctx, connection, acting, "user.unban", f"user:{user_id}", {})
    users.keep(ctx, user)


async def _record(
    ctx: Context,
    connection: Connection,
    acting: Acting,
    action: str,
    target: str,
    details: dict[str, Any],
) -> None:
    await operators.record(ctx, connection, acting, Entry(action, target, details))


async def search(
    ctx: Context, acting: Acting, by: By, text: str, after: int | None, limit: int
) -> list[Person]:
    """People, by id; by nickname as many as begin so. That somebody looked is written down.

    Raises InvalidSearch, InvalidPhone.
    """
    await operators.note(ctx, acting, Entry("user.search", details={"by": by}))
    async with ctx.db.read() as connection:
        if by == "nickname":
            return await repository.by_nickname(connection, text, after, limit)
        found = await _one(ctx, connection, by, text)
    return [found] if found and after is None else []


async def _one(ctx: Context, connection: Connection, by: By, text: str) -> Person | None:
    if by == "openid":
        return await repository.by_openid(connection, text)
    if by == "phone":
        number = phones.number_of(text)
        return await repository.by_phone(connection, users.phone_index(ctx, number))
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise InvalidSearch
    return await repository.by_id(connection, int(text))


async def view(ctx: Context, acting: Acting, user_id: int) -> View:
    """A person, their sessions and use of the coach. That somebody looked is written down.

    Raises NoSuchUser.
    """
    async with ctx.db.connection() as connection:
        person = await repository.by_id(connection, user_id)
        if person is None:
            raise membership.NoSuchUser
        sessions = await repository.sessions(connection, user_id)
        today = date_in(ctx.clock.now(), person.timezone)
        used = [
            await coach.usage_since(connection, user_id, today - timedelta(days=days - 1))
            for days in (1, COACH_DAYS)
        ]
    await operators.note(ctx, acting, Entry("user.view", f"user:{user_id}"))
    return View(person, sessions, *used)


async def figures(ctx: Context, first: date, last: date) -> list[statistics.Row]:
    """The statistics of the days from `first` to `last`. Raises InvalidSpan."""
    if not 0 <= (last - first).days < MOST_DAYS:
        raise InvalidSpan
    return await statistics.between(ctx, first, last)


async def failed_jobs(ctx: Context, before: int | None, limit: int) -> list[Parked]:
    """Jobs that failed five times, newest first; `before`: an id."""
    async with ctx.db.connection() as connection:
        return await jobs.parked(connection, before, limit)


async def retry_job(ctx: Context, acting: Acting, job_id: int) -> None:
    """Let it run again at once. Raises NoSuchJob, JobWaiting."""
    async with ctx.db.transaction() as connection:
        try:
            name = await jobs.retry(connection, job_id)
        except asyncpg.UniqueViolationError:
            raise JobWaiting from None
        if name is None:
            raise NoSuchJob
        await _record(ctx, connection, acting, "job.retry", f"job:{job_id}", {"name": name})


async def drop_job(ctx: Context, acting: Acting, job_id: int) -> None:
    """Give it up. Raises NoSuchJob."""
    async with ctx.db.transaction() as connection:
        name = await jobs.drop(connection, job_id)
        if name is None:
            raise NoSuchJob
        await _record(ctx, connection, acting, "job.drop", f"job:{job_id}", {"name": name})


def settings_in_force(section: BaseSettings) -> dict[str, Any]:
    """By the names of the variables; a secret that is set is shown as stars."""
    found: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseSettings):
            found |= settings_in_force(value)
            continue
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else name.upper()
        found[variable] = _shown(value)
    return found


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return [_shown(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
