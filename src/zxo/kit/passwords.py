"""Hashes of passwords (bcrypt), made and compared in threads: each keeps a core busy."""

import asyncio
import secrets

import bcrypt

COST = 12  # about a quarter of a second
LONGEST = 72  # bytes: bcrypt sees no more
AT_ONCE = 2  # threads; the others wait
# Compared with where there is nobody: the answer takes as long as any.
NOBODY = bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(COST)).decode()

_turns = asyncio.Semaphore(AT_ONCE)


async def matches(password: str, password_hash: str | None) -> bool:
    """None: whose hash there is none; that takes as long."""
    given = password.encode()
    if password_hash is None or len(given) > LONGEST:
        given, password_hash = b"", NOBODY
    async with _turns:
        return await asyncio.to_thread(bcrypt.checkpw, given, password_hash.encode())


async def hashed(password: str) -> str:
    """Of at most 72 bytes; raises ValueError on more."""
    async with _turns:
        salt = bcrypt.gensalt(COST)
        return (await asyncio.to_thread(bcrypt.hashpw, password.encode(), salt)).decode()
