"""The people that `zxo seed` makes up, without a database: twenty thousand of them."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.processes import SECRET
from zxo import people
from zxo.context import token_ring
from zxo.modules import regions
from zxo.modules.checkins import rank_of
from zxo.modules.checkins.rules import TIERS
from zxo.settings import Settings, TokenSettings

USERS = 20_000
NOW = datetime(2025, 12, 1, 1, tzinfo=UTC)
TODAY = date(2025, 12, 1)

Row = dict[str, str]


def rows(chunks: list[people.Chunk], table: str) -> Iterator[Row]:
    names = people.COLUMNS[table].split()
    for chunk in chunks:
        for line in chunk.tables[table].decode().splitlines():
            yield dict(zip(names, line.split("\t"), strict=True))


def make(*, tokens: bool = False) -> people.People:
    settings = Settings(env="test", tokens=TokenSettings(secret=SECRET))
    return people.People(settings, NOW, tokens=tokens)


@pytest.fixture(scope="module")
def chunks() -> list[people.Chunk]:
    maker = make()
    return [maker.chunk(number, USERS) for number in range(USERS // people.CHUNK)]


@pytest.fixture(scope="module")
def users(chunks: list[people.Chunk]) -> list[Row]:
    return list(rows(chunks, "users"))


def share(found: int) -> float:
    return found / USERS


def instant(row: Row) -> datetime:
    """A moment as it is written for the server: with an offset or a zone."""
    text, _, name = (
        row["total_days_reached_at"].partition("+08")[0].partition(" ")[2].partition(" ")
    )
    day = date.fromisoformat(row["total_days_reached_at"][:10])
    clock = datetime.strptime(text, "%H:%M:%S").time()  # noqa: DTZ007 - the zone follows
    return datetime.combine(day, clock, ZoneInfo(name or "Asia/Shanghai"))


def test_a_chunk_does_not_depend_on_those_before_it(chunks: list[people.Chunk]) -> None:
    assert make().chunk(7, USERS) == chunks[7]
    fewer = make().chunk(7, 7 * people.CHUNK + 500).tables["users"]
    assert fewer == b"".join(chunks[7].tables["users"].splitlines(keepends=True)[:500])


def test_ids_are_those_of_the_chunk_and_the_last_one_may_be_smaller() -> None:
    before = 2 * people.CHUNK
    chunk = make(tokens=True).chunk(2, before + 300)
    ids = [int(row["id"]) for row in rows([chunk], "users")]
    assert ids == list(range(before + 1, before + 301))
    assert (chunk.people, len(chunk.tokens.splitlines())) == (300, 300)


def test_every_tier_occurs_and_the_records_are_nine_a_person(users: list[Row]) -> None:
    totals = [int(row["total_days"]) for row in users]
    assert {rank_of(total).rank for total in totals} == {tier.name for tier in TIERS}
    assert 8 < sum(totals) / USERS < 10
    assert 0.04 < share(totals.count(0)) < 0.06


def test_who_has_no_days_has_no_region_and_most_others_a_street(users: list[Row]) -> None:
    for row in users:
        region = [row[name] for name in ("province", "city", "district", "street")]
        if row["total_days"] == "0":
            assert region == [people.NULL] * 4
            assert row["total_days_reached_at"] == people.NULL
        else:
            assert regions.is_division(
                *(None if name == people.NULL else name for name in region[:3])
            )
    assert 0.8 < share(sum(row["street"] != people.NULL for row in users)) < 0.9


def test_a_district_has_one_to_eight_streets(users: list[Row]) -> None:
    streets: dict[tuple[str, ...], set[str]] = {}
    for row in users:
        if row["street"] != people.NULL:
            streets.setdefault((row["province"], row["city"], row["district"]), set()).add(
                row["street"]
            )
    counts = {len(found) for found in streets.values()}
    assert min(counts) == 1
    assert 5 <= max(counts) <= 8


def test_members_have_an_expiry_to_come_and_were_activated_before(users: list[Row]) -> None:
    kinds = Counter(row["member_type"] for row in users)
    assert 0.09 < share(kinds["vip"]) < 0.11
    assert 0.02 < share(kinds["ai"]) < 0.04
    for row in users:
        activated = {"vip": row["vip_activated_at"], "ai": row["ai_activated_at"]}
        mine = activated.pop(row["member_type"], people.NULL)
        if row["member_type"] == "free":
            assert row["member_expiry_at"] == people.NULL
        else:
            assert row["member_expiry_at"][:10] > str(TODAY)
            assert mine[:10] < str(TODAY)
        assert set(activated.values()) == {people.NULL}


def test_days_were_reached_on_the_last_date_and_never_in_the_future(users: list[Row]) -> None:
    moments = Counter()
    for row in users:
        if row["total_days"] != "0":
            at = instant(row)
            assert str(at.date()) == row["last_check_in_date"]
            assert at < NOW
            assert (
                at.astimezone(ZoneInfo(row["timezone"])).date()
                < NOW.astimezone(ZoneInfo(row["timezone"])).date()
            )
            moments[row["total_days"], at] += 1
    ties = sum(count for count in moments.values() if count > 1)
    assert 0 < share(ties) < 0.05


def test_a_few_live_in_other_zones(users: list[Row]) -> None:
    zones = Counter(row["timezone"] for row in users)
    assert zones.keys() == {people.HOME, *people.ABROAD}
    assert 0.005 < 1 - share(zones[people.HOME]) < 0.015


def test_nicknames_fit(users: list[Row]) -> None:
    longest = max(map(len, people.NICKNAMES.split())) + len("5000000")
    assert longest <= 20
    assert len({row["nickname"] for row in users}) == USERS


def test_cards_are_three_and_one_for_every_seven_days_of_a_run(
    chunks: list[people.Chunk], users: list[Row]
) -> None:
    dates: dict[str, list[date]] = {}
    for row in rows(chunks[:1], "check_in_records"):
        dates.setdefault(row["user_id"], []).append(date.fromisoformat(row["check_in_date"]))
    for user in users[: people.CHUNK]:
        cards, run, before = 3, 0, None
        for day in dates.get(user["id"], []):
            run = run + 1 if before == day - timedelta(days=1) else 1
            cards, before = cards + (run % 7 == 0), day
        assert (int(user["makeup_cards"]), int(user["consecutive_days"])) == (cards, run)


def test_a_record_keeps_the_rank_that_its_day_earned(chunks: list[people.Chunk]) -> None:
    days: Counter[str] = Counter()
    for row in rows(chunks[:1], "check_in_records"):
        days[row["user_id"]] += 1
        rank = rank_of(days[row["user_id"]])
        assert (row["rank_at_check_in"], row["stars_at_check_in"]) == (rank.rank, str(rank.stars))


def test_settings_are_spread(chunks: list[people.Chunk]) -> None:
    settings = list(rows(chunks, "user_settings"))
    assert 0.02 < share(sum(row["show_in_ranking"] == "f" for row in settings)) < 0.04
    times = Counter(row["check_in_reminder_time"] for row in settings)
    assert 0.5 < share(times["09:00"]) < 0.7
    assert (min(times), max(times), len(times)) == ("06:00", "11:55", 72)


def test_the_token_tells_the_tier_of_its_owner() -> None:
    maker = make(tokens=True)
    chunk = maker.chunk(0, 1_000)
    verify = token_ring(Settings(env="test", tokens=TokenSettings(secret=SECRET))).verify
    sessions = rows([chunk], "sessions")
    for user, session, token in zip(
        rows([chunk], "users"), sessions, chunk.tokens.decode().splitlines(), strict=True
    ):
        claims = verify(token)
        assert claims["userId"] == int(user["id"]) == int(session["user_id"])
        assert claims["memberType"] == user["member_type"]
        assert (claims["sid"], claims["jti"]) == (session["id"], session["refresh_jti"])


def test_no_chunk_is_large() -> None:
    """Memory follows from this: a few chunks a process are all that is ever held."""
    chunk = make(tokens=True).chunk(0, people.CHUNK)
    assert sum(map(len, chunk.tables.values())) + len(chunk.tokens) < 6_000_000
