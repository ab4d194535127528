"""Structured logs: one JSON object a line, or coloured text in a terminal. Secrets never get in."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor

from zxo.kit.db import forget_rows

REDACTED = "[redacted]"
_SECRET_WORDS = ("token", "secret", "password", "authorization", "session_key", "phone", "openid")


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> EventDict:
    """Blank every value whose key names a secret or a person's identity, however deep."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _without_rows(_: Any, __: str, event: EventDict) -> EventDict:
    error = event.get("exc_info")
    if error is True:
        error = sys.exc_info()
    forget_rows(error[1] if isinstance(error, tuple) else error or None)
    return event


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and any(word in key.lower() for word in _SECRET_WORDS):
        return REDACTED
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", item) for item in value]
    return value


def configure(level: str = "INFO", *, role: str = "zxo", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's logs through one pipeline to stderr."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_rows,
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_renderers(stream.isatty(), role)
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "asyncio", "pgqueuer"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _renderers(terminal: bool, role: str) -> list[Processor]:
    def add_role(_: Any, __: str, event: EventDict) -> EventDict:
        event["role"] = role
        return event

    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if terminal:
        # Not the default traceback: it prints local variables, and with them tokens.
        plain = structlog.dev.plain_traceback
        return [add_role, meta, structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    json = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return [add_role, meta, structlog.processors.format_exc_info, json]
