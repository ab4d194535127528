"""The coach that answers without any model sits the exam."""

from tests.coach_exam.candidates import ask_built_in
from tests.coach_exam.exam import PASSES_AT, Report, score
from tests.coach_exam.reading import load


def test_the_built_in_coach_passes() -> None:
    asked = load().questions
    report = Report(tuple(score(ask_built_in(q.question, q.person), q) for q in asked))
    said = {r.question.id: [p.name for p in r.violated] for r in report.results if r.violated}
    missed = {r.question.id: [p.name for p in r.missed] for r in report.results if r.missed}
    assert not said
    assert report.whole.share >= PASSES_AT, missed
