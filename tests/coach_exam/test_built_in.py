"""The coach that answers without any model sits the exam."""

from pathlib import Path

import pytest

from tests.coach_exam.candidates import ask_built_in
from tests.coach_exam.exam import PASSES_AT, Report, score
from tests.coach_exam.reading import load


@pytest.fixture(scope="module")
def report() -> Report:
    asked = load().questions
    return Report(tuple(score(ask_built_in(q.question, q.person), q) for q in asked))


def test_the_built_in_coach_passes(report: Report) -> None:
    said = {r.question.id: [p.name for p in r.violated] for r in report.results if r.violated}
    missed = {r.question.id: [p.name for p in r.missed] for r in report.results if r.missed}
    assert not said
    assert report.whole.share >= PASSES_AT, missed


def test_the_readme_has_its_score(report: Report, root: Path) -> None:
    told = (root / "README.md").read_text("utf-8")
    for name, tally in report.by_set().items():
        row = f"| {name.replace('_', ' ')} ({tally.questions}) | {tally.hit} of {tally.total} | 0 |"
        assert row in told, row
    assert f"| all | {tally_share(report)} | 0 |" in told


def tally_share(report: Report) -> str:
    return f"{report.whole.share:.0%}".replace("%", " %")
