"""Every claim names who says it, and the data that the package ships is whole."""

import re

import msgspec
import pytest

from zxo.modules import evidence
from zxo.modules.evidence import Claim, Difference, Entry, Evidence, Milestone, Source

WHO = Source("who", "WHO", "A guideline", 2024)
GOOD = Evidence(sources=(WHO,), claims=(Claim("c", "Something is so.", ("who",)),))
# What the coach knows of a person: see zxo.modules.coach.builtin.
FIGURES = {
    *("total_days", "consecutive_days", "tier", "stars", "smoking_years", "daily_amount"),
    *("quit_days", "next_when", "next_title", "avoided", "life"),
    *("cravings", "peak_hours", "peak_now", "triggers"),
}


def milestone(sources: tuple[str, ...], *differs: Difference) -> Milestone:
    return Milestone("m", 1, 2, "1 分钟", "t", "t", sources, differs)


def test_what_is_shipped_rests_on_sources_that_exist_and_are_used() -> None:
    assert evidence.faults(evidence.ALL) == []


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (Evidence(claims=(Claim("c", "Something.", ()),)), "c names no source"),
        (Evidence(milestones=(milestone(()),)), "m names no source"),
        (Evidence(entries=(Entry("e", "t", ("q",), "a", ()),)), "e names no source"),
        (Evidence(claims=(Claim("c", "Something.", ("me",)),)), "nobody knows the source me"),
        (
            Evidence(sources=(WHO,), milestones=(milestone(("who",), Difference("he", "no")),)),
            "nobody knows the source he",
        ),
        (Evidence(sources=(WHO,)), "nothing rests on the source who"),
        (
            Evidence(sources=(WHO, WHO), claims=GOOD.claims),
            "two of the kind source are called who",
        ),
        (
            Evidence(sources=(WHO,), claims=GOOD.claims * 2),
            "two of the kind claim are called c",
        ),
    ],
)
def test_a_claim_without_a_known_source_and_an_unused_source_are_refused(
    bad: Evidence, fault: str
) -> None:
    assert evidence.faults(bad) == [fault]


def test_a_sound_file_has_no_faults() -> None:
    assert evidence.faults(GOOD) == []


def test_a_misspelt_field_is_refused_rather_than_ignored() -> None:
    with pytest.raises(msgspec.ValidationError, match="sauces"):
        evidence.read(b'[[claims]]\nid = "c"\ntext = "t"\nsauces = ["who"]\n')


def test_milestones_go_forward_in_time_and_none_ends_before_it_starts() -> None:
    starts = [milestone.starts for milestone in evidence.MILESTONES]
    assert starts == sorted(starts)
    assert all(milestone.starts <= milestone.ends for milestone in evidence.MILESTONES)


def test_the_stroke_risk_is_not_promised_after_five_years() -> None:
    """The specification says 5 years; the WHO says 5 to 15."""
    stroke = next(milestone for milestone in evidence.MILESTONES if milestone.id == "stroke")
    assert (stroke.starts, stroke.ends) == (5 * 365 * 24 * 60, 15 * 365 * 24 * 60)
    assert "5–15 年" in evidence.ENTRIES["recovery"].text


def test_sources_say_who_what_and_when() -> None:
    for source in evidence.SOURCES.values():
        assert source.authority
        assert source.title
        assert 1990 < source.year <= 2026
        assert source.url is None or source.url.startswith("https://")


def test_no_two_entries_answer_the_same_question() -> None:
    questions = [question for entry in evidence.ENTRIES.values() for question in entry.questions]
    assert len(questions) == len(set(questions))
    assert all(len(entry.questions) >= 4 for entry in evidence.ENTRIES.values())


def test_answers_are_short_enough_to_be_read_on_a_telephone() -> None:
    lengths = {entry.id: len("".join(entry.text.split())) for entry in evidence.ENTRIES.values()}
    assert not {name: length for name, length in lengths.items() if length > 260}
    assert sum(length <= 220 for length in lengths.values()) >= 0.95 * len(lengths)


def test_answers_ask_only_for_figures_that_the_coach_has() -> None:
    for entry in evidence.ENTRIES.values():
        assert set(re.findall(r"\{(\w*)\}", entry.text)) <= FIGURES
        assert entry.text.count("{") == len(re.findall(r"\{\w+\}", entry.text))
        assert "{" not in entry.otherwise + entry.topic


def test_where_only_figures_make_the_answer_there_is_a_text_without_them() -> None:
    for entry in evidence.ENTRIES.values():
        fixed = [line for line in entry.text.strip().split("\n") if "{" not in line]
        assert fixed or entry.otherwise


def test_medicines_that_work_are_said_to_work() -> None:
    for name in ("nrt", "patch", "gum", "varenicline", "cytisine", "bupropion", "medicines"):
        assert "有用" in evidence.ENTRIES[name].text
        assert re.search("医生|药师", evidence.ENTRIES[name].text)


def test_the_quitlines_are_given_whole() -> None:
    text = evidence.ENTRIES["quitline"].text
    assert all(number in text for number in ("400-888-5531", "400-808-5531", "12320"))
