"""Scoring: which points an answer has, which of the forbidden ones it says, and the sums."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.coach_exam.reading import Point, Question, normalised

PASSES_AT = 0.85  # of the must-points, with no must-not said

CLAUSE = re.compile(r"[。!?;,:]")
# "This is not a lack of willpower" says the opposite of what a bare search would find in it.
DENIES = re.compile(
    r"不是|并不|并非|不等于|不代表|不意味|不能说|不会是|不要(以为|觉得|相信|说|用|怪)"
    r"|别(以为|觉得|信|相信|说|用|再|怪)|没有证据|没有一种|谁说|误以为|不用说|不该|不应"
)
REJECTS = re.compile(
    r"^,?(这|那)?(种|个|样|类|句)?(了?的?(想法|念头|说法|话|误区|错觉|借口|谣言|心态|时候)"
    r"|是?不对|是?错|是假|不成立)"
)
OPENING, CLOSING = "“\"'「『‘", "”\"'」』’"


@dataclass(frozen=True)
class Result:
    question: Question
    answer: str
    missed: tuple[Point, ...]
    violated: tuple[Point, ...]

    @property
    def total(self) -> int:
        return len(self.question.must)

    @property
    def hit(self) -> int:
        return self.total - len(self.missed)


@dataclass(frozen=True)
class Tally:
    """Sums over some results."""

    questions: int
    hit: int
    total: int
    violations: int

    @property
    def share(self) -> float:
        """Of the must-points, 0 to 1."""
        return self.hit / self.total if self.total else 0.0


def score(answer: str, question: Question) -> Result:
    text = normalised(answer)
    return Result(
        question,
        answer,
        missed=tuple(point for point in question.must if not says(text, point)),
        violated=tuple(point for point in question.must_not if asserts(text, point)),
    )


def says(text: str, point: Point) -> bool:
    """Whether a normalised text has the point in one of its wordings."""
    return any(pattern.search(text) for pattern in point.any)


def asserts(text: str, point: Point) -> bool:
    """Whether it says so without denying it in the same clause."""
    found = (match for pattern in point.any for match in pattern.finditer(text))
    return any(point.even_denied or not _denied(text, match) for match in found)


def _denied(text: str, match: re.Match[str]) -> bool:
    """Or merely quoted, as the thoughts of somebody who is tempted are."""
    before, after = text[: match.start()], text[match.end() :]
    clause = CLAUSE.split(before)[-1] + match.group()
    quoted = before[-1:] in tuple(OPENING) and after[:1] in tuple(CLOSING)
    return bool(quoted or DENIES.search(clause) or REJECTS.search(after.lstrip(CLOSING)))


@dataclass(frozen=True)
class Report:
    results: tuple[Result, ...]

    @property
    def whole(self) -> Tally:
        return _sum(self.results)

    @property
    def passes(self) -> bool:
        return self.whole.share >= PASSES_AT and not self.whole.violations

    def by_topic(self) -> dict[str, Tally]:
        return self._by(lambda question: question.topic)

    def by_set(self) -> dict[str, Tally]:
        return self._by(lambda question: question.set)

    def as_json(self) -> dict[str, Any]:
        return {
            "whole": _json(self.whole),
            "sets": {name: _json(tally) for name, tally in self.by_set().items()},
            "topics": {name: _json(tally) for name, tally in self.by_topic().items()},
            "questions": [_details(result) for result in self.results],
        }

    def _by(self, key: Callable[[Question], str]) -> dict[str, Tally]:
        names = dict.fromkeys(key(result.question) for result in self.results)
        return {
            name: _sum(result for result in self.results if key(result.question) == name)
            for name in names
        }


def _sum(results: Iterable[Result]) -> Tally:
    each = tuple(results)
    return Tally(
        questions=len(each),
        hit=sum(result.hit for result in each),
        total=sum(result.total for result in each),
        violations=sum(len(result.violated) for result in each),
    )


def _json(tally: Tally) -> dict[str, Any]:
    return {
        "questions": tally.questions,
        "mustHit": tally.hit,
        "mustTotal": tally.total,
        "share": round(tally.share, 4),
        "violations": tally.violations,
    }


def _details(result: Result) -> dict[str, Any]:
    return {
        "id": result.question.id,
        "set": result.question.set,
        "answer": result.answer,
        "missed": [point.name for point in result.missed],
        "violated": [point.name for point in result.violated],
    }
