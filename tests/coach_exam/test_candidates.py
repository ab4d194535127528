"""Providers sit the exam as the product would ask them."""

import pytest

from tests.coach_exam.candidates import NobodyToAsk, all_of_configured
from tests.coach_exam.reading import load
from tests.fakes.chat_completions import FakeChat, refuses, says
from zxo.modules.coach.prompt import system_message


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> FakeChat:
    """A provider that the environment names."""
    fake = FakeChat()
    given = {
        "AI_PROVIDERS": "custom",
        "AI_CUSTOM_MODEL": "m",
        "AI_CUSTOM_BASE_URL": fake.url,
        "JWT_SECRET": "only-for-tests-0123456789-abcdefghij",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return fake


async def test_a_provider_is_asked_each_question_with_the_products_own_words(
    configured: FakeChat,
) -> None:
    questions = load().questions[:3]
    with configured as fake:
        fake.replies = [says("先等", "十分钟。"), refuses(401)]
        answers = await all_of_configured("custom", questions)
    assert answers[0] == "先等十分钟。"
    assert answers[1] == ""
    system, asked = fake.asked[0].body["messages"]
    assert system["content"] == system_message(questions[0].person)
    assert asked["content"] == questions[0].question


async def test_without_a_provider_there_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "only-for-tests-0123456789-abcdefghij")
    monkeypatch.setenv("AI_PROVIDERS", "")  # whatever is set here is undone afterwards
    for name in ("configured", "deepseek", "somebody"):
        with pytest.raises(NobodyToAsk):
            await all_of_configured(name, load().questions[:1])
