"""The coach without a model: what it says, about what it knows of the person, and how fast."""

import string
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zxo.modules import evidence
from zxo.modules.coach import safety
from zxo.modules.coach.builtin import answer
from zxo.modules.coach.models import Person

NOBODY = Person(total_days=0, consecutive_days=0, tier="倔强青铜", stars=0)
SOMEBODY = Person(
    total_days=40,
    consecutive_days=12,
    tier="秩序白银",
    stars=3,
    quit_days=20,
    smoking_years="10年以上",
    daily_amount=10,
    cravings=9,
    peak_hours=(10, 14, 20),
    triggers=(("stress", 5), ("social", 3), ("habit", 0), ("other", 1)),
    hour=9,
)
# A built-in answer is promised in 20 ms; it takes a tenth of one, so that a busy machine may pause.
PROMISED_SECONDS = 0.020


def people() -> st.SearchStrategy[Person]:
    days = st.integers(0, 20_000)
    maybe = st.none() | st.integers(0, 200)
    return st.builds(
        Person,
        total_days=days,
        consecutive_days=days,
        tier=st.just("永恒钻石"),
        stars=st.integers(0, 99),
        quit_days=st.none() | days,
        smoking_years=st.sampled_from([None, "1年以下", "5-10年", "10年以上"]),
        daily_amount=maybe,
        cravings=st.integers(0, 99),
        peak_hours=st.lists(st.integers(0, 23), max_size=3, unique=True).map(tuple),
        triggers=st.lists(
            st.tuples(st.sampled_from(["stress", "social", "habit", "other"]), st.integers(0, 9)),
            max_size=4,
        ).map(tuple),
        hour=st.integers(0, 23),
    )


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("我感到很想抽烟怎么办", "urge-now"),
        ("想抽烟了怎么办", "urge-now"),
        ("烟瘾犯了好难受", "urge-now"),
        ("忍不住想来一根", "urge-now"),
        ("戒烟多久身体会恢复", "recovery"),
        ("戒烟多久身体会恢复？", "recovery"),
        ("戒烟热线是多少", "quitline"),
    ],
)
def test_common_questions_are_answered_without_asking_a_model(question: str, entry: str) -> None:
    said = answer(question, NOBODY)
    assert (said.entry, said.confident) == (entry, True)
    assert set(said.sources) == set(evidence.ENTRIES[entry].sources)


def test_the_hours_and_reasons_of_the_person_are_told() -> None:
    said = answer("我什么时候最容易想抽", SOMEBODY)
    assert said.entry == "my-peaks"
    assert "烟瘾多在 10、14、20 点" in said.text
    assert "起因：压力 5 次、社交 3 次、其他 1 次" in said.text
    assert "最近 7 天记了 9 次烟瘾" in said.text
    assert "习惯 0" not in said.text


def test_without_cravings_it_says_so_and_how_to_log_them() -> None:
    said = answer("我什么时候最容易想抽", NOBODY)
    assert "看不出规律" in said.text
    assert "记录烟瘾" in said.text
    assert "高峰" not in said.text


def test_the_days_of_the_person_are_told_with_the_next_milestone() -> None:
    said = answer("我戒了多少天", SOMEBODY)
    assert "累计打卡 40 天，连续 12 天，段位是秩序白银，3 颗星" in said.text
    assert "已经 20 天" in said.text
    assert "400 支" in said.text  # 40 days of 10, as the statistics count them
    assert "1–9 个月，咳嗽和气短减少" in said.text


def test_the_years_of_smoking_are_told_in_the_words_of_the_settings() -> None:
    text = answer("我都六十了戒烟还有意义吗", SOMEBODY).text
    assert "您的烟龄是10年以上" in text
    assert "年 年" not in text


def test_what_is_not_known_of_the_person_is_left_out_rather_than_guessed() -> None:
    said = answer("我戒了多少天", msgspec.structs.replace(SOMEBODY, quit_days=None))
    assert "累计打卡 40 天" in said.text
    assert "最后一支烟" not in said.text
    assert "下一站" not in said.text


def test_somebody_without_a_single_day_is_invited_to_begin() -> None:
    text = answer("我戒了多少天", NOBODY).text
    assert "还没有打卡记录" in text
    assert "0 天" not in text


def test_the_estimate_of_life_is_called_an_estimate_with_both_figures() -> None:
    text = answer("一根烟少活多少分钟", SOMEBODY).text
    assert "11 分钟" in text
    assert "20 分钟" in text
    assert "估算" in text
    assert "3 天 1 小时" in text  # 400 cigarettes of 11 minutes


def test_in_an_hour_of_many_urges_it_says_so() -> None:
    now = answer("想抽烟了怎么办", msgspec.structs.replace(SOMEBODY, hour=14)).text
    later = answer("想抽烟了怎么办", msgspec.structs.replace(SOMEBODY, hour=15)).text
    assert "烟瘾多的钟点（14 点）" in now
    assert "烟瘾多的钟点" not in later
    assert "10、14、20 点" in later


def test_where_it_knows_nothing_it_says_so_and_offers_people_and_topics() -> None:
    said = answer("今天天气怎么样", SOMEBODY)
    assert (said.entry, said.confident) == (None, False)
    assert "没有把握" in said.text
    assert all(number in said.text for number in ("400-888-5531", "400-808-5531", "12320"))
    assert "烟瘾来了怎么办" in said.text


def test_a_question_that_it_half_understands_is_answered_with_what_it_took_it_for() -> None:
    said = answer("半截身子入土的人了，戒烟还有啥用呢我也不知道到底还值不值", NOBODY)
    assert said.entry == "too-old"
    assert not said.confident
    said = answer("我还没成年想戒烟", NOBODY)
    assert said.entry == "teens"
    assert said.text.startswith("我猜您想问的是“未成年人抽烟”")
    assert not said.confident


@pytest.mark.parametrize("question", ["我想买烟", "哪里买烟便宜", "去哪买烟", "帮我买包烟"])
def test_nobody_is_helped_to_buy_cigarettes(question: str) -> None:
    said = answer(question, NOBODY)
    assert said.entry == "buying"
    assert "不帮您" in said.text
    assert "几分钟" in said.text


@pytest.mark.parametrize(
    ("question", "concern"),
    [
        ("我不想活了", "crisis"),
        ("伐尼克兰一天吃几片", "dosing"),
        ("我咳血是不是肺癌", "diagnosis"),
    ],
)
def test_words_of_danger_come_before_every_entry(question: str, concern: safety.Concern) -> None:
    said = answer(question, SOMEBODY)
    assert (said.entry, said.confident) == (concern, True)
    assert said.text == safety.ANSWERS[concern]


def test_asking_whether_a_patch_works_is_answered_that_it_does() -> None:
    said = answer("尼古丁贴片有用吗", NOBODY)
    assert said.entry == "patch"
    assert said.text.startswith("有用")


def test_that_electronic_cigarettes_help_some_and_are_not_advised_is_said_both() -> None:
    text = answer("电子烟能帮助戒烟吗", NOBODY).text
    assert "比尼古丁替代帮助更多人" in text
    assert "都不推荐" in text
    assert "不是无害" in text


@given(st.text(alphabet=string.printable + "抽烟戒烟{}怎么办", max_size=200), people())
def test_what_is_typed_is_never_part_of_a_format_and_never_echoed(
    question: str, person: Person
) -> None:
    said = answer("烟瘾来了{total_days}" + question, person)
    assert "{" not in said.text
    assert "}" not in said.text


@given(people(), st.sampled_from(sorted(evidence.ENTRIES)))
def test_every_entry_has_something_to_say_to_everybody(person: Person, name: str) -> None:
    entry = evidence.ENTRIES[name]
    said = answer(entry.questions[0], person)
    assert said.entry == name
    assert len(said.text) >= 20
    assert "None" not in said.text
    assert "{" not in said.text
    assert not safety.mentions_dose(said.text)
    assert set(said.sources) <= evidence.SOURCES.keys()


def test_an_answer_takes_less_than_a_fraction_of_a_model() -> None:
    questions = [entry.questions[-1] for entry in evidence.ENTRIES.values()]
    questions += ["唉，昨天聚会没扛住，抽了一根，" * 60]
    took = []
    for question in questions:
        begun = time.perf_counter()
        answer(question, SOMEBODY)
        took.append(time.perf_counter() - begun)
    assert sorted(took)[int(len(took) * 0.95)] < PROMISED_SECONDS
