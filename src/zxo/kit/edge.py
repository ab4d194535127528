"""The outermost layer: request ids, headers, size and form of the body, metrics, last resort."""

import asyncio
import logging
import os
import re
import time
from urllib.parse import unquote_to_bytes

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog import get_logger
from structlog.contextvars import bind_contextvars, clear_contextvars

from zxo.kit import metrics
from zxo.kit.clock import Clock
from zxo.kit.errors import BadRequest, PayloadTooLarge, RequestTooSlow, UnsupportedMediaType
from zxo.kit.failures import respond
from zxo.kit.headers import SecurityHeaders

log = get_logger(__name__)
_standard_log = logging.getLogger(__name__)

SLOW_MS = 1000
BODY_SECONDS = 20.0  # for 64 KiB; the server waits 30 s for the headers, and for a body for ever
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# A route's pattern ends before a line feed at the end of a path: to a proxy that is another path.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_METHODS = _METHODS_WITH_BODY | {"GET", "HEAD", "OPTIONS"}


class ClientGone(Exception):
    """The client hung up in the middle of its body: there is nobody to answer."""


class Edge:
    """Wraps the application; plain ASGI, because every request pays for it."""

    def __init__(self, app: ASGIApp, clock: Clock, max_body: int, headers: SecurityHeaders) -> None:
        self._app = app
        self._clock = clock
        self._max_body = max_body
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["headers_by_name"] = dict(scope["headers"])  # looked into several times a request
        request_id = scope["request_id"] = _request_id(scope)
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        status, complete = 0, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += (
                    (b"x-request-id", request_id.encode()),
                    *self._headers.of(scope["path"]),
                )
            else:
                complete = not message.get("more_body", False)
            await send(message)

        try:
            receive = await self._checked_body(scope, receive)
            await self._app(scope, receive, send_with_id)
        except ClientGone:
            status = 499
        except Exception as error:
            # The framework answers an unforeseen error, and raises it all the same.
            if status and not complete:
                raise  # the answer has begun: it can only be cut off
            if not status:
                answer = respond(Request(scope), error, self._clock)
                await answer(scope, receive, send_with_id)
        finally:
            _account(scope, status, (time.perf_counter() - began) * 1000)

    async def _checked_body(self, scope: Scope, receive: Receive) -> Receive:
        """Refuse what no route should see. The body is read whole: it is small by then."""
        _check_target(scope)
        if scope["method"] not in _METHODS_WITH_BODY:
            return receive
        headers = scope["headers_by_name"]
        if _stated_length(headers) > self._max_body:
            raise PayloadTooLarge(f"the body may have {self._max_body} bytes")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._read(receive)
        except TimeoutError:
            raise RequestTooSlow from None
        if body and not _is_json(headers.get(b"content-type", b"")):
            raise UnsupportedMediaType
        scope["body"] = body
        return _replayed(body, receive)

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_body:
                raise PayloadTooLarge(f"the body may have {self._max_body} bytes")
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A receive channel that gives the body once, then what the server says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _request_id(scope: Scope) -> str:
    given: str = scope["headers_by_name"].get(b"x-request-id", b"").decode("latin-1")
    if _REQUEST_ID.fullmatch(given):
        return given
    return os.urandom(16).hex()


def _check_target(scope: Scope) -> None:
    """Paths and queries are UTF-8 without NUL, as every other text that comes in."""
    for raw in (scope.get("raw_path") or scope["path"].encode(), scope["query_string"]):
        if b"%" not in raw and b"\x00" not in raw:
            continue
        try:
            text = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise BadRequest("the address is not valid UTF-8") from None
        if "\x00" in text:
            raise BadRequest("the address contains NUL")
    if _CONTROLS.search(scope["path"]):
        raise BadRequest("the path contains control characters")


def _stated_length(headers: dict[bytes, bytes]) -> int:
    """0 where nothing is stated: a chunked body is measured as it comes."""
    stated = headers.get(b"content-length", b"0")
    if not stated.isdigit():
        raise BadRequest("Content-Length is not a number")
    return int(stated)


def _is_json(content_type: bytes) -> bool:
    media_type = content_type.split(b";")[0].strip().lower()
    return media_type == b"application/json"


def _account(scope: Scope, status: int, milliseconds: float) -> None:
    route = scope.get("route")
    template = getattr(route, "path", "unmatched")
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    metrics.observe_request(method, template, status or 500, milliseconds)
    notable = milliseconds > SLOW_MS or status >= 400
    level = logging.INFO if notable else logging.DEBUG
    if not _standard_log.isEnabledFor(level):
        return  # asked before the fields are made: most requests are not logged
    log.log(
        level, "request", method=method, route=template, status=status, ms=round(milliseconds, 1)
    )
