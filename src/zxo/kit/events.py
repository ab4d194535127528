"""Server-sent events: an answer that is sent while it is being made."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Self

import msgspec
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Send

_encoder = msgspec.json.Encoder(decimal_format="number")

# A comment: proxies and browsers then know that the answer has begun.
BEGUN = format_sse_event(comment="begun")
_HEADERS = {"X-Accel-Buffering": "no"}  # nginx would collect the pieces


def event(name: str, data: Any) -> bytes:
    """One event; `data` (structs, dicts, dates) as JSON."""
    return format_sse_event(data_str=_encoder.encode(data).decode(), event=name)


class EventStream(EventSourceResponse):
    """Events as they come; whatever makes them is closed for certain when the client goes away."""

    @classmethod
    async def of(cls, events: AsyncGenerator[bytes, None]) -> Self:
        """`events` yields BEGUN first: what has not begun cannot be closed. Raises what it does."""
        begun = await anext(events)
        assert begun == BEGUN, "that comes first"
        return cls(events, headers=_HEADERS)

    async def stream_response(self, send: Send) -> None:
        """Send everything, unless the client goes away before."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            headers = self.raw_headers
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": BEGUN, "more_body": True})
            async for one in self.body_iterator:
                await send({"type": "http.response.body", "body": one, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def documented(*names: str) -> dict[str, Any]:
    """The content of such an answer for OpenAPI, with the names of its events."""
    listed = "、".join(f"`{name}`" for name in names)
    schema = {"type": "string", "description": f"事件：{listed}"}
    return {"text/event-stream": {"schema": schema}}
