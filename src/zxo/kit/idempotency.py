"""Idempotency-Key: the first answer to a POST is kept for 24 hours and replayed.

A key belongs to a scope (the user, or for log-ins the request's own content) and to one body.
An answer is kept unless trying again may help: 401, 429 and 5xx release the key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from starlette.responses import Response
from structlog import get_logger

from zxo.kit.crypto import BlindIndex, Sealer
from zxo.kit.db import Database, is_away
from zxo.kit.errors import BadRequest, Conflict

log = get_logger(__name__)

KEEP = "24 hours"
# A run that has not answered by then was killed: the next twin takes its place.
ABANDONED_SECONDS = 60
_RELEASED = {401, 429}

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
    index: BlindIndex, scope: str, key: str, method: str, path: str, body: bytes
) -> Attempt:
    """Raises InvalidKey.

    The fingerprint needs a key: of a plain digest a phone number, or a code, is soon guessed.
    """
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise InvalidKey
    fingerprint = index.of("idempotency", f"{method} {path}\n{body.decode('latin-1')}")
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
    try:
        await _keep(database, sealer, this, claim, response)
    except Exception as error:
        if not is_away(error):
            raise
        # What was asked for is done: a failure would only make the caller ask again.
        log.warning("answer_not_kept", reason=type(error).__name__)
    return response


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
    database: Database, sealer: Sealer, this: Attempt, claim: datetime, response: Response
) -> None:
    status = response.status_code
    if status >= 500 or status in _RELEASED:
        await database.execute(RELEASE, this.scope, this.key, claim)
        return
    kept = _Kept(bytes(response.body), response.headers.get("content-type", ""))
    sealed = sealer.seal(msgspec.msgpack.encode(kept), this.bound_to)
    await database.execute(KEEP_ANSWER, this.scope, this.key, claim, status, sealed)


async def clean(database: Database) -> None:
    """Forget answers older than 24 hours."""
    await database.execute(CLEAN)
