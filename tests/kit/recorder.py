"""A job that can be watched."""

from zxo.context import Context


async def states(ctx: Context) -> dict[str, str]:
    rows = await ctx.db.fetch("SELECT entrypoint, status::text FROM pgqueuer")
    return {row[0]: row[1] for row in rows}


class Recorder:
    """A job that keeps what it was given, and fails as often as it was told to."""

    def __init__(self, failures: int = 0) -> None:
        self.payloads: list[bytes] = []
        self._failures = failures

    async def __call__(self, payload: bytes) -> None:
        self.payloads.append(payload)
        if len(self.payloads) <= self._failures:
            raise LookupError("not this time")
