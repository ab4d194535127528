"""The arithmetic against a plain model, and how codes are read."""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.modules.membership import rules
from zxo.modules.membership.rules import Membership, Plan

START = datetime(2025, 12, 1, 1, tzinfo=UTC)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
NOBODY = Membership("free", None, None, None)

days = st.integers(1, 400)
pauses = st.timedeltas(timedelta(0), timedelta(days=200))
codes = st.tuples(pauses, st.sampled_from(["vip", "ai"]), days)
histories = st.lists(codes, max_size=12)


class Model(NamedTuple):
    """Somebody's membership in the words of the ruling: a tier that ends, or nothing."""

    tier: str | None = None
    end: datetime = START

    def at(self, now: datetime) -> "Model":
        return self if self.tier and now < self.end else Model()

    def redeem(self, tier: str, added: timedelta, now: datetime) -> "Model | None":
        held = self.at(now)
        match (held.tier, tier):
            case (None, _):
                return Model(tier, now + added)
            case ("vip", "vip") | ("ai", "ai"):
                return Model(tier, held.end + added)
            case ("vip", "ai"):
                return Model("ai", held.end if held.end > now + added else now + added)
        return None


@given(histories)
def test_any_history_of_codes_ends_as_the_model_says(history: list[Any]) -> None:
    now, real, model = START, NOBODY, Model()
    for pause, tier, added in history:
        now += pause
        after, expected = rules.give(real, tier, added, now), model.redeem(tier, added * DAY, now)
        assert (after is None) == (expected is None)
        if after is None or expected is None:
            continue
        assert (after.tier, after.expiry) == expected
        begun = rules.counted_from(real, tier, now)
        assert rules.days_given(begun, added) == added
        real, model = after, expected
        for later in (now, expected.end - INSTANT, expected.end, expected.end + DAY):
            assert real.in_force(later) == (model.at(later).tier or "free")


@given(histories)
def test_a_code_never_shortens_what_somebody_has(history: list[Any]) -> None:
    now, membership = START, NOBODY
    for pause, tier, added in history:
        now += pause
        after = rules.give(membership, tier, added, now)
        if after is None:
            assert membership.in_force(now) == "ai"
            continue
        assert after.expiry
        assert after.expiry >= now + added * DAY
        if membership.in_force(now) != "free":
            assert membership.expiry
            assert after.expiry >= membership.expiry
        membership = after


@given(histories, st.timedeltas(timedelta(0), timedelta(days=500)))
def test_somebody_is_a_member_or_was_one_or_never_was(history: list[Any], wait: timedelta) -> None:
    now, membership, latest = START, NOBODY, None
    for pause, tier, added in history:
        now += pause
        after = rules.give(membership, tier, added, now)
        membership, latest = (after, tier) if after else (membership, latest)
    now += wait
    in_force, lapsed = membership.in_force(now), membership.lapsed(now)
    if in_force == "free":
        assert lapsed == latest
        # It stays known once the nightly job has written free.
        assert membership._replace(tier="free").lapsed(now) == latest
    else:
        assert lapsed is None
        assert in_force == latest
    taken = rules.take_away(membership)
    assert (taken.in_force(now), taken.lapsed(now), taken.on_trial(now)) == ("free", None, False)


@given(days, pauses)
def test_the_trial_is_four_days_of_vip_that_is_in_force(length: int, wait: timedelta) -> None:
    vip = rules.give(NOBODY, "vip", length, START)
    assert vip
    assert vip.on_trial(START + wait) == (wait < min(4, length) * DAY)
    ai = rules.give(vip, "ai", length, START)
    assert ai
    assert not ai.on_trial(START)


def test_a_membership_for_ever_stays_one() -> None:
    for tier in ("vip", "ai"):
        forever = Membership(tier, None, None, None)
        extended = rules.give(forever, tier, 3, START)
        assert extended
        assert (extended.tier, extended.expiry) == (tier, None)
    over = rules.give(Membership("vip", None, None, None), "ai", 3, START)
    assert over
    assert (over.tier, over.expiry) == ("ai", None)


@given(st.timedeltas(timedelta(0), timedelta(days=36_500)))
def test_three_months_later_is_the_same_day_or_the_last_of_the_month(past: timedelta) -> None:
    local = (START + past).astimezone(rules.zone(rules.CALENDAR))
    later = rules.later(START + past, None).astimezone(local.tzinfo)
    assert (later.year * 12 + later.month) - (local.year * 12 + local.month) == 3
    assert later.time() == local.time()
    assert later.day == min(local.day, calendar.monthrange(later.year, later.month)[1])


def test_the_last_day_is_the_last_one_on_which_it_is_in_force() -> None:
    midnight = datetime(2025, 12, 4, 16, tzinfo=UTC)
    assert rules.last_day(midnight, "Asia/Shanghai").isoformat() == "2025-12-04"
    assert rules.last_day(midnight + INSTANT, "Asia/Shanghai").isoformat() == "2025-12-05"
    assert rules.last_day(midnight, "America/New_York").isoformat() == "2025-12-04"


bits = st.integers(0, 2**60 - 1)


@given(bits, bits)
def test_codes_are_twelve_letters_and_differ_as_their_bits_do(one: int, other: int) -> None:
    first, second = rules.code_of(one), rules.code_of(other)
    assert len(first) == 12
    assert set(first) <= set(rules.ALPHABET)
    assert (first == second) == (one == other)
    assert (
        int(first.translate(str.maketrans(rules.ALPHABET, "0123456789abcdefghijklmnopqrstuv")), 32)
        == one
    )


@given(bits, st.data())
def test_a_code_is_the_same_however_it_is_typed(number: int, typing: st.DataObject) -> None:
    code = rules.code_of(number)
    assert rules.key(code) == rules.plain(code) == code
    typed = "".join(
        typing.draw(st.sampled_from([letter, letter.lower(), chr(ord(letter) + 0xFEE0)]))
        + typing.draw(st.sampled_from(["", "-", " ", "－", "\u3000", "—"]))
        for letter in code
    )
    misread = typed.replace("0", typing.draw(st.sampled_from("0oO"))).replace(
        "1", typing.draw(st.sampled_from("1lLiI"))
    )
    assert rules.key(misread) == code


words = st.text(st.characters(categories=["L", "N"]) | st.sampled_from(" -－"), min_size=1)


@given(words)
def test_a_chosen_text_is_found_as_it_is_told_whatever_the_language(text: str) -> None:
    told = rules.plain(text)
    if told.isalnum():
        assert rules.key(told) == rules.key(text) == rules.key(f" -{text}- ")


def test_no_two_built_in_codes_read_the_same_and_none_is_as_long_as_a_chosen_one() -> None:
    assert set(rules.BUILT_IN) == {"ZX0", "V1P", "SV1P"}
    assert max(map(len, rules.BUILT_IN)) < rules.SHORTEST_TEXT


@given(st.text(rules.ALPHABET, min_size=6, max_size=50))
def test_most_of_a_code_stays_hidden(text: str) -> None:
    hint = rules.masked(text)
    shown = hint.removesuffix("****")
    assert text.startswith(shown)
    assert 2 <= len(shown) <= 4
    assert len(shown) * 3 <= len(text)


GOOD = {"code_type": "vip", "duration_days": 30}
CARDS = {"code_type": "makeup_card", "makeup_card_count": 1}


@pytest.mark.parametrize(
    "plan",
    [
        GOOD,
        CARDS,
        {"code_type": "ai"},
        {**GOOD, "count": 10_000, "max_uses": -1},
        {**GOOD, "text": "abc-def", "valid_from": START, "valid_until": START + INSTANT},
        {**GOOD, "text": "戒烟快乐2026"},
    ],
)
def test_such_codes_can_be_made(plan: dict[str, Any]) -> None:
    assert rules.fault(Plan(**plan)) is None


@pytest.mark.parametrize(
    ("plan", "word"),
    [
        ({**GOOD, "count": 0}, "count"),
        ({**GOOD, "count": 10_001}, "count"),
        ({**GOOD, "max_uses": 0}, "max_uses"),
        ({**GOOD, "max_uses": -2}, "max_uses"),
        ({**GOOD, "max_uses": 2**31}, "max_uses"),
        ({**GOOD, "text": "ABC-12"}, "text"),
        ({**GOOD, "text": "A" * 51}, "text"),
        ({**GOOD, "text": "ABC_DEF"}, "text"),
        ({**GOOD, "text": "ABCDEF", "count": 2}, "text"),
        ({"code_type": "vip"}, "days"),
        ({"code_type": "vip", "duration_days": 0}, "days"),
        ({"code_type": "ai", "duration_days": 3_661}, "days"),
        ({**GOOD, "makeup_card_count": 1}, "cards"),
        ({"code_type": "makeup_card"}, "cards"),
        ({**CARDS, "makeup_card_count": 101}, "cards"),
        ({**CARDS, "duration_days": 1}, "days"),
        ({**GOOD, "valid_from": START, "valid_until": START}, "window"),
        ({**GOOD, "valid_from": START.replace(tzinfo=None)}, "window"),
        ({**GOOD, "valid_until": datetime(9999, 12, 31, tzinfo=UTC)}, "window"),
    ],
)
def test_such_codes_cannot_be_made(plan: dict[str, Any], word: str) -> None:
    assert word in (rules.fault(Plan(**plan)) or "")
