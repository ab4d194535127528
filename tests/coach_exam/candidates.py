"""Who sits the exam: the built-in coach, or the first of the configured providers that answers."""

from rich.console import Console
from rich.progress import track

from tests.coach_exam.reading import Question
from zxo import settings
from zxo.clients.models import Message
from zxo.context import Context, open_context
from zxo.modules.coach import builtin, prompt, safety
from zxo.modules.coach.models import Person

LONGEST_ANSWER = 800  # tokens


def ask_built_in(question: str, person: Person) -> str:
    """What the product answers without any model."""
    concern = safety.concern(question)
    return safety.ANSWERS[concern] if concern else builtin.answer(question, person).text


async def ask_configured(ctx: Context, question: str, person: Person) -> str:
    """What the product answers with its models, safety first as in the product.

    Raises what `ctx.models.answer` raises where no provider is configured or none answers.
    """
    concern = safety.concern(question)
    if concern:
        return safety.ANSWERS[concern]
    messages = [Message("system", prompt.system_message(person)), Message("user", question)]
    async with ctx.models.answer(messages, LONGEST_ANSWER) as pieces:
        return "".join([piece async for piece in pieces])


async def all_of_configured(questions: tuple[Question, ...]) -> list[str]:
    """One after the other: providers count requests a minute."""
    asked = track(questions, "Asking", console=Console(stderr=True))
    async with open_context(settings.load(), role="exam") as ctx:
        return [await ask_configured(ctx, each.question, each.person) for each in asked]
