"""Made-up people and their history, as the bytes that COPY takes; each time the same ones.

A chunk of people depends on its number and the date alone: never on how many processes share the
work. `python -m zxo.people` is such a process; `zxo seed` starts them and reads what they write.
"""

import asyncio
import os
import random
import sys
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import BinaryIO, NamedTuple, TypeVar

import msgspec

from zxo import settings
from zxo.context import token_ring
from zxo.kit.zones import date_in
from zxo.modules import regions
from zxo.modules.checkins import rank_of
from zxo.settings import Settings

T = TypeVar("T")

CHUNK = 1_000
LENGTH_BYTES = 4
STDOUT = 1  # bytes for the process that started us, not text for a person
LONGEST_DAYS = 600
OLDEST_DAYS = 720  # no check-in is older
MONTHS_BACK = 24
HOME = "Asia/Shanghai"
ABROAD = ("Asia/Urumqi", "Asia/Tokyo", "Europe/London", "America/New_York")

COLUMNS = {
    "users": "id openid nickname member_type member_expiry_at vip_activated_at ai_activated_at"
    " total_days consecutive_days makeup_cards last_check_in_date total_days_reached_at"
    " province city district street timezone created_at updated_at",
    "user_settings": "user_id smoking_years daily_amount check_in_reminder_time show_in_ranking"
    " created_at updated_at",
    "sessions": "id user_id refresh_jti device created_at refreshed_at expires_at",
    "check_in_records": "user_id check_in_date is_makeup rank_at_check_in stars_at_check_in"
    " made_on created_at",
    "craving_records": "id user_id recorded_at recorded_date recorded_hour intensity trigger_type",
}
CRAVINGS_EACH = 2  # at most; their ids follow from the person's

NULL = "\\N"
NICKNAMES = (
    "戒烟勇士 无烟日记 深呼吸 清风徐来 早睡早起 老王 小李 阿强 小雨 大海 阳光 晨跑者 山里人"
    " 北方的狼 橙子汽水 不抽了 第一天 为了女儿 新肺 慢慢来 一杯清茶 向前看 大刘 张师傅 晴天 老陈"
)
STREETS = (
    "人民路街道 解放路街道 中山路街道 建设路街道 新华街道 和平街道 东关街道 西关街道 南关街道"
    " 朝阳街道 胜利街道 文化路街道 光明街道 长江路街道 第1街道 第2街道 第3街道 团结街道 城关镇"
)
SMOKING_YEARS = ("1年以下", "1-3年", "3-5年", "5-10年", "10年以上")
TRIGGERS = ("stress", "social", "habit", "other")


class Chunk(msgspec.Struct, frozen=True):
    """The rows of people with consecutive ids, by table; tokens: one a line, if wanted."""

    people: int
    tables: dict[str, bytes]
    tokens: bytes


class Place(NamedTuple):
    """A district (or a city without any) as the columns of COPY, and the streets in it."""

    columns: str
    streets: tuple[str, ...]


class Run(NamedTuple):
    """`length` consecutive dates; the newest is `age` days before yesterday."""

    age: int
    length: int


class People:
    """Makes up chunks of people as they are at `now`, with valid tokens if wanted."""

    def __init__(self, configured: Settings, now: datetime, *, tokens: bool) -> None:
        self._ring = token_ring(configured) if tokens else None
        self._issued = int(now.timestamp())
        self._ends = self._issued + int(configured.tokens.expires_in.total_seconds())
        self._now = now.isoformat()
        self._session_ends = (now + configured.tokens.expires_in + timedelta(days=7)).isoformat()
        today = date_in(now, HOME)
        self._days_ahead = [f"{today + timedelta(days=n)} 00:00+08" for n in range(1, 366)]
        self._days_behind = [f"{today - timedelta(days=n)} 12:00+08" for n in range(1, 31)]
        self._dates = {name: _dates_before(date_in(now, name)) for name in (HOME, *ABROAD)}
        # A rank and its stars, by the days counted.
        ranks = [rank_of(days) for days in range(LONGEST_DAYS + 1)]
        self._ranks = [f"{rank.rank}\t{rank.stars}" for rank in ranks]
        # From 06:00:00 to 21:59:59: a moment of these exists on every date, summer time or not.
        self._times = [f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(21600, 79200)]
        self._places, self._nicknames = list(_places()), NICKNAMES.split()

    def chunk(self, number: int, users: int) -> Chunk:
        """The people of chunk `number` (from 0), as far as there are `users`."""
        self._random = random.Random(20251201 + number)  # noqa: S311 - made to be repeatable
        ids = range(number * CHUNK + 1, min((number + 1) * CHUNK, users) + 1)
        self._rows: dict[str, list[str]] = {table: [] for table in COLUMNS}
        tokens = [self._person(user_id) for user_id in ids]
        tables = {table: "".join(rows).encode() for table, rows in self._rows.items()}
        return Chunk(len(ids), tables, "".join(tokens).encode())

    def _person(self, number: int) -> str:
        """Adds the rows of one person; their token as a line, or nothing."""
        draw = self._random.random
        zone = HOME if draw() < 0.99 else _pick(draw(), ABROAD)
        runs = list(self._runs(self._total()))
        reached = self._records(number, zone, runs)
        member, membership = self._membership(draw())
        nickname = f"{_pick(draw(), self._nicknames)}{number}"
        place = self._place() if runs else _NOWHERE
        self._rows["users"].append(
            f"{number}\tseed_{number}\t{nickname}\t{membership}\t{self._progress(zone, runs)}"
            f"\t{reached}\t{place}\t{zone}\t{self._now}\t{self._now}\n"
        )
        self._settings(number)
        self._cravings(number, zone)
        return self._session(number, member)

    def _total(self) -> int:
        """How many days: many have few, 1 in 20 none, and some nearly two years (mean: 9)."""
        kind = self._random.random()
        if kind < 0.05:
            return 0
        if kind < 0.85:
            return 1 + self._some(3.2)
        if kind < 0.985:
            return 8 + self._some(14)
        return min(LONGEST_DAYS, 30 + self._some(170))

    def _some(self, mean: float) -> int:
        return int(self._random.expovariate(1 / mean))

    def _runs(self, total: int) -> Iterator[Run]:
        """The newest first, a day without between them. Most people were here yesterday."""
        age = 0 if self._random.random() < 0.6 else self._some(45)
        age = min(age, OLDEST_DAYS - total)
        while total:
            length = min(total, 1 + self._some(10))
            if age + total + 1 >= OLDEST_DAYS:  # no room for a gap
                length = total
            yield Run(age, length)
            age, total = age + length + 1, total - length

    def _records(self, number: int, zone: str, runs: list[Run]) -> str:
        """Adds the check-ins; the moment of the last one."""
        dates, times, ranks, draw = self._dates[zone], self._times, self._ranks, self._random.random
        add, offset, spread = self._rows["check_in_records"].append, _offset(zone), len(times)
        days, at = 0, NULL
        for age, length in reversed(runs):
            for day in dates[age + length - 1 : age - 1 if age else None : -1]:
                days += 1
                at = f"{day} {times[int(draw() * spread)]}{offset}"
                add(f"{number}\t{day}\tf\t{ranks[days]}\t{day}\t{at}\n")
        return at

    def _progress(self, zone: str, runs: list[Run]) -> str:
        """total_days, consecutive_days, makeup_cards (one more for every 7 days of a run), last."""
        if not runs:
            return f"0\t0\t3\t{NULL}"
        total, cards = sum(run.length for run in runs), 3 + sum(run.length // 7 for run in runs)
        return f"{total}\t{runs[0].length}\t{cards}\t{self._dates[zone][runs[0].age]}"

    def _membership(self, kind: float) -> tuple[str, str]:
        """The tier, and the columns that tell of it: since up to a month, for up to a year."""
        if kind >= 0.13:
            return "free", f"free\t{NULL}\t{NULL}\t{NULL}"
        expiry = _pick(self._random.random(), self._days_ahead)
        since = _pick(self._random.random(), self._days_behind)
        if kind < 0.10:
            return "vip", f"vip\t{expiry}\t{since}\t{NULL}"
        return "ai", f"ai\t{expiry}\t{NULL}\t{since}"

    def _place(self) -> str:
        place = _pick(self._random.random(), self._places)
        street = self._random.random()  # 9 in 10 have named theirs
        return f"{place.columns}\t{_pick(street / 0.9, place.streets) if street < 0.9 else NULL}"

    def _settings(self, number: int) -> None:
        draw = self._random.random
        minute = 0 if draw() < 0.6 else 5 * int(draw() * 72) - 180  # from 06:00 to 11:55
        hidden, amount = draw() < 0.03, 5 + int(draw() * 36)
        self._rows["user_settings"].append(
            f"{number}\t{_pick(draw(), SMOKING_YEARS)}\t{amount}"
            f"\t{9 + minute // 60:02}:{minute % 60:02}\t{'f' if hidden else 't'}"
            f"\t{self._now}\t{self._now}\n"
        )

    def _cravings(self, number: int, zone: str) -> None:
        draw, dates = self._random.random, self._dates[zone]
        for n in range(int(draw() * (CRAVINGS_EACH + 1))):
            day, time = dates[int(draw() * 7)], _pick(draw(), self._times)
            self._rows["craving_records"].append(
                f"{(number - 1) * CRAVINGS_EACH + n + 1}\t{number}\t{day} {time}{_offset(zone)}"
                f"\t{day}\t{time[:2]}\t{1 + int(draw() * 5)}\t{_pick(draw(), TRIGGERS)}\n"
            )

    def _session(self, number: int, member: str) -> str:
        session, jti = self._uuid(), self._uuid()
        self._rows["sessions"].append(
            f"{session}\t{number}\t{jti}\tseed\t{self._now}\t{self._now}\t{self._session_ends}\n"
        )
        if self._ring is None:
            return ""
        claims = {"userId": number, "openid": f"seed_{number}", "memberType": member}
        claims |= {"sid": session, "jti": jti, "iat": self._issued, "exp": self._ends}
        return f"{self._ring.sign(claims)}\n"

    def _uuid(self) -> str:
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


_NOWHERE = "\t".join([NULL] * 4)


def _pick(draw: float, among: Sequence[T]) -> T:
    return among[int(draw * len(among))]


def _dates_before(today: date) -> list[str]:
    """Yesterday and back."""
    return [str(today - timedelta(days=n)) for n in range(1, OLDEST_DAYS + 1)]


def _offset(zone: str) -> str:
    """What follows a local time; the server knows the summer times of the others."""
    return "+08" if zone == HOME else f" {zone}"


def _places() -> Iterator[Place]:
    for province in regions.children():
        for city in regions.children((province.name,)):
            path = province.name, city.name
            for district in regions.children(path):
                yield Place("\t".join((*path, district.name)), _streets(district.code))
            if not regions.children(path):
                yield Place("\t".join((*path, NULL)), _streets(city.code))


def _streets(code: str) -> tuple[str, ...]:
    """From 1 to 8 of the common names, always the same ones for a division."""
    names, seed = STREETS.split(), zlib.crc32(code.encode())
    first, count = seed % len(names), 1 + seed // len(names) % 8
    return tuple(names[(first + 3 * n) % len(names)] for n in range(count))


def write(chunk: Chunk, out: BinaryIO) -> None:
    """As its length and itself."""
    frame = msgspec.msgpack.encode(chunk)
    out.write(len(frame).to_bytes(LENGTH_BYTES))
    out.write(frame)
    out.flush()


async def read(source: asyncio.StreamReader) -> Chunk:
    """The next chunk that was written. Raises IncompleteReadError where there is none."""
    length = int.from_bytes(await source.readexactly(LENGTH_BYTES))
    return msgspec.msgpack.decode(await source.readexactly(length), type=Chunk)


def main() -> None:
    """Write every `step`th chunk from `first` on, until there are `users` or nobody reads.

    The pipe holds less than a chunk: so a process is never ahead of its reader by more than one.
    """
    first, step, users, tokens, now = sys.argv[1:]
    people = People(settings.load(), datetime.fromisoformat(now), tokens=tokens == "tokens")
    pipe = os.fdopen(STDOUT, "wb")
    try:
        for number in range(int(first), -(-int(users) // CHUNK), int(step)):
            write(people.chunk(number, int(users)), pipe)
    except BrokenPipeError:  # `zxo seed` is gone
        os._exit(1)  # without another attempt to write


if __name__ == "__main__":
    main()
