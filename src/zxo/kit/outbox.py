"""What travels upwards or happens later: written with the change, relayed after the commit.

A use case writes its event in its own transaction. The relay (in the worker) takes the rows in
batches and, in the transaction that deletes them, enqueues one job a reaction for the whole batch:
an event is never lost and never handed over twice, whatever is killed when.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg
import msgspec
from structlog import get_logger

from zxo.kit.db import Connection, Database, is_away
from zxo.kit.jobs import enqueue_each

log = get_logger(__name__)


class Event(msgspec.Struct, frozen=True):
    """A fact, named in the past tense. Fields are plain JSON values and dates."""

    @classmethod
    def name(cls) -> str:
        return cls.__name__


E = TypeVar("E", bound=Event)
Reaction = Callable[[Any, list[Any]], Awaitable[None]]
Reactions = Mapping[type[Event], Sequence[Reaction]]

# For statements that write their event themselves: append as a CTE, pass encode(event).
INSERT = "INSERT INTO outbox (event, payload) VALUES ($1, $2)"

# ARRAY, not IN: a plan may run an IN's query once a row, and each time it would skip what is locked
# and take further rows, past the limit.
# Only events that this version knows ($2): during an upgrade others wait for a newer worker.
TAKE = """
DELETE FROM outbox WHERE id = ANY (ARRAY(
    SELECT id FROM outbox WHERE event = ANY ($2::text[]) ORDER BY id LIMIT $1
    FOR UPDATE SKIP LOCKED
)) RETURNING id, event, payload
"""

IDLE_SECONDS = 0.05  # polled, not notified: pg_notify would serialise the commits of the hot path
PAUSE_SECONDS = 1.0  # after a failure
BATCH = 1000


def encode(event: Event) -> str:
    """The event as the JSON text that the outbox column holds."""
    return msgspec.json.encode(event).decode()


async def publish(connection: Connection, *events: Event) -> None:
    """Write `events` in the transaction that `connection` is in."""
    await connection.executemany(INSERT, [(event.name(), encode(event)) for event in events])


def reaction_name(reaction: Callable[..., Awaitable[None]]) -> str:
    """A job's name: `users.drop_cached` for zxo.modules.users.handlers.drop_cached."""
    module = reaction.__module__.removeprefix("zxo.").removeprefix("modules.")
    return f"{module.removesuffix('.handlers')}.{reaction.__name__}"


async def relay(database: Database, reactions: Reactions) -> int:
    """Move one batch from the outbox to the job queue; the number of rows moved."""
    known = [event.name() for event in reactions]
    async with database.transaction() as connection:
        rows = await connection.fetch(TAKE, BATCH, known)
        if rows:
            await enqueue_each(connection, list(_jobs(rows, reactions)))
    return len(rows)


async def relay_forever(database: Database, reactions: Reactions, stop: asyncio.Event) -> None:
    """Relay until `stop`; outlives a database that goes away."""
    while not stop.is_set():
        try:
            moved = await relay(database, reactions)
        except Exception as error:
            if not is_away(error):
                log.exception("outbox_relay_failed")
            moved = 0
            await asyncio.sleep(PAUSE_SECONDS)
        if moved < BATCH:
            await asyncio.sleep(IDLE_SECONDS)


def _jobs(rows: Iterable[asyncpg.Record], reactions: Reactions) -> Iterable[tuple[str, bytes]]:
    """One (job name, JSON list of payloads) a reaction, events in the order they were written."""
    by_event: dict[str, list[msgspec.Raw]] = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        by_event.setdefault(row["event"], []).append(msgspec.Raw(row["payload"].encode()))
    handled = {event.name(): event_reactions for event, event_reactions in reactions.items()}
    for name, payloads in by_event.items():
        for reaction in handled.get(name, ()):
            yield f"{reaction_name(reaction)}:{name}", msgspec.json.encode(payloads)
