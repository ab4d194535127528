"""A set of ids that follows a table in PostgreSQL, at most a stated time behind it."""

import asyncio
import time
from typing import Any

from structlog import get_logger

from zxo.kit.db import Database, is_away
from zxo.kit.errors import Unavailable

log = get_logger(__name__)

POLL_SECONDS = 0.25
MAX_AGE_SECONDS = 0.9
WAIT_SECONDS = 2.0
# A row becomes visible when its transaction commits, which may be after a poll that was later than
# the row's own time: every poll looks back this much further than the one before.
OVERLAP_SECONDS = 10.0
RELOAD_SECONDS = 3600.0  # drops what has expired


class PolledSet:
    """`sql` selects ids recorded in the last $1 seconds (null: all) that have not expired.

    Independent of Valkey. `fresh()` waits until the set is younger than 0.9 s, so "not in the set"
    may be believed after it.
    """

    def __init__(self, database: Database, sql: str) -> None:
        self._database = database
        self._sql = sql
        self._ids: set[Any] = set()
        self._added: set[Any] = set()  # while a poll was on its way: it may not have seen them
        self._polled_at = float("-inf")
        self._loaded_at = float("-inf")
        self._changed = asyncio.Event()

    def __contains__(self, item: Any) -> bool:
        return item in self._ids

    def add(self, item: Any) -> None:
        """Add at once what this process has just written."""
        self._ids.add(item)
        self._added.add(item)

    async def fresh(self) -> None:
        """Return when the set is young enough. Raises Unavailable after 2 s without an answer."""
        if time.monotonic() - self._polled_at < MAX_AGE_SECONDS:
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while time.monotonic() - self._polled_at >= MAX_AGE_SECONDS:
                    await self._changed.wait()
        except TimeoutError:
            raise Unavailable("the database does not answer") from None

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception as error:
                if not is_away(error):
                    log.exception("poll_failed")
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Read what was recorded since the last poll."""
        began = time.monotonic()
        self._added = set()
        everything = began - self._loaded_at > RELOAD_SECONDS
        since = None if everything else began - self._polled_at + OVERLAP_SECONDS
        ids = {row[0] for row in await self._database.fetch(self._sql, since)}
        if everything:
            self._ids, self._loaded_at = ids | self._added, began
        else:
            self._ids |= ids
        self._polled_at = began
        self._changed.set()
        self._changed.clear()
