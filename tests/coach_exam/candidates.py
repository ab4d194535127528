"""Who sits the exam: the built-in coach, or one of the configured providers."""

from rich.console import Console
from rich.progress import track

from tests.coach_exam.reading import Question
from zxo import settings
from zxo.clients.models import AnswerCut, Message, Models, NoModelAnswers
from zxo.context import language_models
from zxo.modules.coach import builtin, prompt
from zxo.modules.coach.models import Person


class NobodyToAsk(Exception):
    """The environment names no such provider; the text is for the person at the terminal."""


def ask_built_in(question: str, person: Person) -> str:
    """What the product answers without any model."""
    return builtin.answer(question, person).text


async def ask_model(models: Models, question: str, person: Person, most: int) -> str:
    """What the product answers with its models, safety first as in the product.

    Empty where none answers, and only a part where it breaks off: it scores what it scores.
    """
    if fixed := builtin.fixed(question):
        return fixed.text
    messages = [Message("system", prompt.system_message(person)), Message("user", question)]
    said: list[str] = []
    try:
        async with models.answer(messages, most) as pieces:
            async for piece in pieces:
                said.append(piece)  # noqa: PERF401 - what came before it broke off counts
    except (NoModelAnswers, AnswerCut):
        pass
    return "".join(said)


async def all_of_configured(name: str, questions: tuple[Question, ...]) -> list[str]:
    """One after the other: providers count requests a minute. Raises NobodyToAsk.

    `name`: one provider of AI_PROVIDERS, or `configured` for all of them in their order.
    """
    only = {} if name == "configured" else {"AI_PROVIDERS": name}
    try:
        configured = settings.load(**only)
    except settings.SettingsError as error:
        raise NobodyToAsk(str(error)) from None
    models = language_models(configured)
    if not models.configured:
        raise NobodyToAsk("AI_PROVIDERS names nobody")
    asked = track(questions, "Asking", console=Console(stderr=True))
    most = configured.models.max_tokens
    try:
        return [await ask_model(models, each.question, each.person, most) for each in asked]
    finally:
        await models.close()
