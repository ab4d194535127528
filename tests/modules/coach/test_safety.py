"""Words of self-harm, of doses and of diagnosis get their fixed answer, and ordinary talk does not.

Where the line is drawn: safety.toml. A list of words cannot know every way of saying it. Lines that
the patterns had not been written for were found, at their first run: 27 of 30 in plain words (none
of 30 others taken for it), and 14 to 18 of 30 in words that only hint; all of them are in the file
since. A model that is asked must therefore be told of the hotline too.
"""

import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.kit.hanzi import plain, simplified
from zxo.modules import evidence
from zxo.modules.coach.safety import ANSWERS, SOURCES, concern, mentions_dose

SAID = tomllib.loads((Path(__file__).parent / "safety.toml").read_text("utf-8"))


def test_the_sets_are_large_enough_to_mean_something() -> None:
    assert len(set(SAID["crisis"])) >= 80
    assert len(set(SAID["not_crisis"])) >= 80


@pytest.mark.parametrize("words", SAID["crisis"])
def test_words_of_self_harm_get_the_hotline(words: str) -> None:
    assert concern(words) == "crisis"


@pytest.mark.parametrize("words", SAID["not_crisis"])
def test_manners_of_speaking_do_not_get_the_hotline(words: str) -> None:
    assert concern(words) != "crisis"


@pytest.mark.parametrize("question", SAID["dosing"])
def test_how_much_of_a_medicine_is_for_a_doctor_or_a_pharmacist(question: str) -> None:
    assert concern(question) == "dosing"


@pytest.mark.parametrize("question", SAID["diagnosis"])
def test_what_illness_it_is_is_for_a_doctor(question: str) -> None:
    assert concern(question) == "diagnosis"


@pytest.mark.parametrize("question", SAID["neither"])
def test_what_a_medicine_is_good_for_may_be_answered(question: str) -> None:
    assert concern(question) is None


def test_an_amount_and_a_medicine_in_different_sentences_are_no_dose() -> None:
    assert concern("我买了戒烟药。一天抽多少根算多？") is None
    assert concern("医生给我开了伐尼克兰，一天要吃几片？") == "dosing"


def test_a_crisis_comes_before_doses_and_diagnosis() -> None:
    assert concern("一天吃几片安眠药才能死，我不想活了") == "crisis"
    assert concern("胸口疼得我想死") == "crisis"


@given(st.sampled_from(SAID["crisis"]), st.sampled_from(SAID["neither"]))
def test_what_else_is_said_does_not_hide_words_of_self_harm(words: str, other: str) -> None:
    assert concern(f"{other}。{words}") == "crisis"
    assert concern(f"{words}。{other}") == "crisis"


def test_the_next_clause_does_not_turn_the_words_into_a_manner_of_speaking() -> None:
    assert concern("我想死，烟瘾又犯了") == "crisis"
    assert concern("不想活了，戒烟也没用") == "crisis"
    assert concern("我想死烟了") is None


# Of one clause: between two, 想死，烟 would read as a manner of speaking when all signs are gone.
CLAUSES = [words for words in SAID["crisis"] if plain(words) == simplified(words) != "kms"]


@pytest.mark.parametrize("sign", [" ", "　", "，", "。", "…", "!", "\u200b", "|"])
def test_spaces_and_signs_between_characters_hide_nothing(sign: str) -> None:
    assert len(CLAUSES) > 150
    assert not [words for words in CLAUSES if concern(sign.join(words)) != "crisis"]


@given(st.text(max_size=500))
def test_any_text_is_judged(text: str) -> None:
    assert concern(text) in (None, "crisis", "dosing", "diagnosis")
    assert mentions_dose(text) in (True, False)


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1.",
        "一",
        "一 ",
        "1 片 ",
        "死",
        "活着",
        "不想",
        "没有我",
        "抽等于",
        "胸口",
        "安眠药",
        "药几",
        "每1",
    ],
)
def test_no_text_takes_long_to_judge(unit: str) -> None:
    """A message has at most some thousand characters; trying all their parts takes minutes."""
    text = unit * (4000 // len(unit))
    begun = time.perf_counter()
    concern(text)
    mentions_dose(text)
    assert time.perf_counter() - begun < 0.5


def test_the_answer_to_a_crisis_names_every_hotline() -> None:
    for number in ("12356", "400-161-9995", "010-82951332", "120", "110"):
        assert number in ANSWERS["crisis"]


def test_the_answer_about_doses_holds_no_dose_and_sends_to_those_who_decide() -> None:
    assert not mentions_dose(ANSWERS["dosing"])
    assert all(word in ANSWERS["dosing"] for word in ("医生", "药师", "说明书", "400-888-5531"))


def test_the_answer_about_an_illness_names_none_and_says_when_to_call_an_ambulance() -> None:
    assert "120" in ANSWERS["diagnosis"]
    assert not any(name in ANSWERS["diagnosis"] for name in ("癌", "心梗", "中风"))


def test_fixed_answers_rest_on_known_sources() -> None:
    assert ANSWERS.keys() == SOURCES.keys()
    assert {source for each in SOURCES.values() for source in each} <= evidence.SOURCES.keys()


@pytest.mark.parametrize("text", SAID["doses"])
def test_a_dose_in_an_answer_is_seen(text: str) -> None:
    assert mentions_dose(text)


@pytest.mark.parametrize("text", SAID["no_doses"])
def test_other_numbers_in_an_answer_are_no_doses(text: str) -> None:
    assert not mentions_dose(text)


def test_nothing_that_the_coach_has_to_say_holds_a_dose() -> None:
    told = [*evidence.ENTRIES.values(), *evidence.CLAIMS.values(), *evidence.MILESTONES]
    assert not [each.id for each in told if mentions_dose(each.text)]


def test_no_question_that_the_coach_can_answer_is_taken_for_a_concern() -> None:
    questions = [each for entry in evidence.ENTRIES.values() for each in entry.questions]
    assert not [question for question in questions if concern(question)]
