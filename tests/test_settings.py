"""What the environment may say, and how it is told that it is wrong."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from zxo.settings import Section, Settings, SettingsError, load

SECRET = "pHq3xWv8Zt1nKf6Lr0YcUb5Md2Ga9SeJ"
PRODUCTION = {
    "APP_ENV": "production",
    "DATABASE_URL": "postgresql://zxo:k2-battle-staple@db/zxo",
    "REDIS_URL": "redis://:k3-battle-staple@valkey/0",
    "JWT_SECRET": SECRET,
    "ZXO_INDEX_KEY": SECRET[1:] + "1",
    "ZXO_ENCRYPTION_KEYS": SECRET[2:] + "23",
}

Load = Callable[..., Settings]


@pytest.fixture
def load_from(monkeypatch: pytest.MonkeyPatch) -> Load:
    """The settings of a process whose whole environment is given."""

    def load_only(**variables: str) -> Settings:
        monkeypatch.setattr(os, "environ", dict(variables))
        return load()

    return load_only


def refused(load_from: Load, **variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_from(**variables)
    text = str(caught.value)
    assert "\n" not in text
    return text


def fields(section: type[Section]) -> Iterator[FieldInfo]:
    """Every field of the section and of the sections in it."""
    for field in section.model_fields.values():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from fields(kind)
        else:
            yield field


def variables_of(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return (
        [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]
    )


def example_lines(root: Path) -> list[str]:
    return (root / ".env.example").read_text().splitlines()


def examples(root: Path) -> dict[str, str]:
    """Every variable of .env.example, those that are commented out included."""
    pattern = re.compile(r"(?:# )?([A-Z][A-Z0-9_]*)=(.*)")
    matches = (pattern.fullmatch(line) for line in example_lines(root))
    return {match[1]: match[2] for match in matches if match}


def test_the_example_file_lists_exactly_the_variables_that_are_read(root: Path) -> None:
    read = [name for field in fields(Settings) for name in variables_of(field)]
    assert sorted(examples(root)) == sorted(read)


def test_every_variable_of_the_example_file_is_explained(root: Path) -> None:
    lines = example_lines(root)
    for number, line in enumerate(lines):
        if re.match(r"(# )?[A-Z][A-Z0-9_]*=", line):
            assert lines[number - 1], f"nothing stands above {line}"


def test_the_example_file_as_it_is_starts_in_development(root: Path, load_from: Load) -> None:
    live = [line.split("=", 1) for line in example_lines(root) if line and line[0] != "#"]
    settings = load_from(**dict(live))
    assert settings == load_from()


def test_every_example_value_is_valid(root: Path, load_from: Load) -> None:
    assert load_from(**examples(root)).modules == ("checkins", "cravings")


def test_production_refuses_every_secret_of_the_example_file(root: Path, load_from: Load) -> None:
    given = examples(root)
    secrets = {name: value for name, value in given.items() if value.startswith("your_")}
    for name in secrets.keys() - {"WECHAT_APP_ID"}:  # an id is no secret
        assert name in refused(load_from, **{**PRODUCTION, name: secrets[name]})


@pytest.mark.parametrize("name", ["USER", "NAME", "PASSWORD", "SECRET", "DATABASE", "TOKENS"])
def test_variables_that_mean_something_else_are_not_read(load_from: Load, name: str) -> None:
    assert load_from(**{name: "somebody"}) == load_from()


def test_the_port_of_the_application_is_not_the_port_of_the_database(load_from: Load) -> None:
    settings = load_from(PORT="4000", HOST="10.0.0.1")
    assert (settings.port, settings.database.port, settings.valkey.port) == (4000, 5432, 6379)
    assert (settings.host, settings.database.host, settings.valkey.host) == ("10.0.0.1", "", "")


def test_a_url_wins_over_its_parts(load_from: Load) -> None:
    url = "postgresql://one@a/b"
    settings = load_from(DATABASE_URL=url, DB_HOST="elsewhere", DB_PASSWORD="p")
    assert settings.database.dsn() == url
    settings = load_from(REDIS_URL="redis://a/3", REDIS_HOST="elsewhere")
    assert settings.valkey.dsn() == "redis://a/3"


def test_parts_become_a_url_whatever_characters_they_hold(load_from: Load) -> None:
    database = load_from(
        DB_HOST="db", DB_PORT="6000", DB_NAME="a/b", DB_USER="u/@:", DB_PASSWORD="p/@:%"
    ).database
    assert database.dsn() == "postgresql://u%2F%40%3A:p%2F%40%3A%25@db:6000/a%2Fb"
    assert load_from(DB_HOST="db").database.dsn() == "postgresql://zxo@db:5432/zxo"
    valkey = load_from(REDIS_HOST="v", REDIS_PORT="6000", REDIS_PASSWORD="p/@").valkey
    assert valkey.dsn() == "redis://:p%2F%40@v:6000/0"
    assert load_from(REDIS_HOST="v").valkey.dsn() == "redis://v:6379/0"


def test_nothing_configured_means_the_embedded_servers(load_from: Load) -> None:
    settings = load_from()
    assert (settings.database.dsn(), settings.valkey.dsn()) == ("", "")


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        (" 7d ", timedelta(days=7)),
    ],
)
def test_durations_have_a_unit(load_from: Load, text: str, duration: timedelta) -> None:
    assert load_from(JWT_EXPIRES_IN=text).tokens.expires_in == duration


@pytest.mark.parametrize("text", ["7", "0s", "-1d", "1w", "1.5h", "d", "1d2h", "9999999s", "७d"])
def test_anything_else_is_no_duration(load_from: Load, text: str) -> None:
    assert refused(load_from, JWT_EXPIRES_IN=text).startswith("JWT_EXPIRES_IN: write a number")


def test_an_empty_variable_is_as_good_as_none(load_from: Load) -> None:
    assert load_from(PORT="", JWT_EXPIRES_IN="", ZXO_CLOCK="") == load_from()


def test_node_env_is_read_too_and_app_env_wins(load_from: Load) -> None:
    assert load_from(NODE_ENV="test").env == "test"
    assert load_from(NODE_ENV="production", APP_ENV="test").env == "test"
    assert "production needs" in refused(load_from, NODE_ENV="production")


def test_log_levels_may_be_written_in_small_letters(load_from: Load) -> None:
    assert load_from(LOG_LEVEL="info").log_level == "INFO"
    assert refused(load_from, LOG_LEVEL="loud").startswith("LOG_LEVEL: ")


def test_the_clock_needs_an_offset(load_from: Load) -> None:
    clock = load_from(ZXO_CLOCK="2025-12-01T09:00:00+08:00").clock
    assert clock == datetime(2025, 12, 1, 1, tzinfo=UTC)
    assert refused(load_from, ZXO_CLOCK="2025-12-01T09:00:00").startswith("ZXO_CLOCK: needs an off")


def test_lists_are_separated_by_commas(load_from: Load) -> None:
    settings = load_from(ZXO_MODULES=" users, ,auth", JWT_PREVIOUS_SECRETS="one,two")
    assert settings.modules == ("users", "auth")
    assert [s.get_secret_value() for s in settings.tokens.previous_secrets] == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("DB_PORT", "five"),
        ("DB_POOL_SIZE", "1"),
        ("ZXO_WORKERS", "0"),
        ("ZXO_MAX_BODY", "10"),
        ("REDIS_PROTOCOL", "4"),
        ("JWT_ALGORITHM", "none"),
        ("APP_ENV", "prod"),
        ("DATABASE_URL", "mysql://zxo:k2-battle-staple@db/zxo"),
        ("DATABASE_REPLICA_URL", "k2-battle-staple"),
        ("REDIS_URL", "http://:k2-battle-staple@valkey"),
    ],
)
def test_an_error_names_the_variable_and_never_shows_a_secret(
    load_from: Load, name: str, value: str
) -> None:
    text = refused(load_from, **{name: value})
    assert text.startswith(f"{name}: ")
    assert "staple" not in text


def test_the_development_login_needs_no_wechat_and_no_production(load_from: Load) -> None:
    wechat = {"WECHAT_APP_ID": "wx1", "WECHAT_APP_SECRET": "k9"}
    assert load_from().development_login
    assert not load_from(**wechat).development_login
    assert not load_from(**PRODUCTION).development_login
    assert not load_from(**PRODUCTION).wechat.configured


def test_production_starts_with_secrets_of_its_own(load_from: Load) -> None:
    settings = load_from(**PRODUCTION, JWT_PREVIOUS_SECRETS=SECRET[::-1])
    assert settings.production


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"JWT_SECRET": ""}, "JWT_SECRET"),
        ({"JWT_SECRET": SECRET[:31]}, "JWT_SECRET"),
        ({"JWT_SECRET": "ab" * 20}, "JWT_SECRET"),
        ({"JWT_SECRET": f"Your_JWT_secret{SECRET}"}, "JWT_SECRET"),
        ({"JWT_PREVIOUS_SECRETS": f"{SECRET[::-1]},changeme"}, "JWT_PREVIOUS_SECRETS"),
        ({"JWT_PREVIOUS_SECRETS": "short-k2"}, "JWT_PREVIOUS_SECRETS"),
        ({"ZXO_INDEX_KEY": ""}, "ZXO_INDEX_KEY"),
        ({"ZXO_ENCRYPTION_KEYS": ""}, "ZXO_ENCRYPTION_KEYS"),
        ({"ZXO_ENCRYPTION_KEYS": f"{SECRET},short"}, "ZXO_ENCRYPTION_KEYS"),
        ({"DB_PASSWORD": "changeme"}, "DB_PASSWORD"),
        ({"CORS_ORIGINS": "https://zxo.test,*"}, "CORS_ORIGINS"),
        ({"ZXO_CLOCK": "2025-12-01T09:00:00+08:00"}, "ZXO_CLOCK"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"REDIS_URL": ""}, "REDIS_URL"),
    ],
)
def test_production_refuses_what_is_only_for_development(
    load_from: Load, change: dict[str, str], names: str
) -> None:
    text = refused(load_from, **(PRODUCTION | change))
    assert names in text
    assert not [value for value in change.values() if value and value in text]


def test_eddsa_needs_a_private_key_in_every_environment(load_from: Load) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    assert load_from(JWT_ALGORITHM="EdDSA", JWT_SECRET=private).tokens.algorithm == "EdDSA"
    text = refused(load_from, JWT_ALGORITHM="EdDSA", JWT_SECRET=SECRET)
    assert "JWT_SECRET" in text
    assert SECRET not in text


def test_what_the_caller_says_wins_and_reaches_the_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", {"PORT": "4000"})
    assert load(PORT="5000").port == 5000
    assert os.environ["PORT"] == "5000"


@pytest.mark.parametrize(
    "origin",
    [
        "zxo.test",
        "https://zxo.test/",
        "https://*.zxo.test",
        "null",
        "HTTPS://ZXO.TEST",
        "https://zxo.test:443",
        "http://zxo.test:80",
        "https://zxo.test:65536",
        "https://zxo..test",
    ],
)
def test_what_no_browser_calls_an_origin_is_refused(load_from: Load, origin: str) -> None:
    assert "cors_origins" in refused(load_from, CORS_ORIGINS=origin).lower()
    assert load_from(CORS_ORIGINS="https://zxo.test, http://localhost:5173").cors_origins == (
        "https://zxo.test",
        "http://localhost:5173",
    )


def test_built_in_codes_are_on_outside_production_only(load_from: Load) -> None:
    assert load_from().built_in_codes
    assert not load_from(BUILTIN_CODES="false").built_in_codes
    assert not load_from(**PRODUCTION).built_in_codes
    assert not load_from(**PRODUCTION, BUILTIN_CODES="false").built_in_codes
    assert "BUILTIN_CODES" in refused(load_from, **PRODUCTION, BUILTIN_CODES="true")
