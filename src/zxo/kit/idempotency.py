"""Idempotency-Key: the first answer to a POST is kept for 24 hours and replayed.

A key belongs to a scope (the user, or for log-ins the request's own content) and to one body.
An answer is kept unless trying again may help: 401, 429 and 5xx release the key. A stream is kept
when it has ended, and replayed in one piece; one that breaks off releases the key.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from structlog import get_logger

from zxo.kit.crypto import BlindIndex, Sealer
from zxo.kit.db import Database, is_away
from zxo.kit.errors import BadRequest, Conflict
from zxo.kit.tasks import see_through

log = get_logger(__name__)

KEEP = "24 hours"
# A run that has not answered by then was killed: the next twin takes its place.
ABANDONED_SECONDS = 120
_RELEASED = {401, 429}
LONGEST_STREAM = 256 * 1024  # bytes that are held, and kept, of one

CLAIM = f"""
INSERT INTO idempotency_keys AS known (scope, key, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (scope, key) DO UPDATE
SET fingerprint = excluded.fingerprint, status = NULL, answer = NULL,
    recorded_at = clock_timestamp()
WHERE known.recorded_at < clock_timestamp() - interval '{KEEP}'
   OR (known.status IS NULL
       AND known.recorded_at < clock_timestamp() - make_interval(secs => {ABANDONED_SECONDS}))
RETURNING recorded_at
"""
READ = "SELECT fingerprint, status, answer FROM idempotency_keys WHERE scope = $1 AND key = $2"
# $3 is the claim's own recorded_at: a claim that was taken over is no longer ours to end.
KEEP_ANSWER = """
UPDATE idempotency_keys SET status = $4, answer = $5
WHERE scope = $1 AND key = $2 AND recorded_at = $3
"""
RELEASE = "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND recorded_at = $3"
CLEAN = f"""
DELETE FROM idempotency_keys WHERE recorded_at < clock_timestamp() - interval '{KEEP}'
"""


class InvalidKey(BadRequest):
    """Idempotency-Key takes 1 to 255 printable ASCII characters."""

    code = "invalid_idempotency_key"


class KeyReused(Conflict):
    """This Idempotency-Key came with another request before."""

    code, message = "idempotency_key_reused", "该 Idempotency-Key 已用于其他请求"


class StillRunning(Conflict):
    """The request with this Idempotency-Key is still being worked on."""

    code, message = "idempotency_in_progress", "相同的请求正在处理中，请稍后再试"


@dataclass(frozen=True)
class Attempt:
    """One request under a key."""

    scope: bytes
    key: str
    fingerprint: bytes

    @property
    def bound_to(self) -> bytes:
        return self.scope + b"|" + self.key.encode()


class _Kept(msgspec.Struct, array_like=True):
    body: bytes
    media_type: str


def attempt(
    index: BlindIndex, scope: str, key: str, method: str, target: str, body: bytes
) -> Attempt:
    """`target`: the path, with the query where there is one. Raises InvalidKey.

    The fingerprint needs a key: of a plain digest a phone number, or a code, is soon guessed.
    """
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise InvalidKey
    fingerprint = index.of("idempotency", f"{method} {target}\n{body.decode('latin-1')}")
    return Attempt(scope.encode(), key, fingerprint)


async def answer_once(
    database: Database, sealer: Sealer, this: Attempt, run: Callable[[], Awaitable[Response]]
) -> Response:
    """Run the request, or replay the answer of its twin. Raises KeyReused, StillRunning."""
    claim = await database.fetchval(CLAIM, this.scope, this.key, this.fingerprint)
    if claim is None:
        kept = await _kept_answer(database, sealer, this)
        if kept is not None:
            return kept
        # The twin released the key in the meantime, or no secret opens its answer any more.
        raise StillRunning
    try:
        response = await run()
    except Exception:
        await database.execute(RELEASE, this.scope, this.key, claim)
        raise

    async def end(body: bytes | None) -> None:
        try:
            await _keep(database, sealer, this, claim, response, body)
        except Exception as error:
            if not is_away(error):
                raise
            # What was asked for is done: a failure would only make the caller ask again.
            log.warning("answer_not_kept", reason=type(error).__name__)

    if not hasattr(response, "body"):
        return _Watched(response, end)
    await end(bytes(response.body))
    return response


class _Watched(Response):
    """A stream that passes on what comes as it comes, and tells `end` of the whole, or of None.

    `end` is seen through: whoever asked may go away at that very moment.
    """

    def __init__(
        self, stream: Response, end: Callable[[bytes | None], Coroutine[Any, Any, None]]
    ) -> None:
        self.status_code, self.raw_headers = stream.status_code, stream.raw_headers
        self._stream, self._end = stream, end
        self._pieces: list[bytes] = []
        self._length = 0
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def passed_on(message: Message) -> None:
            if message["type"] == "http.response.body":
                await self._take(message)
            await send(message)

        try:
            await self._stream(scope, receive, passed_on)
        finally:
            if not self._ended:  # it failed, or whoever asked has gone
                await see_through(self._end(None))

    async def _take(self, message: Message) -> None:
        """What has ended is kept before the last of it goes out: who then asks again finds it."""
        piece = bytes(message.get("body", b""))
        self._length += len(piece)
        if self._length <= LONGEST_STREAM:
            self._pieces.append(piece)
        if not message.get("more_body", False):
            self._ended = True
            fits = self._length <= LONGEST_STREAM
            await see_through(self._end(b"".join(self._pieces) if fits else None))


async def _kept_answer(database: Database, sealer: Sealer, this: Attempt) -> Response | None:
    row = await database.fetchrow(READ, this.scope, this.key)
    if row is None:
        return None
    if row["fingerprint"] != this.fingerprint:
        raise KeyReused
    if row["status"] is None or (plain := sealer.open(row["answer"], this.bound_to)) is None:
        return None
    kept = msgspec.msgpack.decode(plain, type=_Kept)
    headers = {"Idempotent-Replayed": "true"}
    return Response(kept.body, row["status"], headers, kept.media_type)


async def _keep(
    database: Database,
    sealer: Sealer,
    this: Attempt,
    claim: datetime,
    response: Response,
    body: bytes | None,
) -> None:
    """`body`: None where it broke off, or is too long to be kept."""
    status = response.status_code
    if body is None or status >= 500 or status in _RELEASED:
        await database.execute(RELEASE, this.scope, this.key, claim)
        return
    kept = _Kept(body, response.headers.get("content-type", ""))
    sealed = sealer.seal(msgspec.msgpack.encode(kept), this.bound_to)
    await database.execute(KEEP_ANSWER, this.scope, this.key, claim, status, sealed)


async def clean(database: Database) -> None:
    """Forget answers older than 24 hours."""
    await database.execute(CLEAN)
