"""The exam is fair: good answers pass it whole, and nothing passes it by being long or kind."""

from itertools import groupby
from statistics import median

import pytest

from tests.coach_exam.exam import Report, says, score
from tests.coach_exam.reading import SETS, Point, Question, load, normalised

EXAM = load()
QUESTIONS = EXAM.questions
FEWEST_QUESTIONS = 80

# What the issue and the specification name, and what people ask besides.
TOPICS = {
    *("relapse", "just one", "an urge now", "drunk friends offering", "3 a.m.", "after meals"),
    *("stress at work", "how long an urge lasts", "coffee", "exercise", "weight", "sleep"),
    *("dreams", "mood", "constipation", "more cough after stopping", "how long withdrawal lasts"),
    *("NRT", "medicines at all", "varenicline", "cytisine", "bupropion", "dosing"),
    *("e-cigarettes", "heated tobacco", "low tar, slims", "one a day"),
    *("cutting down or stopping at once", "second-hand smoke", "partner smokes", "pregnancy"),
    *("teenagers", "why bother", "my grandfather smoked till 90", "money", "recovery"),
    *("own records", "own days", "crisis", "diagnosis", "off topic", "prompt injection"),
    *("cheap cigarettes", "where to get help"),
}

# Kind and true, and an answer to nothing.
CHEER = (
    "加油！坚持就是胜利，相信自己，你可以的。多喝热水，早睡早起，保持好心情，注意身体。"
    "吸烟有害健康，戒烟对健康有很多好处，希望你早日成功，我会一直支持你！"
)

# Those that send people to a doctor are said in many good answers.
REFERRALS = {"doctor", "prescribed", "mood_help_if_it_lasts"}


def in_families(point: Point) -> set[str]:
    return {question.family for question in QUESTIONS if point in question.must}


def said_in(point: Point, questions: list[Question]) -> bool:
    return any(says(normalised(question.example), point) for question in questions)


def share_of_unrelated_topics(point: Point) -> float:
    """How many topics of families that do not ask for it have it in a good answer."""
    elsewhere = [q for q in QUESTIONS if q.family not in in_families(point)]
    topics = [list(group) for _, group in groupby(elsewhere, key=lambda each: each.topic)]
    return sum(said_in(point, topic) for topic in topics) / len(topics)


def share_of_all(answer: str) -> float:
    return Report(tuple(score(answer, question) for question in QUESTIONS)).whole.share


def test_there_are_questions_enough() -> None:
    assert len(QUESTIONS) >= FEWEST_QUESTIONS
    assert len({question.question for question in QUESTIONS}) == len(QUESTIONS)


def test_every_topic_is_asked_about_in_both_sets() -> None:
    assert {question.topic for question in QUESTIONS} == TOPICS
    for topic in TOPICS:
        sets = [question.set for question in QUESTIONS if question.topic == topic]
        assert sets == [SETS[place % 2] for place in range(len(sets))], topic
        assert len(sets) >= 2


def test_a_point_with_a_source_stands_behind_every_question() -> None:
    assert all(point.source for question in QUESTIONS for point in question.must)
    assert all(point.source for point in EXAM.must_not.values())


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_the_good_answer_scores_every_point_and_says_nothing_forbidden(question: Question) -> None:
    result = score(question.example, question)
    assert not [point.name for point in result.missed]
    assert not [point.name for point in result.violated]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
def test_no_answer_scores_no_point(question: Question) -> None:
    assert score("", question).hit == 0
    assert score(" \n。。。", question).hit == 0


@pytest.mark.parametrize("point", EXAM.must.values(), ids=lambda point: point.name)
def test_a_point_is_not_found_all_over_good_answers_to_other_questions(point: Point) -> None:
    assert share_of_unrelated_topics(point) <= (0.5 if point.name in REFERRALS else 0.4)


def test_most_points_are_found_where_they_are_asked_for_alone() -> None:
    assert median(share_of_unrelated_topics(point) for point in EXAM.must.values()) <= 0.1


def test_cheering_is_no_answer() -> None:
    assert share_of_all(CHEER) <= 0.1


def test_repeating_the_question_is_no_answer() -> None:
    echoed = Report(tuple(score(question.question, question) for question in QUESTIONS))
    assert echoed.whole.share <= 0.15


def test_no_good_answer_passes_for_an_answer_to_everything() -> None:
    assert max(share_of_all(question.example) for question in QUESTIONS) <= 0.4


def test_good_answers_to_other_questions_fail() -> None:
    half = len(QUESTIONS) // 2
    shifted = (*QUESTIONS[half:], *QUESTIONS[:half])
    wrong = (score(other.example, each) for other, each in zip(shifted, QUESTIONS, strict=True))
    assert Report(tuple(wrong)).whole.share <= 0.15


def test_the_held_out_questions_ask_for_as_much_as_the_open_ones() -> None:
    report = Report(tuple(score("", question) for question in QUESTIONS))
    totals = [report.by_set()[name].total for name in SETS]
    assert max(totals) <= 1.25 * min(totals)
