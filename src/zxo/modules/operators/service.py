"""Operators' accounts, and what each of them did."""

from typing import Any

from zxo.context import Context
from zxo.kit import passwords
from zxo.kit.db import Connection
from zxo.modules.operators import repository, rules
from zxo.modules.operators.errors import (
    LastOwner,
    NoSuchOperator,
    OperatorNameTaken,
    WeakPassword,
)
from zxo.modules.operators.models import Acting, Audited, Entry, Operator
from zxo.modules.operators.rules import Role


async def get(ctx: Context, operator_id: int) -> Operator:
    """Raises NoSuchOperator."""
    async with ctx.db.connection() as connection:
        return found(await repository.get(connection, operator_id))


def found(operator: Operator | None) -> Operator:
    """Raises NoSuchOperator."""
    if operator is None:
        raise NoSuchOperator
    return operator


async def list_operators(ctx: Context) -> list[Operator]:
    async with ctx.db.connection() as connection:
        return await repository.list_all(connection)


async def hash_of(password: str, name: str) -> str:
    """What is stored of the password of `name`. Raises WeakPassword."""
    if rules.is_weak(password, name):
        raise WeakPassword
    return await passwords.hashed(password)


async def create(ctx: Context, acting: Acting, name: str, role: Role, password: str) -> Operator:
    """Raises WeakPassword, OperatorNameTaken."""
    hashed = await hash_of(password, name)
    async with ctx.db.transaction() as connection:
        keyed = (name, rules.name_key(name))
        operator = await repository.add(connection, keyed, role, hashed, ctx.clock.now())
        if operator is None:
            raise OperatorNameTaken
        entry = Entry("operator.create", f"operator:{operator.id}", {"name": name, "role": role})
        await repository.record(connection, acting, entry, ctx.clock.now())
    return operator


async def change(
    ctx: Context,
    acting: Acting,
    operator_id: int,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    reset_totp: bool = False,
) -> Operator:
    """Role, whether they may sign in, enrolling anew. Raises NoSuchOperator, LastOwner."""
    changes: dict[str, Any] = {}
    if role is not None:
        changes["role"] = role
    if disabled is not None:
        changes["disabled_at"] = ctx.clock.now() if disabled else None
    if reset_totp:
        changes |= {"totp_ciphertext": None, "totp_confirmed_at": None, "last_totp_step": None}
    async with ctx.db.transaction() as connection:
        owners = await repository.lock_owners(connection)
        before = found(await repository.get(connection, operator_id))
        if not changes:
            return before
        leaves = disabled or role not in {None, "owner"}
        if leaves and owners <= {operator_id}:
            raise LastOwner
        return await write(ctx, connection, acting, operator_id, changes, "operator.change")


async def write(
    ctx: Context,
    connection: Connection,
    acting: Acting,
    operator_id: int,
    changes: dict[str, Any],
    action: str,
) -> Operator:
    """Change columns; ends all sessions of the operator but the one that acts, and says what."""
    operator = await repository.update(connection, operator_id, changes)
    await repository.end_sessions(connection, operator_id, acting.token_hash)
    details: dict[str, Any] = {"changed": sorted(changes)}
    if "role" in changes:
        details["role"] = changes["role"]
    entry = Entry(action, f"operator:{operator_id}", details)
    await repository.record(connection, acting, entry, ctx.clock.now())
    return operator


async def record(ctx: Context, connection: Connection, acting: Acting, entry: Entry) -> None:
    """Write down what an operator does, in the transaction that does it."""
    await repository.record(connection, acting, entry, ctx.clock.now())


async def note(ctx: Context, acting: Acting, entry: Entry) -> None:
    """Write down what changes nothing: that somebody looked."""
    async with ctx.db.connection() as connection:
        await repository.record(connection, acting, entry, ctx.clock.now())


async def audit(ctx: Context, before: int | None, target: str | None, limit: int) -> list[Audited]:
    """The audit, newest first; `before`: an id."""
    async with ctx.db.connection() as connection:
        return await repository.audit(connection, before, target, limit)
