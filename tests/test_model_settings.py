"""What the environment may say about the coach's models."""

import time
from datetime import timedelta

import pytest

from tests.fakes.chat_completions import FakeChat, refuses, says
from tests.test_settings import PRODUCTION, Load, load_from, refused
from zxo import doctor
from zxo.clients.models import Message, NoModelAnswers
from zxo.context import language_models
from zxo.modules.admin.service import HIDDEN, settings_in_force

__all__ = ["load_from"]

KEY = "sk-k9-battle-staple"
DEEPSEEK = {"DEEPSEEK_API_KEY": KEY, "DEEPSEEK_MODEL": "one"}
OLLAMA = {"OLLAMA_MODEL": "two"}
CUSTOM = {"AI_CUSTOM_MODEL": "three", "AI_CUSTOM_BASE_URL": "https://models.test/v1/"}


def test_nothing_set_is_a_coach_without_a_provider(load_from: Load) -> None:
    models = load_from().models
    assert models.enabled
    assert models.chosen == {}
    assert (models.max_tokens, models.context_tokens) == (500, 3000)
    seconds = (models.connect_timeout, models.first_token_timeout, models.total_timeout)
    assert seconds == (timedelta(seconds=3), timedelta(seconds=10), timedelta(minutes=1))


def test_the_coach_can_be_switched_off(load_from: Load) -> None:
    assert not load_from(AI_COACH="off").models.enabled
    assert "AI_COACH" in refused(load_from, AI_COACH="perhaps")


def test_providers_are_asked_in_the_order_of_the_list(load_from: Load) -> None:
    given = {**DEEPSEEK, **OLLAMA, **CUSTOM}
    chosen = load_from(AI_PROVIDERS="custom, deepseek,ollama", **given).models.chosen
    assert [(name, of.model) for name, of in chosen.items()] == [
        ("custom", "three"),
        ("deepseek", "one"),
        ("ollama", "two"),
    ]
    assert chosen["custom"].base_url == "https://models.test/v1"
    assert chosen["deepseek"].key.get_secret_value() == KEY
    assert not chosen["ollama"].key.get_secret_value()


def test_a_key_and_a_model_of_openai_are_enough(load_from: Load) -> None:
    given = {"OPENAI_API_KEY": KEY, "OPENAI_MODEL": "four"}
    assert list(load_from(**given).models.chosen) == ["openai"]
    assert list(load_from(**given, AI_PROVIDERS="ollama", **OLLAMA).models.chosen) == ["ollama"]
    for name in given:
        assert not load_from(**{name: given[name]}).models.chosen


@pytest.mark.parametrize(
    ("name", "given", "missing"),
    [
        ("openai", {"OPENAI_API_KEY": KEY}, "OPENAI_MODEL"),
        ("openai", {"OPENAI_MODEL": "m"}, "OPENAI_API_KEY"),
        ("qwen", {"QWEN_MODEL": "m"}, "QWEN_API_KEY"),
        ("ernie", {"ERNIE_MODEL": "m"}, "ERNIE_API_KEY"),
        ("deepseek", {"DEEPSEEK_MODEL": "m", "DEEPSEEK_API_KEY": " "}, "DEEPSEEK_API_KEY"),
        ("ollama", {}, "OLLAMA_MODEL"),
        ("custom", {"AI_CUSTOM_BASE_URL": "https://models.test"}, "AI_CUSTOM_MODEL"),
        ("custom", {"AI_CUSTOM_MODEL": "m"}, "AI_CUSTOM_BASE_URL"),
    ],
)
def test_a_provider_of_the_list_is_whole(
    load_from: Load, name: str, given: dict[str, str], missing: str
) -> None:
    text = refused(load_from, AI_PROVIDERS=name, **given)
    assert text == f"AI_PROVIDERS names {name}, which needs {missing}"


def test_a_provider_that_nobody_knows_or_that_comes_twice_is_refused(load_from: Load) -> None:
    assert refused(load_from, AI_PROVIDERS="claude").startswith("AI_PROVIDERS")
    assert "twice" in refused(load_from, AI_PROVIDERS="ollama,ollama", **OLLAMA)


@pytest.mark.parametrize("key", ["sk-battle staple", "sk-battle\nstaple", "sk-钥匙", "sk-\x00"])
def test_a_key_that_fits_no_header_is_refused_without_being_shown(
    load_from: Load, key: str
) -> None:
    text = refused(load_from, DEEPSEEK_API_KEY=key)
    assert text.startswith("DEEPSEEK_API_KEY: ")
    assert key[:5] not in text


@pytest.mark.parametrize(
    "url",
    [
        "models.test/v1",
        "ftp://models.test",
        "https://",
        "https://me:secret@models.test",
        "https://models.test/v1?key=1",
        "https://models.test/v1#a",
        "https://models.test:99999",
        "https://models .test",
        "https://[::1",
    ],
)
def test_a_base_url_is_an_address_alone(load_from: Load, url: str) -> None:
    assert refused(load_from, QWEN_BASE_URL=url).startswith("QWEN_BASE_URL: ")


def test_time_outs_contain_each_other(load_from: Load) -> None:
    load_from(AI_CONNECT_TIMEOUT="5s", AI_FIRST_TOKEN_TIMEOUT="5s", AI_TOTAL_TIMEOUT="5s")
    assert "AI_TOTAL_TIMEOUT" in refused(load_from, AI_TOTAL_TIMEOUT="9s")
    assert "at most 100 s" in refused(load_from, AI_TOTAL_TIMEOUT="101s")
    assert "AI_CONNECT_TIMEOUT" in refused(load_from, AI_CONNECT_TIMEOUT="11s")


@pytest.mark.parametrize(("name", "value"), [("MAX", "15"), ("MAX", "4097"), ("CONTEXT", "255")])
def test_numbers_of_tokens_have_bounds(load_from: Load, name: str, value: str) -> None:
    assert refused(load_from, **{f"AI_{name}_TOKENS": value}).startswith(f"AI_{name}_TOKENS: ")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:11434", "10.1.2.3", "[::1]:80", "[fd00::1]", "ollama", "gpu.ai.svc", "a.lan"],
)
def test_production_asks_without_tls_inside_its_own_network(load_from: Load, host: str) -> None:
    given = {"AI_PROVIDERS": "ollama", **OLLAMA, "OLLAMA_BASE_URL": f"http://{host}/v1"}
    assert load_from(**PRODUCTION, **given).models.chosen


@pytest.mark.parametrize("host", ["models.test", "8.8.8.8", "[2001:4860::1]", "localhost.test"])
def test_production_sends_nothing_into_the_world_without_tls(load_from: Load, host: str) -> None:
    given = {"AI_PROVIDERS": "custom", **CUSTOM, "AI_CUSTOM_BASE_URL": f"http://{host}/v1"}
    assert load_from(**given).models.chosen
    assert "AI_CUSTOM_BASE_URL must begin with https://" in refused(
        load_from, **PRODUCTION, **given
    )


def test_production_refuses_the_key_of_the_specification(load_from: Load) -> None:
    text = refused(load_from, **PRODUCTION, OPENAI_API_KEY="sk-xxxxxxxxxxxx")
    assert text == "OPENAI_API_KEY is an example; production needs a secret of its own"


def test_no_key_is_shown(load_from: Load) -> None:
    settings = load_from(AI_PROVIDERS="deepseek", **DEEPSEEK)
    assert KEY not in f"{settings!r}{settings.models.model_dump_json()}"
    shown = settings_in_force(settings)
    assert shown["DEEPSEEK_API_KEY"] == HIDDEN
    assert (shown["QWEN_API_KEY"], shown["DEEPSEEK_MODEL"]) == ("", "one")
    assert (shown["AI_PROVIDERS"], shown["AI_TOTAL_TIMEOUT"]) == (["deepseek"], "0:01:00")
    assert KEY not in str(shown)


async def test_the_models_of_a_context_are_asked_as_the_settings_say(load_from: Load) -> None:
    with FakeChat(KEY) as gone, FakeChat(KEY) as there:
        gone.otherwise = refuses(404)
        openai = {"OPENAI_API_KEY": KEY, "OPENAI_MODEL": "four", "OPENAI_BASE_URL": there.url}
        deepseek = {**DEEPSEEK, "DEEPSEEK_BASE_URL": gone.url}
        given = {"AI_PROVIDERS": "deepseek,openai", **openai, **deepseek}
        models = language_models(load_from(**given))
        assert models.configured
        async with models.answer([Message("user", "好")], 77) as answer:
            assert [piece async for piece in answer]
        await models.close()

    assert (answer.provider, answer.model) == ("openai", "four")
    assert gone.asked[0].body["model"] == "one"
    assert gone.asked[0].body["max_tokens"] == there.asked[0].body["max_completion_tokens"] == 77


async def test_the_time_outs_of_the_settings_are_those_of_the_models(load_from: Load) -> None:
    with FakeChat() as slow:
        slow.otherwise = says("好", after=9.0)
        given = {"AI_PROVIDERS": "ollama", **OLLAMA, "OLLAMA_BASE_URL": slow.url}
        patience = {"AI_CONNECT_TIMEOUT": "1s", "AI_FIRST_TOKEN_TIMEOUT": "1s"}
        models = language_models(load_from(**given, **patience))
        began = time.monotonic()
        with pytest.raises(NoModelAnswers):
            async with models.answer([Message("user", "好")], 77):
                raise AssertionError("it began")
        assert 1 <= time.monotonic() - began < 4
        await models.close()


def test_without_a_provider_no_model_is_configured(load_from: Load) -> None:
    assert not language_models(load_from()).configured


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "answers by itself; AI_PROVIDERS is not set"),
        (OLLAMA, "asks ollama (two)"),
        ({"AI_COACH": "off"}, "switched off (AI_COACH)"),
    ],
)
async def test_the_doctor_says_who_is_asked(
    load_from: Load, variables: dict[str, str], said: str
) -> None:
    given = {**variables, **({"AI_PROVIDERS": "ollama"} if variables is OLLAMA else {})}
    assert await doctor.CHECKS["coach"](load_from(**given)) == said
