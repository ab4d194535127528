"""`python -m tests.coach_exam`: let a coach sit the exam, and print how it did."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.coach_exam import candidates
from tests.coach_exam.exam import PASSES_AT, Report, score
from tests.coach_exam.reading import Question, load
from tests.coach_exam.table import show

screen = Console(highlight=False)


BUILT_IN = "builtin"
WHO = "builtin; configured: the providers of AI_PROVIDERS in their order; or the name of one."


def main(
    provider: Annotated[str, typer.Option(help=WHO)] = BUILT_IN,
    verbose: Annotated[bool, typer.Option(help="Show each answer that lacks a point.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Score a coach; exit status 1 where the built-in one does not pass."""
    questions = load().questions
    try:
        answers = _answers(provider, questions)
    except candidates.NobodyToAsk as error:
        screen.print(f"[red]Nobody to ask[/red]: {error}")
        sys.exit(2)
    report = Report(tuple(map(score, answers, questions)))
    show(report, provider, screen, verbose=verbose)
    if json_file:
        json_file.write_text(json.dumps(report.as_json(), ensure_ascii=False, indent=1) + "\n")
    if provider == BUILT_IN and not report.passes:
        screen.print(f"[red]Not passed[/red]: {PASSES_AT:.0%} of must-points, no must-not said.")
        sys.exit(1)


def _answers(provider: str, questions: tuple[Question, ...]) -> list[str]:
    if provider == BUILT_IN:
        return [candidates.ask_built_in(each.question, each.person) for each in questions]
    return asyncio.run(candidates.all_of_configured(provider, questions))


if __name__ == "__main__":
    typer.run(main)
