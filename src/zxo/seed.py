"""Synthetic users and their history, for demonstrations and load tests: by COPY, always the same.

Ids run from 1. Nobody has checked in today, so that every one of them can.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TextIO
from uuid import UUID

from rich.console import Console
from rich.progress import Progress

from zxo import migrations
from zxo.context import token_ring
from zxo.kit.clock import Clock
from zxo.kit.db import Database
from zxo.kit.partitions import keep_months
from zxo.kit.zones import date_in, zone
from zxo.modules import regions
from zxo.modules.checkins import rank_of, run_ending_at
from zxo.settings import Settings

CHUNK = 5_000
MEAN_DAYS = 8
LONGEST_DAYS = 360
MONTHS_BACK = 14
ZONE = "Asia/Shanghai"

COLUMNS = {
    "users": "id openid nickname member_type total_days consecutive_days makeup_cards"
    " last_check_in_date total_days_reached_at province city district created_at updated_at",
    "user_settings": "user_id smoking_years daily_amount created_at updated_at",
    "sessions": "id user_id refresh_jti device created_at refreshed_at expires_at",
    "check_in_records": "user_id check_in_date is_makeup rank_at_check_in stars_at_check_in"
    " made_on created_at",
    "craving_records": "user_id recorded_at recorded_date recorded_hour intensity trigger_type",
}


class SeedError(Exception):
    """Seeding is refused; the text is one line for the person."""


class Rows(NamedTuple):
    """The rows of one user, by table, and the claims of a token."""

    tables: dict[str, list[tuple[Any, ...]]]
    claims: dict[str, Any]


def run(settings: Settings, users: int, tokens: Path | None, screen: Console) -> None:
    """Seed `users` users. Raises SeedError in production and where users exist."""
    if settings.production:
        raise SeedError("seed makes up people; it does not run in production.")
    migrations.upgrade(settings.database.dsn())
    with Progress(console=screen) as progress:
        task = progress.add_task(f"{users:,} users", total=users)
        asyncio.run(_seed(settings, users, tokens, lambda done: progress.advance(task, done)))


async def _seed(settings: Settings, users: int, tokens: Path | None, advance: Any) -> None:
    database = await Database.connect(
        settings.database.dsn(), max_size=2, statement_timeout=3600, application_name="zxo-seed"
    )
    clock, ring = Clock(settings.clock), token_ring(settings)
    try:
        if await database.fetchval("SELECT EXISTS (SELECT FROM users)"):
            raise SeedError("The database already has users; seed needs an empty one.")
        await keep_months(database, date_in(clock.now(), ZONE), months_back=MONTHS_BACK)
        people = People(settings, clock.now())
        with _private_file(tokens) as lines:
            for first in range(1, users + 1, CHUNK):
                ids = range(first, min(first + CHUNK, users + 1))
                claims = await _copy(database, [people.one(number) for number in ids])
                lines.writelines(f"{ring.sign(claim)}\n" for claim in claims)
                advance(len(ids))
        await database.execute("SELECT setval(pg_get_serial_sequence('users', 'id'), $1)", users)
        await database.execute("VACUUM (ANALYZE) {}".format(", ".join(COLUMNS)))
    finally:
        await database.close()


def _private_file(path: Path | None) -> TextIO:
    if path is None:
        return Path(os.devnull).open("w")
    path.touch(mode=0o600)
    path.chmod(0o600)  # it may have been there before
    return path.open("w")


async def _copy(database: Database, people: list[Rows]) -> list[dict[str, Any]]:
    """Write the rows of all tables in one transaction; the tokens' claims."""
    async with database.transaction() as connection:
        for table, columns in COLUMNS.items():
            rows = [row for person in people for row in person.tables[table]]
            await connection.copy_records_to_table(table, records=rows, columns=columns.split())
    return [person.claims for person in people]


class People:
    """Makes up one person after another, the same ones every time for the same day."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self._random = random.Random(20251201)  # noqa: S311 - made to be repeatable
        self._now = now
        self._today = date_in(now, ZONE)
        self._lifetime = settings.tokens.expires_in
        self._places = list(_districts())

    def one(self, number: int) -> Rows:
        dates = self._dates()
        total = len(dates)
        last = dates[-1] if dates else None
        run_length = run_ending_at(last, set(dates)) if last else 0
        place = self._random.choice(self._places)
        user: tuple[Any, ...] = (
            number,
            f"seed_{number}",
            f"用户{number}",
            "free",
            total,
            run_length,
            3,
            last,
        )
        user += (_noon(last) if last else None, *place, self._now, self._now)
        years = self._random.choice(("1年以下", "1-3年", "3-5年", "5-10年", "10年以上"))
        setting = (number, years, self._random.randint(5, 40), self._now, self._now)
        session, claims = self._session(number)
        return Rows(
            {
                "users": [user],
                "user_settings": [setting],
                "sessions": [session],
                "check_in_records": list(_records(number, dates)),
                "craving_records": list(self._cravings(number)),
            },
            claims,
        )

    def _dates(self) -> list[date]:
        """Ascending; the last one is yesterday or earlier, with gaps in between."""
        count = min(LONGEST_DAYS, int(self._random.expovariate(1 / MEAN_DAYS)))
        day = self._today - timedelta(days=1 if self._random.random() < 0.8 else 3)
        dates = []
        for _ in range(count):
            dates.append(day)
            day -= timedelta(days=1 if self._random.random() < 0.9 else 2)
        return dates[::-1]

    def _session(self, number: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        session_id, jti = self._uuid(), self._uuid()
        issued, expires = self._now, self._now + self._lifetime
        row = (session_id, number, jti, "seed", issued, issued, expires + timedelta(days=7))
        claims = {
            "userId": number,
            "openid": f"seed_{number}",
            "memberType": "free",
            "sid": str(session_id),
            "jti": str(jti),
            "iat": int(issued.timestamp()),
            "exp": int(expires.timestamp()),
        }
        return row, claims

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _cravings(self, number: int) -> Iterator[tuple[Any, ...]]:
        for _ in range(self._random.randint(0, 2)):
            ago = timedelta(minutes=self._random.randint(1, 7 * 24 * 60))
            at = _noon(self._today) - timedelta(hours=12) - ago
            kind = self._random.choice(("stress", "social", "habit", "other"))
            yield number, at, at.date(), at.hour, self._random.randint(1, 5), kind


def _records(number: int, dates: list[date]) -> Iterator[tuple[Any, ...]]:
    for days, day in enumerate(dates, start=1):
        rank = rank_of(days)
        yield number, day, False, rank.rank, rank.stars, day, _noon(day)


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=zone(ZONE))


def _districts() -> Iterator[tuple[str, str, str]]:
    for province in regions.children():
        for city in regions.children((province.name,)):
            for district in regions.children((province.name, city.name)):
                yield province.name, city.name, district.name
