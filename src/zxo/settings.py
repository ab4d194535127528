"""The only reader of the environment. Every variable is listed in `.env.example`."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from zxo.kit.values import Duration, aware, refuse_examples, refuse_weak, split, upper, url_of


class SettingsError(Exception):
    """The environment is not usable; the text says which variable and why."""


class Section(BaseSettings):
    """One group of variables. `.env` in the working folder is read too."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        # Field names are for code. As variables they would be $USER, $PORT, $HOST: names that mean
        # something else. No variable's name can begin with "=", so only the aliases are read.
        populate_by_name=True,
        env_prefix="=",
    )


PostgresUrl = Annotated[SecretStr, url_of("postgresql", "postgres")]
ValkeyUrl = Annotated[SecretStr, url_of("redis", "rediss", "unix")]


class DatabaseSettings(Section):
    """PostgreSQL 15 or newer. A URL wins over the parts; neither means the embedded server."""

    url: PostgresUrl = Field(SecretStr(""), validation_alias="DATABASE_URL")
    replica_url: PostgresUrl = Field(SecretStr(""), validation_alias="DATABASE_REPLICA_URL")
    host: str = Field("", validation_alias="DB_HOST")
    port: int = Field(5432, validation_alias="DB_PORT", ge=1, le=65535)
    name: str = Field("zxo", validation_alias="DB_NAME")
    user: str = Field("zxo", validation_alias="DB_USER")
    password: SecretStr = Field(SecretStr(""), validation_alias="DB_PASSWORD")
    pool_size: int = Field(20, validation_alias="DB_POOL_SIZE", ge=2, le=200)
    statement_timeout: Duration = Field(
        timedelta(seconds=5), validation_alias="DB_STATEMENT_TIMEOUT"
    )
    statement_cache_size: int = Field(1024, validation_alias="DB_STATEMENT_CACHE_SIZE", ge=0)

    def dsn(self) -> str:
        """The URL to connect to; empty where nothing is configured."""
        if url := self.url.get_secret_value():
            return url
        if not self.host:
            return ""
        user, password = _quoted(self.user), _quoted(self.password.get_secret_value())
        credentials = f"{user}:{password}" if password else user
        return f"postgresql://{credentials}@{self.host}:{self.port}/{_quoted(self.name)}"


class ValkeySettings(Section):
    """Valkey 8 or newer, or Redis. A URL wins over the parts; neither means the embedded server."""

    url: ValkeyUrl = Field(SecretStr(""), validation_alias="REDIS_URL")
    host: str = Field("", validation_alias="REDIS_HOST")
    port: int = Field(6379, validation_alias="REDIS_PORT", ge=1, le=65535)
    password: SecretStr = Field(SecretStr(""), validation_alias="REDIS_PASSWORD")
    protocol: int = Field(3, validation_alias="REDIS_PROTOCOL", ge=2, le=3)

    def dsn(self) -> str:
        """The URL to connect to; empty where nothing is configured."""
        if url := self.url.get_secret_value():
            return url
        if not self.host:
            return ""
        password = _quoted(self.password.get_secret_value())
        return f"redis://{':' + password + '@' if password else ''}{self.host}:{self.port}/0"


def _quoted(part: str) -> str:
    """`part` as it may stand between the separators of a URL."""
    return quote(part, safe="")


class TokenSettings(Section):
    """Signed tokens. The secret is an HMAC secret, or a private key (PEM) with EdDSA."""

    secret: SecretStr = Field(SecretStr(""), validation_alias="JWT_SECRET")
    previous_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split)] = Field(
        (), validation_alias="JWT_PREVIOUS_SECRETS"
    )
    algorithm: Literal["HS256", "EdDSA"] = Field("HS256", validation_alias="JWT_ALGORITHM")
    expires_in: Duration = Field(timedelta(days=7), validation_alias="JWT_EXPIRES_IN")
    issuer: str = Field("zxo", validation_alias="JWT_ISSUER")
    audience: str = Field("zxo-app", validation_alias="JWT_AUDIENCE")

    @model_validator(mode="after")
    def _has_a_key_to_sign_with(self) -> Self:
        if self.algorithm == "EdDSA" and "PRIVATE KEY" not in self.secret.get_secret_value():
            raise ValueError("JWT_SECRET must be a private key (PEM) where JWT_ALGORITHM is EdDSA")
        return self


# An id, and what its fields hold: ID:thing1=title,thing2=body,time3=at.
_FIELD = r"(thing[0-9]+=(title|body)|(time|date)[0-9]+=at)"
_TEMPLATE = rf"^([A-Za-z0-9_-]+(:{_FIELD}(,{_FIELD})*)?)?$"
Template = Annotated[str, StringConstraints(pattern=_TEMPLATE)]


class WechatSettings(Section):
    """The mini program. Without credentials, and outside production, `dev:NAME` logs in."""

    app_id: str = Field("", validation_alias="WECHAT_APP_ID")
    app_secret: SecretStr = Field(SecretStr(""), validation_alias="WECHAT_APP_SECRET")
    base_url: str = Field("https://api.weixin.qq.com", validation_alias="WECHAT_BASE_URL")
    page: str = Field("pages/index/index", validation_alias="WECHAT_MESSAGE_PAGE")
    reminder: Template = Field("", validation_alias="WECHAT_TEMPLATE_REMINDER")
    milestone: Template = Field("", validation_alias="WECHAT_TEMPLATE_MILESTONE")
    membership: Template = Field("", validation_alias="WECHAT_TEMPLATE_MEMBERSHIP")

    @property
    def configured(self) -> bool:
        return bool(self.app_id and self.app_secret.get_secret_value())


# A name, or all names below one. The address of this machine is for tests.
_HOST = r"^((\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+|http://127\.0\.0\.1:[0-9]+)$"
PushHost = Annotated[str, StringConstraints(pattern=_HOST)]
# Of Chrome, Edge, Firefox and Safari, and of the browsers made from them.
PUSH_HOSTS = "fcm.googleapis.com,*.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com"


class WebPushSettings(Section):
    """Notices to browsers. The key is a P-256 private key: PEM, or its 32 bytes in base64url."""

    key: SecretStr = Field(SecretStr(""), validation_alias="WEB_PUSH_VAPID_KEY")
    subject: str = Field("", validation_alias="WEB_PUSH_SUBJECT", pattern="^(mailto:|https://|$)")
    hosts: Annotated[tuple[PushHost, ...], NoDecode, BeforeValidator(split)] = Field(
        tuple(PUSH_HOSTS.split(",")), validation_alias="WEB_PUSH_HOSTS"
    )

    @model_validator(mode="after")
    def _says_who_we_are(self) -> Self:
        if self.key.get_secret_value() and not self.subject:
            raise ValueError("WEB_PUSH_VAPID_KEY needs a WEB_PUSH_SUBJECT: mailto: or https:")
        return self


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
    modules: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)] = Field(
        (), validation_alias="ZXO_MODULES"
    )
    max_body: int = Field(65_536, validation_alias="ZXO_MAX_BODY", ge=1024)
    max_sockets: int = Field(10_000, validation_alias="ZXO_MAX_SOCKETS", ge=1, le=1_000_000)
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(upper)] = (
        Field("INFO", validation_alias="LOG_LEVEL")
    )
    metrics_dir: str = Field("", validation_alias="PROMETHEUS_MULTIPROC_DIR")
    worker_port: int = Field(0, validation_alias="ZXO_WORKER_PORT", ge=0, le=65535)

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    valkey: ValkeySettings = Field(default_factory=ValkeySettings)
    tokens: TokenSettings = Field(default_factory=TokenSettings)
    wechat: WechatSettings = Field(default_factory=WechatSettings)
    web_push: WebPushSettings = Field(default_factory=WebPushSettings)

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def development_login(self) -> bool:
        """Whether the code `dev:NAME` logs in without WeChat."""
        return not self.production and not self.wechat.configured

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if not self.production:
            return self
        if self.clock is not None:
            raise ValueError("ZXO_CLOCK is for development and tests, not for production")
        if not self.database.dsn() or not self.valkey.dsn():
            raise ValueError(
                "production needs DATABASE_URL (or DB_HOST) and REDIS_URL (or REDIS_HOST)"
            )
        refuse_examples(
            DB_PASSWORD=self.database.password,
            REDIS_PASSWORD=self.valkey.password,
            WECHAT_APP_SECRET=self.wechat.app_secret,
            WEB_PUSH_VAPID_KEY=self.web_push.key,
        )
        if any("://" in host for host in self.web_push.hosts):
            raise ValueError("WEB_PUSH_HOSTS holds an address that is for tests only")
        refuse_weak("JWT_SECRET", self.tokens.secret)
        for secret in self.tokens.previous_secrets:  # whoever knows one of them can sign
            refuse_weak("JWT_PREVIOUS_SECRETS", secret)
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
