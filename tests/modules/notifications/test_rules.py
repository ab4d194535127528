"""Which wall-clock minutes have come: against a model that looks at every minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from zxo.kit.zones import zone
from zxo.modules.notifications import rules
from zxo.modules.notifications.rules import Window

MINUTE = timedelta(minutes=1)
# Among them those with half an hour of summer time, changes at midnight, and odd offsets.
NAMES = [
    "Asia/Shanghai",
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
]
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
YEARS = timedelta(days=4 * 365)


def changes(zone_name: str) -> list[datetime]:
    """The hours (UTC) at whose end clocks in the zone have been changed."""
    hours = [FIRST + timedelta(hours=n) for n in range(YEARS // timedelta(hours=1))]
    offsets = [hour.astimezone(zone(zone_name)).utcoffset() for hour in hours]
    return [hours[i] for i, (before, after) in enumerate(pairwise(offsets)) if before != after]


CHANGES = {name: changes(name) for name in NAMES}


@st.composite
def ticks(draw: st.DrawFn) -> tuple[str, list[datetime]]:
    """A zone, and when a worker looks; half of the time around a change of clocks."""
    name = draw(st.sampled_from(NAMES))
    around = CHANGES[name]
    if around and draw(st.booleans()):
        start = draw(st.sampled_from(around)) - draw(st.timedeltas(timedelta(), timedelta(hours=3)))
    else:
        start = FIRST + draw(st.timedeltas(timedelta(), YEARS))
    gap = st.one_of(
        st.timedeltas(timedelta(seconds=50), timedelta(seconds=70)),
        st.timedeltas(timedelta(), timedelta(hours=2)),
    )
    instants = [start]
    for step in draw(st.lists(gap, min_size=1, max_size=12)):
        instants.append(instants[-1] + step)
    return name, instants


def minutes(window: Window) -> Iterator[datetime]:
    """Those of a window, which must lie within its day."""
    assert window.first <= window.last
    minute = datetime.combine(window.day, window.first)
    while minute <= datetime.combine(window.day, window.last):
        yield minute
        minute += MINUTE


def told(name: str, instants: list[datetime]) -> list[datetime]:
    """The local minutes of all ticks."""
    return [
        minute
        for since, until in pairwise(instants)
        for window in rules.windows(since, until, name)
        for minute in minutes(window)
    ]


def come(name: str, since: datetime, until: datetime) -> list[datetime]:
    """What a wall clock shows at every full minute after `since`, up to `until`."""
    minute, shown = since.replace(second=0, microsecond=0) + MINUTE, []
    while minute <= until:
        shown.append(minute.astimezone(zone(name)).replace(tzinfo=None))
        minute += MINUTE
    return shown


def exists(name: str, local: datetime) -> bool:
    there = local.replace(tzinfo=zone(name)).astimezone(UTC)
    return there.astimezone(zone(name)).replace(tzinfo=None) == local


@given(ticks())
@example(
    ("Europe/Berlin", [datetime(2026, 3, 29, 0, 30, tzinfo=UTC) + n * MINUTE for n in (0, 60)])
)
def test_every_minute_that_a_wall_clock_shows_is_told_in_order_and_once(
    looks: tuple[str, list[datetime]],
) -> None:
    name, instants = looks
    expected, found = come(name, instants[0], instants[-1]), told(name, instants)
    assert set(expected) <= set(found)
    assert not any(exists(name, minute) for minute in set(found) - set(expected))
    if sorted(set(expected)) == expected:  # no hour came twice
        assert found == sorted(set(found))


@given(ticks())
def test_an_hour_that_comes_twice_is_told_no_more_than_twice(
    looks: tuple[str, list[datetime]],
) -> None:
    name, instants = looks
    expected, found = come(name, instants[0], instants[-1]), told(name, instants)
    assert [minute for minute in found if exists(name, minute)] == expected


@given(ticks())
def test_what_clocks_leave_out_is_told_when_it_has_passed(
    looks: tuple[str, list[datetime]],
) -> None:
    name, instants = looks
    found = set(told(name, instants))
    for before, after in pairwise(come(name, instants[0], instants[-1])):
        while (before := before + MINUTE) < after:
            assert before in found


@given(ticks(), st.data())
def test_it_does_not_matter_how_often_one_looks(
    looks: tuple[str, list[datetime]], choice: st.DataObject
) -> None:
    name, instants = looks
    if instants[-1] - instants[0] <= timedelta(hours=2):
        assert told(name, [instants[0], instants[-1]]) == told(name, instants)
    again = choice.draw(st.sampled_from(instants))
    assert told(name, [again, again]) == []


def test_kinds_go_out_under_their_own_name_or_as_a_notification() -> None:
    assert [rules.event_of(kind) for kind in ("check_in", "rank_up", rules.REMINDER, "trial")] == [
        "check_in",
        "rank_up",
        "notification",
        "notification",
    ]
