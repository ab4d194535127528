"""The only reader of the environment. Every variable is listed in `.env.example`."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import NoDecode

from zxo.kit.values import aware, refuse_examples, split, upper
from zxo.settings.base import Section, SettingsError
from zxo.settings.keys import KeySettings, TokenSettings
from zxo.settings.limits import LimitSettings
from zxo.settings.models import ModelSettings
from zxo.settings.outside import SmsSettings, WebPushSettings, WechatSettings
from zxo.settings.servers import DatabaseSettings, ValkeySettings

__all__ = [
    "DatabaseSettings",
    "KeySettings",
    "LimitSettings",
    "ModelSettings",
    "Section",
    "Settings",
    "SettingsError",
    "SmsSettings",
    "TokenSettings",
    "ValkeySettings",
    "WebPushSettings",
    "WechatSettings",
    "load",
]


# A scheme and a host, as a browser's Origin header says them; or any at all.
# The usual port is left out of that header: a list that names it would let nobody in.
_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_ORIGIN = rf"^(\*|https?://{_LABEL}(\.{_LABEL})*(:[1-9][0-9]{{0,4}})?)$"


def _as_browsers_say_it(origin: str) -> str:
    scheme, _, port = origin.rpartition(":")
    usual = {"https": "443", "http": "80"}.get(scheme.partition(":")[0])
    if port == usual or (port.isdigit() and int(port) > 65535):
        raise ValueError(f"no browser says {origin} of itself: leave the port out")
    return origin


Origin = Annotated[str, StringConstraints(pattern=_ORIGIN), AfterValidator(_as_browsers_say_it)]


class Settings(Section):
    """Everything that can be configured."""

    env: Literal["development", "test", "production"] = Field(
        "development", validation_alias=AliasChoices("APP_ENV", "NODE_ENV")
    )
    host: str = Field("127.0.0.1", validation_alias="HOST")
    port: int = Field(3000, validation_alias="PORT", ge=1, le=65535)
    workers: int = Field(1, validation_alias="ZXO_WORKERS", ge=1, le=64)
    data_dir: Path = Field(Path(".zxo"), validation_alias="ZXO_DATA_DIR")
    clock: Annotated[datetime, AfterValidator(aware)] | None = Field(
        None, validation_alias="ZXO_CLOCK"
    )
    built_in: bool | None = Field(None, validation_alias="BUILTIN_CODES")
    modules: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)] = Field(
        (), validation_alias="ZXO_MODULES"
    )
    max_body: int = Field(65_536, validation_alias="ZXO_MAX_BODY", ge=1024)
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(split)] = Field(
        (), validation_alias="CORS_ORIGINS"
    )
    content_words: Path | None = Field(None, validation_alias="CONTENT_WORDS_FILE")
    admin_totp: Literal["required", "optional"] | None = Field(None, validation_alias="ADMIN_TOTP")
    max_sockets: int = Field(10_000, validation_alias="ZXO_MAX_SOCKETS", ge=1, le=1_000_000)
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(upper)] = (
        Field("INFO", validation_alias="LOG_LEVEL")
    )
    metrics_dir: str = Field("", validation_alias="PROMETHEUS_MULTIPROC_DIR")
    worker_port: int = Field(0, validation_alias="ZXO_WORKER_PORT", ge=0, le=65535)

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    valkey: ValkeySettings = Field(default_factory=ValkeySettings)
    tokens: TokenSettings = Field(default_factory=TokenSettings)
    keys: KeySettings = Field(default_factory=KeySettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    wechat: WechatSettings = Field(default_factory=WechatSettings)
    web_push: WebPushSettings = Field(default_factory=WebPushSettings)
    sms: SmsSettings = Field(default_factory=SmsSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def admin_totp_required(self) -> bool:
        """Whether operators need a second factor: in production, unless somebody says otherwise."""
        return self.admin_totp == "required" or (self.admin_totp is None and self.production)

    @property
    def development_login(self) -> bool:
        """Whether the code `dev:NAME` logs in without WeChat."""
        return not self.production and not self.wechat.configured

    @property
    def built_in_codes(self) -> bool:
        """Whether the codes that everybody knows are redeemed: outside production, unless set."""
        return not self.production if self.built_in is None else self.built_in

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if not self.production:
            return self
        if self.clock is not None:
            raise ValueError("ZXO_CLOCK is for development and tests, not for production")
        if self.built_in:
            raise ValueError("BUILTIN_CODES are for development and tests, not for production")
        if "*" in self.cors_origins:
            raise ValueError("CORS_ORIGINS must name its origins in production")
        if not self.database.dsn() or not self.valkey.dsn():
            raise ValueError(
                "production needs DATABASE_URL (or DB_HOST) and REDIS_URL (or REDIS_HOST)"
            )
        refuse_examples(
            DB_PASSWORD=self.database.password,
            REDIS_PASSWORD=self.valkey.password,
            WECHAT_APP_SECRET=self.wechat.app_secret,
            WEB_PUSH_VAPID_KEY=self.web_push.key,
            SMS_ACCESS_KEY_SECRET=self.sms.key_secret,
        )
        apart = self.limits, self.web_push, self.sms, self.models, self.tokens, self.keys
        for section in apart:
            section.refuse_unsafe()
        return self


def load(**variables: str) -> Settings:
    """The settings of this process and its children; `variables` win over the environment's.

    Raises SettingsError with one clear line.
    """
    os.environ.update(variables)
    try:
        return Settings()
    except ValidationError as error:
        lines = [_line(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
        raise SettingsError("; ".join(lines)) from None


def _line(location: tuple[str | int, ...], message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return f"{'.'.join(map(str, location))}: {reason}" if location else reason
