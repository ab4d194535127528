"""Language models for the coach: which providers, in which order, and how long they may take."""

import re
from collections import Counter
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic_settings import NoDecode

from zxo.kit.values import Duration, Switch, refuse_examples, split
from zxo.settings.base import Section

# A request that is not over after two minutes is taken for lost (kit/idempotency).
LONGEST_ANSWER = timedelta(seconds=100)

ProviderName = Literal["openai", "qwen", "ernie", "deepseek", "ollama", "custom"]
# They answer nobody without a key.
WITH_KEY = ("openai", "qwen", "ernie", "deepseek")

_PRINTABLE = re.compile(r"[!-~]*")
# Names that only resolve inside: of a container, of a cluster, of a house.
_INSIDE = re.compile(r"[a-z0-9-]+|.+\.(local|internal|lan|svc)", re.IGNORECASE)


def _fit_for_a_header(key: SecretStr) -> SecretStr:
    bare = key.get_secret_value().strip()
    if not _PRINTABLE.fullmatch(bare):
        raise ValueError("a key has no spaces, and nothing that a keyboard lacks")
    return SecretStr(bare)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("must begin with https://, or http:// inside your own network")
    if parts.username or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("is an address alone: no user, no ? and no #")
    return url.rstrip("/")


ApiKey = Annotated[SecretStr, AfterValidator(_fit_for_a_header)]
BaseUrl = Annotated[
    str, StringConstraints(pattern=r"^[!-~]*$", max_length=500), AfterValidator(_address)
]
# How its provider calls it. None has a default: these names die within a year or two.
ModelName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class OpenAiSettings(Section):
    """https://platform.openai.com"""

    key: ApiKey = Field(SecretStr(""), validation_alias="OPENAI_API_KEY")
    model: ModelName = Field("", validation_alias="OPENAI_MODEL")
    base_url: BaseUrl = Field("https://api.openai.com/v1", validation_alias="OPENAI_BASE_URL")


class QwenSettings(Section):
    """通义千问: https://bailian.console.aliyun.com"""

    key: ApiKey = Field(SecretStr(""), validation_alias="QWEN_API_KEY")
    model: ModelName = Field("", validation_alias="QWEN_MODEL")
    base_url: BaseUrl = Field(
        "https://dashscope.aliyuncs.com/compatible-mode/v1", validation_alias="QWEN_BASE_URL"
    )


class ErnieSettings(Section):
    """文心一言: https://console.bce.baidu.com/qianfan"""

    key: ApiKey = Field(SecretStr(""), validation_alias="ERNIE_API_KEY")
    model: ModelName = Field("", validation_alias="ERNIE_MODEL")
    base_url: BaseUrl = Field("https://qianfan.baidubce.com/v2", validation_alias="ERNIE_BASE_URL")


class DeepSeekSettings(Section):
    """https://platform.deepseek.com"""

    key: ApiKey = Field(SecretStr(""), validation_alias="DEEPSEEK_API_KEY")
    model: ModelName = Field("", validation_alias="DEEPSEEK_MODEL")
    base_url: BaseUrl = Field("https://api.deepseek.com", validation_alias="DEEPSEEK_BASE_URL")


class OllamaSettings(Section):
    """Models on a machine of one's own; a key only where something in front asks for one."""

    key: ApiKey = Field(SecretStr(""), validation_alias="OLLAMA_API_KEY")
    model: ModelName = Field("", validation_alias="OLLAMA_MODEL")
    base_url: BaseUrl = Field("http://127.0.0.1:11434/v1", validation_alias="OLLAMA_BASE_URL")


class CustomModelSettings(Section):
    """Anybody else who speaks OpenAI's protocol."""

    key: ApiKey = Field(SecretStr(""), validation_alias="AI_CUSTOM_API_KEY")
    model: ModelName = Field("", validation_alias="AI_CUSTOM_MODEL")
    base_url: BaseUrl = Field("", validation_alias="AI_CUSTOM_BASE_URL")


ProviderSettings = (
    OpenAiSettings
    | QwenSettings
    | ErnieSettings
    | DeepSeekSettings
    | OllamaSettings
    | CustomModelSettings
)


class ModelSettings(Section):
    """The coach. Without a provider it answers by itself, from what it knows."""

    enabled: Switch = Field(True, validation_alias="AI_COACH")
    providers: Annotated[tuple[ProviderName, ...], NoDecode, BeforeValidator(split)] = Field(
        (), validation_alias="AI_PROVIDERS"
    )
    connect_timeout: Duration = Field(timedelta(seconds=3), validation_alias="AI_CONNECT_TIMEOUT")
    first_token_timeout: Duration = Field(
        timedelta(seconds=10), validation_alias="AI_FIRST_TOKEN_TIMEOUT"
    )
    total_timeout: Duration = Field(timedelta(seconds=60), validation_alias="AI_TOTAL_TIMEOUT")
    max_tokens: int = Field(500, validation_alias="AI_MAX_TOKENS", ge=16, le=4096)
    context_tokens: int = Field(3000, validation_alias="AI_CONTEXT_TOKENS", ge=256, le=200_000)

    openai: OpenAiSettings = Field(default_factory=OpenAiSettings)
    qwen: QwenSettings = Field(default_factory=QwenSettings)
    ernie: ErnieSettings = Field(default_factory=ErnieSettings)
    deepseek: DeepSeekSettings = Field(default_factory=DeepSeekSettings)
    ollama: OllamaSettings = Field(default_factory=OllamaSettings)
    custom: CustomModelSettings = Field(default_factory=CustomModelSettings)

    @property
    def known(self) -> dict[ProviderName, ProviderSettings]:
        """All providers, used or not."""
        return {name: getattr(self, name) for name in get_args(ProviderName)}

    @property
    def chosen(self) -> dict[ProviderName, ProviderSettings]:
        """The providers in the order in which they are asked."""
        return {name: self.known[name] for name in self.providers or self._usual()}

    def _usual(self) -> tuple[ProviderName, ...]:
        """Whoever gives no list, but a key and a model of OpenAI, wants to use them."""
        usable = self.openai.key.get_secret_value() and self.openai.model
        return ("openai",) if usable else ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        twice = [name for name, times in Counter(self.providers).items() if times > 1]
        if twice:
            raise ValueError(f"AI_PROVIDERS names {twice[0]} twice")
        for name, provider in self.chosen.items():
            if missing := _missing(name, provider):
                raise ValueError(f"AI_PROVIDERS names {name}, which needs {missing}")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.connect_timeout <= self.first_token_timeout <= self.total_timeout:
            raise ValueError(
                "AI_CONNECT_TIMEOUT is part of AI_FIRST_TOKEN_TIMEOUT, and that of AI_TOTAL_TIMEOUT"
            )
        if self.total_timeout > LONGEST_ANSWER:
            raise ValueError(f"AI_TOTAL_TIMEOUT is at most {LONGEST_ANSWER.seconds} s")
        return self

    def refuse_unsafe(self) -> None:
        """Raises ValueError for what must not stand in production."""
        for name, provider in self.known.items():
            refuse_examples(**{_variable(name, "API_KEY"): provider.key})
        for name, provider in self.chosen.items():
            if not _private(provider.base_url):
                variable = _variable(name, "BASE_URL")
                raise ValueError(f"{variable} must begin with https:// outside your own network")


def _missing(name: ProviderName, provider: ProviderSettings) -> str:
    """The variable that this provider cannot do without; empty where nothing is missing."""
    if not provider.model:
        return _variable(name, "MODEL")
    if name in WITH_KEY and not provider.key.get_secret_value():
        return _variable(name, "API_KEY")
    return "" if provider.base_url else _variable(name, "BASE_URL")


def _variable(name: ProviderName, part: str) -> str:
    return f"{'AI_CUSTOM' if name == 'custom' else name.upper()}_{part}"


def _private(url: str) -> bool:
    """Whether what people write to the coach is safe on the way there."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return _INSIDE.fullmatch(host) is not None
