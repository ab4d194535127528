"""`zxo doctor`: is everything there that ZXO needs, and does it answer?"""

import asyncio
import shutil
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
from rich.console import Console
from rich.markup import escape

from zxo import migrations
from zxo.context import connect_valkey, token_ring
from zxo.modules import regions
from zxo.settings import Settings

OLDEST_POSTGRES = 15
LITTLE_SPACE_MB = 1024

Check = Callable[[Settings], Coroutine[Any, Any, str]]


class Problem(Exception):
    """What is wrong, and what to do."""


def run(settings: Settings, screen: Console) -> bool:
    """Print one line a check; whether all of them passed."""
    healthy = True
    for name, check in CHECKS.items():
        try:
            mark, finding = "[green]✓[/]", asyncio.run(check(settings))
        except Exception as error:
            mark, finding, healthy = "[red]✗[/]", _one_line(error), False
        screen.print(f"{mark} {name:<{WIDEST}} {escape(finding)}", soft_wrap=True)
    return healthy


def _one_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text if isinstance(error, Problem) else f"{type(error).__name__}: {text}"


async def _python(_: Settings) -> str:
    return sys.version.split()[0]


async def _secret(settings: Settings) -> str:
    if not settings.tokens.secret.get_secret_value():
        return "made on the first start and kept in the data folder"
    token_ring(settings)
    return f"{settings.tokens.algorithm}, tokens last {settings.tokens.expires_in}"


def _address(dsn: str) -> str:
    if not dsn:  # a client would take its own default for that, somebody else's server
        raise Problem("the embedded one did not start, and no other is configured")
    return dsn


async def _postgres(settings: Settings) -> str:
    connection = await asyncpg.connect(_address(settings.database.dsn()), timeout=3)
    try:
        version = connection.get_server_version()
    finally:
        await connection.close()
    if version.major < OLDEST_POSTGRES:
        raise Problem(f"PostgreSQL {version.major} is too old; ZXO needs {OLDEST_POSTGRES}")
    return f"PostgreSQL {version.major}.{version.minor} answers"


async def _schema(settings: Settings) -> str:
    current = await migrations.current(_address(settings.database.dsn()))
    head = migrations.head()
    if current != head:
        raise Problem(f"at {current or 'nothing'}, the code needs {head}: run zxo migrate")
    return f"at {head}"


async def _valkey(settings: Settings) -> str:
    _address(settings.valkey.dsn())
    valkey = connect_valkey(settings)
    try:
        facts = await valkey.info()
    finally:
        await valkey.aclose()
    kept = "kept on disk" if facts.get("aof_enabled") else "in memory only"
    version = facts.get("valkey_version") or facts["redis_version"]
    return f"version {version} answers, its data are {kept}"


async def _space(settings: Settings) -> str:
    folder = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    free = shutil.disk_usage(folder).free // 2**20
    if free < LITTLE_SPACE_MB:
        raise Problem(f"only {free} MB free in {folder.resolve()}")
    return f"{free:,} MB free in {folder.resolve()}"


async def _divisions(_: Settings) -> str:
    return f"{len(regions.children())} provinces in the list of divisions"


async def _log_in(settings: Settings) -> str:
    ways = ["WeChat"] * settings.wechat.configured + ["codes by SMS"] * settings.sms.configured
    if settings.development_login:
        ways.append("development log-in (dev:NAME), as WECHAT_APP_ID is not set")
    if not settings.production and not settings.sms.configured:
        ways.append("codes in the log, as SMS_ACCESS_KEY_ID is not set")
    if not ways:
        raise Problem("neither WECHAT_APP_ID nor SMS_ACCESS_KEY_ID is set: nobody can log in")
    return ", ".join(ways)


async def _coach(settings: Settings) -> str:
    models = settings.models
    if not models.enabled:
        return "switched off (AI_COACH)"
    asked = [f"{name} ({provider.model})" for name, provider in models.chosen.items()]
    return (
        f"asks {', then '.join(asked)}" if asked else "answers by itself; AI_PROVIDERS is not set"
    )


CHECKS: dict[str, Check] = {
    "Python": _python,
    "token secret": _secret,
    "PostgreSQL": _postgres,
    "schema": _schema,
    "Valkey": _valkey,
    "disk": _space,
    "divisions": _divisions,
    "log-in": _log_in,
    "coach": _coach,
}
WIDEST = max(map(len, CHECKS))
