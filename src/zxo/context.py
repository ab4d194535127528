"""What a use case needs from the outside, in one frozen object; made once a process."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from zxo.clients.aliyun_signature import Signer
from zxo.clients.chat_provider import ChatProvider
from zxo.clients.content_check import ContentCheck
from zxo.clients.content_words import PACKAGED, WordList, read_words
from zxo.clients.models import Models
from zxo.clients.sms import API_VERSION, AliyunSms, LoggedSms, Sms
from zxo.clients.web_push import WebPush
from zxo.clients.wechat import Wechat
from zxo.kit.cache import Caches
from zxo.kit.clock import Clock
from zxo.kit.crypto import BlindIndex, Sealer, Vault
from zxo.kit.db import Database
from zxo.kit.live import Bus
from zxo.kit.memo import Memo
from zxo.kit.polled import PolledSet
from zxo.kit.presence import Presence
from zxo.kit.security import TokenRing, eddsa_key, hmac_key
from zxo.kit.tasks import end
from zxo.kit.together import Gatherings
from zxo.kit.turnstile import Turnstile
from zxo.limits import Limits
from zxo.settings import Settings

COUNTING_AT_ONCE = 3  # of a process's connections

# $1: only those recorded in the last so many seconds; null: all. now(), not clock_timestamp(),
# which no index can be asked for.
ENDED_SESSIONS = """
SELECT session_id::text FROM ended_sessions
WHERE recorded_at > coalesce(now() - make_interval(secs => $1::float8), '-infinity')
"""


@dataclass(frozen=True)
class Context:
    settings: Settings
    clock: Clock
    db: Database
    valkey: redis.Redis
    bus: Bus
    presence: Presence
    limits: Limits
    memo: Memo
    gatherings: Gatherings
    counting: Turnstile  # for queries over whole boards
    caches: Caches
    tokens: TokenRing
    sealer: Sealer
    vault: Vault  # what is sealed in the database
    index: BlindIndex  # what is looked up there without being readable
    ended_sessions: PolledSet
    wechat: Wechat
    web_push: WebPush | None
    content: ContentCheck
    sms: Sms | None
    models: Models


def token_ring(settings: Settings) -> TokenRing:
    """The ring of `settings`. Raises ValueError on a key that cannot be read."""
    # By its form, not by the algorithm in force: that may have been changed since.
    keys = [
        eddsa_key(secret) if secret.startswith("-----BEGIN") else hmac_key(secret)
        for secret in _secrets(settings)
    ]
    return TokenRing(keys, settings.tokens.issuer, settings.tokens.audience)


def _secrets(settings: Settings) -> list[str]:
    tokens = settings.tokens
    return [secret.get_secret_value() for secret in (tokens.secret, *tokens.previous_secrets)]


def connect_valkey(settings: Settings) -> redis.Redis:
    """A client that gives up quickly: whatever Valkey serves can be had from PostgreSQL."""
    return redis.Redis.from_url(
        settings.valkey.dsn(),
        protocol=settings.valkey.protocol,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )


@asynccontextmanager
async def open_context(
    settings: Settings, *, role: str, clock: Clock | None = None
) -> AsyncIterator[Context]:
    """Connect to everything; nothing has to be up yet. Background tasks run until the end."""
    async with AsyncExitStack() as stack:
        database = await Database.connect(
            settings.database.dsn(),
            replica_url=settings.database.replica_url.get_secret_value(),
            max_size=settings.database.pool_size,
            statement_timeout=settings.database.statement_timeout.total_seconds(),
            statement_cache_size=settings.database.statement_cache_size,
            application_name=f"zxo-{role}",
        )
        stack.push_async_callback(database.close)
        valkey = connect_valkey(settings)
        stack.push_async_callback(valkey.aclose)
        wechat = _wechat(settings)
        stack.push_async_callback(wechat.close)
        push = web_push(settings)
        if push is not None:
            stack.push_async_callback(push.close)
        sms = sms_sender(settings)
        if sms is not None:
            stack.push_async_callback(sms.close)
        models = language_models(settings)
        stack.push_async_callback(models.close)
        index = BlindIndex(settings.keys.index.get_secret_value())
        bus = Bus(valkey)
        ended_sessions = PolledSet(database, ENDED_SESSIONS)
        await stack.enter_async_context(_running(bus.run(), ended_sessions.run()))
        yield Context(
            settings=settings,
            clock=clock or Clock(settings.clock),
            db=database,
            valkey=valkey,
            bus=bus,
            presence=Presence(valkey),
            limits=Limits(settings.limits, valkey, index, settings.workers),
            memo=Memo(),
            gatherings=Gatherings(),
            counting=Turnstile(COUNTING_AT_ONCE),
            caches=Caches(bus),
            tokens=token_ring(settings),
            sealer=Sealer(_secrets(settings), "idempotency"),
            vault=Vault([key.get_secret_value() for key in settings.keys.encryption]),
            index=index,
            ended_sessions=ended_sessions,
            wechat=wechat,
            web_push=push,
            content=ContentCheck(
                word_list(settings), wechat if settings.wechat.configured else None
            ),
            sms=sms,
            models=models,
        )


def _wechat(settings: Settings) -> Wechat:
    secret = settings.wechat.app_secret.get_secret_value()
    state = "formal" if settings.production else "developer"
    return Wechat(settings.wechat.app_id, secret, settings.wechat.base_url, state=state)


def word_list(settings: Settings) -> WordList:
    """What no text may say. Raises ValueError where the operator's list cannot be read."""
    own = settings.content_words
    try:
        return WordList(read_words(PACKAGED, *([own] if own else ())))
    except OSError as error:
        raise ValueError(f"CONTENT_WORDS_FILE: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("CONTENT_WORDS_FILE: not UTF-8") from None


def web_push(settings: Settings) -> WebPush | None:
    """None where no key is set. Raises ValueError on a key that cannot be read."""
    key = settings.web_push.key.get_secret_value()
    return WebPush(key, settings.web_push.subject, settings.web_push.hosts) if key else None


def sms_sender(settings: Settings) -> Sms | None:
    """None in production without an account at the SMS service."""
    sms = settings.sms
    if not sms.configured:
        return None if settings.production else LoggedSms()
    signer = Signer(sms.key_id, sms.key_secret.get_secret_value(), API_VERSION)
    return AliyunSms(signer, sms.sign_name, sms.template, sms.base_url)


def language_models(settings: Settings) -> Models:
    """Whoever is to be asked, in this order; nobody where nobody is configured."""
    models = settings.models
    providers = [
        ChatProvider(
            name,
            provider.base_url,
            provider.key.get_secret_value(),
            provider.model,
            # OpenAI's newer models refuse the old name, which is the only one that others know.
            limit_name="max_completion_tokens" if name == "openai" else "max_tokens",
            connect=models.connect_timeout.total_seconds(),
        )
        for name, provider in models.chosen.items()
    ]
    return Models(
        providers,
        first_token=models.first_token_timeout.total_seconds(),
        total=models.total_timeout.total_seconds(),
    )


@asynccontextmanager
async def _running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(part) for part in work]
    try:
        yield
    finally:
        await end(tasks)
