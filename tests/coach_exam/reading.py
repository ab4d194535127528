"""The questions of the exam and the points that answers are scored by, read and checked.

`points/must.toml` and `points/must_not.toml` hold the points, each with its source; the files
of `questions/` name them. A file of questions is a family of topics that are near each other.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from zxo.modules.coach.models import Person

FOLDER = Path(__file__).parent
SETS = ("open", "held_out")
SOMEBODY = {"total_days": 12, "consecutive_days": 12, "tier": "倔强青铜", "stars": 4}
SHORTEST_PATTERN = 2  # characters: fewer are found in any text

# Models write Markdown; ranges are written with any dash.
MARKUP = re.compile(r"[\s*_#`\u200b]+")
DASHES = re.compile("[‐-―−]")


class BadExam(Exception):
    """The exam itself is wrong; says in which file and where."""


@dataclass(frozen=True)
class Point:
    """Something an answer says, in any of several wordings.

    `everywhere`: holds for every question (of those that must not be said). `even_denied`: counts
    also where the sentence denies it, as a number of milligrams does.
    """

    name: str
    any: tuple[re.Pattern[str], ...]
    source: str
    everywhere: bool = False
    even_denied: bool = False


@dataclass(frozen=True)
class Question:
    """`family`: the file it stands in. `example`: a good answer, which scores every point."""

    id: str
    family: str
    topic: str
    set: Literal["open", "held_out"]
    question: str
    person: Person
    must: tuple[Point, ...]
    must_not: tuple[Point, ...]
    example: str


@dataclass(frozen=True)
class Exam:
    must: dict[str, Point] = field(default_factory=dict)
    must_not: dict[str, Point] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()


def normalised(text: str) -> str:
    """What the patterns are matched against: NFKC, one dash, lines ended by 。, no spaces."""
    lines = unicodedata.normalize("NFKC", text).replace("\n", "。")
    return DASHES.sub("-", MARKUP.sub("", lines)).lower()


def load(folder: Path = FOLDER) -> Exam:
    """Raises BadExam."""
    must = _points(folder / "points" / "must.toml")
    must_not = _points(folder / "points" / "must_not.toml")
    points = Exam(must, must_not)
    files = sorted((folder / "questions").glob("*.toml"))
    questions = tuple(each for file in files for each in _questions(file, points))
    _check_ids(questions)
    _check_use(points, questions)
    return Exam(must, must_not, questions)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadExam(f"{file.name}: {error}") from None


def _points(file: Path) -> dict[str, Point]:
    return {name: _point(f"{file.name}: {name}", name, raw) for name, raw in _read(file).items()}


def _point(where: str, name: str, raw: dict[str, Any]) -> Point:
    if not raw.get("source", "").strip():
        raise BadExam(f"{where}: no source")
    if not raw.get("any"):
        raise BadExam(f"{where}: no wording in `any`")
    if unknown := raw.keys() - {"any", "source", "everywhere", "even_denied"}:
        raise BadExam(f"{where}: unknown {sorted(unknown)}")
    patterns = tuple(_pattern(where, text) for text in raw["any"])
    return Point(name=name, **{**raw, "any": patterns})


def _pattern(where: str, text: str) -> re.Pattern[str]:
    if normalised(text).replace("。", "") != re.sub("[*_#。]", "", text):
        raise BadExam(f"{where}: {text!r} can match no normalised text (see `normalised`)")
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise BadExam(f"{where}: {text!r}: {error}") from None
    if len(text) < SHORTEST_PATTERN or pattern.search(""):
        raise BadExam(f"{where}: {text!r} matches almost anything")
    return pattern


def _questions(file: Path, points: Exam) -> Iterator[Question]:
    for raw in _read(file).get("question", []):
        where = f"{file.name}: {raw.get('id', '?')}"
        if missing := {"id", "topic", "set", "question", "must", "example"} - raw.keys():
            raise BadExam(f"{where}: no {', '.join(sorted(missing))}")
        yield _question(where, file.stem, raw, points)


def _question(where: str, family: str, raw: dict[str, Any], points: Exam) -> Question:
    if raw["set"] not in SETS:
        raise BadExam(f"{where}: set is {raw['set']!r}, not one of {SETS}")
    everywhere = [point for point in points.must_not.values() if point.everywhere]
    named = _named(where, raw.get("must_not", []), points.must_not)
    return Question(
        id=raw["id"],
        family=family,
        topic=raw["topic"],
        set=raw["set"],
        question=raw["question"],
        person=_person(where, raw.get("person", {})),
        must=_named(where, raw["must"], points.must),
        must_not=(*everywhere, *named),
        example=raw["example"],
    )


def _named(where: str, names: list[str], points: dict[str, Point]) -> tuple[Point, ...]:
    if unknown := set(names) - points.keys():
        raise BadExam(f"{where}: unknown points {sorted(unknown)}")
    return tuple(points[name] for name in names)


def _person(where: str, facts: dict[str, Any]) -> Person:
    if unknown := facts.keys() - set(Person.__struct_fields__):
        raise BadExam(f"{where}: a person has no {sorted(unknown)}")
    try:
        return msgspec.convert({**SOMEBODY, **facts}, Person)
    except msgspec.ValidationError as error:
        raise BadExam(f"{where}: {error}") from None


def _check_ids(questions: tuple[Question, ...]) -> None:
    ids = [question.id for question in questions]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise BadExam(f"two questions are called {twice}")
    if empty := [question.id for question in questions if not question.must]:
        raise BadExam(f"nothing must be said in answer to {empty}")


def _check_use(points: Exam, questions: tuple[Question, ...]) -> None:
    used = {point.name for question in questions for point in question.must}
    if idle := sorted(points.must.keys() - used):
        raise BadExam(f"no question asks for {idle}")
    named = {point.name for question in questions for point in question.must_not}
    if idle := sorted(points.must_not.keys() - named):
        raise BadExam(f"no question forbids {idle}")
