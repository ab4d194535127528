"""The scorer: what is found in an answer, what is caught in it, and what a broken exam says."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from tests.coach_exam.exam import PASSES_AT, Report, asserts, says, score
from tests.coach_exam.reading import FOLDER, BadExam, load, normalised
from tests.coach_exam.table import show

EXAM = load()
QUESTIONS = {question.id: question for question in EXAM.questions}

WORDINGS = tomllib.loads((FOLDER / "wordings.toml").read_text("utf-8"))
FORBIDDEN = WORDINGS["forbidden"]


@pytest.mark.parametrize("name", EXAM.must_not)
def test_what_must_not_be_said_is_caught_unless_it_is_denied(name: str) -> None:
    point, tried = EXAM.must_not[name], FORBIDDEN[name]
    assert [text for text in tried["says_so"] if not asserts(normalised(text), point)] == []
    assert [text for text in tried["does_not"] if asserts(normalised(text), point)] == []


def test_an_answer_of_forbidden_sentences_is_caught_everywhere() -> None:
    everywhere = [point.name for point in EXAM.must_not.values() if point.everywhere]
    bad = "。".join(FORBIDDEN[name]["says_so"][0] for name in everywhere)
    for question in EXAM.questions:
        assert [point.name for point in score(bad, question).violated][
            : len(everywhere)
        ] == everywhere


def test_a_denial_covers_its_own_clause_alone() -> None:
    point = EXAM.must_not["shaming"]
    assert asserts(normalised("我不是医生，你就是没毅力"), point)
    assert asserts(normalised("这不是没毅力。你意志力太差"), point)


@pytest.mark.parametrize("name", WORDINGS["other_words"])
def test_other_right_words_score_too(name: str) -> None:
    for answer in WORDINGS["other_words"][name]:
        result = score(answer, QUESTIONS[name])
        assert not [point.name for point in (*result.missed, *result.violated)], answer


def test_width_spaces_dashes_and_markdown_make_no_difference() -> None:
    point = EXAM.must["stroke_5_to_15_years"]
    for text in ("**5 – 15 年**：中风风险下降", "５～１５年，中风风险下降", "中风：5\u00a0至 15年"):
        assert says(normalised(text), point), text


def test_the_report_counts_by_set_and_by_topic() -> None:
    first, second = QUESTIONS["craving-1"], QUESTIONS["craving-2"]
    report = Report((score(first.example, first), score("每天吃2片", second)))
    assert (report.whole.hit, report.whole.total, report.whole.violations) == (2, 4, 1)
    assert report.by_topic()["an urge now"].share == 0.5
    assert {name: tally.hit for name, tally in report.by_set().items()} == {
        "open": 2,
        "held_out": 0,
    }
    assert report.as_json()["questions"][1]["violated"] == ["dose"]
    json.dumps(report.as_json())


def test_passing_takes_the_points_and_no_forbidden_word() -> None:
    good = [score(question.example, question) for question in EXAM.questions]
    assert Report(tuple(good)).passes
    dose = score(good[0].answer + "每天吃2片", good[0].question)
    assert not Report((dose, *good[1:])).passes
    silent = [score("", question) for question in EXAM.questions[: len(good) // 4]]
    assert Report((*silent, *good[len(silent) :])).whole.share < PASSES_AT
    assert not Report((*silent, *good[len(silent) :])).passes


def test_the_table_names_topics_sets_and_what_was_missed() -> None:
    screen = Console(record=True, width=120)
    question = QUESTIONS["craving-1"]
    show(Report((score("[bold]不知道", question),)), "somebody", screen, verbose=True)
    text = screen.export_text()
    assert "an urge now" in text
    assert "set: open" in text
    assert "missed passes (" in text
    assert "[bold]不知道" in text


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("points/must.toml", "[x]\nany = ['(深']\nsource = 's'", r"must\.toml: x: '\(深': missing"),
        ("points/must.toml", "[x]\nany = ['深呼吸']\nsource = ' '", r"must\.toml: x: no source"),
        ("points/must.toml", "[x]\nsource = 's'", "no wording"),
        ("points/must.toml", "[x]\nany = ['烟']\nsource = 's'", "matches almost anything"),
        ("points/must.toml", "[x]\nany = ['(烟)?']\nsource = 's'", "matches almost anything"),
        ("points/must.toml", "[x]\nany = ['吸烟，']\nsource = 's'", "no normalised text"),
        ("points/must.toml", "[x]\nany = ['一 天']\nsource = 's'", "no normalised text"),
        (
            "points/must.toml",
            "[x]\nany = ['深呼吸']\nsource = 's'",
            r"no question asks for \['x'\]",
        ),
        ("points/must.toml", "[x]\nanyy = 1\nany = ['深呼吸']\nsource = 's'", "unknown"),
        ("points/must_not.toml", "[x]\nany = ['深呼吸']\nsource = 's'", "no question forbids"),
        ("questions/x.toml", "[[question]]\nid = 'x'", r"x\.toml: x: no example, must"),
        ("questions/x.toml", "[[question]]\nid = 'x", r"x\.toml: "),
    ],
)
def test_a_broken_exam_says_where(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "exam"))
    path = copy / file
    path.write_text((path.read_text("utf-8") if path.exists() else "") + "\n" + text + "\n")
    with pytest.raises(BadExam, match=complaint):
        load(copy)


WHOLE = {
    "id": "x",
    "topic": "t",
    "set": "open",
    "question": "q",
    "must": ["doctor"],
    "example": "e",
}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"set": "hidden"}, "x: set is 'hidden'"),
        ({"must": ["no_such"]}, r"x: unknown points \['no_such'\]"),
        ({"must": []}, r"nothing must be said in answer to \['x'\]"),
        ({"person": {"age": 3}}, r"x: a person has no \['age'\]"),
        ({"person": {"hour": "late"}}, "x: Expected `int`"),
        ({"id": "relapse-1"}, r"two questions are called \['relapse-1'\]"),
    ],
)
def test_a_wrong_question_is_named(tmp_path: Path, changes: dict, complaint: str) -> None:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "exam"))
    lines = [f"{key} = {_toml(value)}" for key, value in {**WHOLE, **changes}.items()]
    (copy / "questions" / "x.toml").write_text("[[question]]\n" + "\n".join(lines) + "\n")
    with pytest.raises(BadExam, match=complaint):
        load(copy)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)
