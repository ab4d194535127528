"""PostgreSQL and Valkey: where they are."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, SecretStr

from zxo.kit.values import Duration, url_of
from zxo.settings.base import Section

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
