"""One WebSocket: what may come in, what goes out, and how it ends."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from starlette.types import Message, Receive, Send

from zxo.kit.errors import AppError, Unauthorized, Unavailable

LARGEST_MESSAGE = 4096  # bytes that a client may send at once
MOST_MESSAGES, WINDOW_SECONDS = 20, 10.0
CLOSE_SECONDS = 2.0  # whoever does not read does not take a close frame either


class SocketError(AppError):
    """Why a socket is closed, and with which code."""

    close: ClassVar[int] = 1011


class GoingAway(SocketError):
    """The process stops: connect again."""

    status, code, message, close = 503, "going_away", "服务器正在重启，请重新连接", 1001


class NotText(SocketError):
    """Messages are text."""

    status, code, message, close = 400, "binary_message", "消息必须是文本", 1003


class InvalidMessage(SocketError):
    """The message is not one that is known here."""

    status, code, message, close = 400, "invalid_message", "消息格式错误", 1008


class TooManyMessages(SocketError):
    """A client may send 20 messages in 10 s."""

    status, code, message, close = 429, "too_many_messages", "消息过于频繁，请稍后再试", 1008


class MessageTooLarge(SocketError):
    """A client's message may have 4096 bytes."""

    status, code, message, close = 413, "message_too_large", "消息过大", 1009


class ServerFull(SocketError):
    """This process has as many sockets as it may: try again later."""

    status, code, message, close = 503, "server_full", "连接数已满，请稍后再试", 1013


class TooSlow(SocketError):
    """The client did not read for 10 s while there was something to tell it."""

    status, code, message, close = 408, "slow_reader", "网络太慢，连接已断开", 1013


class AuthTimeout(SocketError):
    """The first message did not come within 5 s."""

    status, code, message, close = 408, "auth_timeout", "认证超时", 4408


class Silent(SocketError):
    """The client said nothing for two heartbeats."""

    status, code, message, close = 408, "heartbeat_missed", "连接超时", 4408


class Replaced(SocketError):
    """The person has opened more sockets than one person may have; the oldest yields."""

    status, code, message, close = 409, "too_many_sockets", "您已在其他设备上连接", 4409


_CLOSE_BY_STATUS = {Unauthorized.status: 4401, Unavailable.status: 1013}


def close_code(error: AppError) -> int:
    """With which code a socket is closed for `error`."""
    known = getattr(error, "close", None)
    return known or _CLOSE_BY_STATUS.get(error.status, SocketError.close)


class Gone(Exception):
    """The client has closed, or the connection is lost."""


class Auth(msgspec.Struct, tag_field="type", tag="auth", forbid_unknown_fields=True):
    token: str


class Resume(msgspec.Struct, tag_field="type", tag="resume", forbid_unknown_fields=True):
    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Ping(msgspec.Struct, tag_field="type", tag="ping"):
    pass


class Pong(msgspec.Struct, tag_field="type", tag="pong"):
    pass


Incoming = Auth | Resume | Ping | Pong

_decoder = msgspec.json.Decoder(Incoming)
_encoder = msgspec.json.Encoder()


class Outgoing(msgspec.Struct, frozen=True):
    """`id` is null for what is not kept."""

    id: int | None
    type: str
    data: Any
    at: datetime

    def text(self) -> str:
        return _encoder.encode(self).decode()


def decode(message: Message) -> Incoming:
    """What the client says. Raises NotText, MessageTooLarge, InvalidMessage."""
    text = message.get("text")
    if text is None:
        raise NotText
    # A character has one byte at least: the long ones need not be encoded.
    if len(text) > LARGEST_MESSAGE or len(text.encode(errors="replace")) > LARGEST_MESSAGE:
        raise MessageTooLarge
    try:
        said: Incoming = _decoder.decode(text)
    except (ValueError, RecursionError):  # what it says may repeat what was sent
        raise InvalidMessage from None
    return said


class Socket:
    """Speaks with one client. Only what is on its way is kept, and one message is sent at a time.

    Times are those of the monotonic clock, in seconds. Whoever wants it closed calls `end`; the
    task that reads then does it.
    """

    __slots__ = (
        "_count",
        "_on_idle",
        "_pump",
        "_queue",
        "_receive",
        "_send",
        "_window",
        "ending",
        "heard_at",
        "holder",
        "id",
        "live",
        "missed",
        "owner",
        "ping_at",
        "position",
        "reader",
        "seat_at",
        "sending_since",
    )

    def __init__(
        self, name: str, receive: Receive, send: Send, on_idle: Callable[["Socket"], None]
    ) -> None:
        self.id = name  # sorts by age
        self.owner = 0  # who it belongs to, once that is known
        self.holder: Any = None  # what proved it
        self.position = 0  # the id of the last event that was given to it
        self.live = False  # whether events may be sent yet
        self.missed = False  # whether there were news while it was busy
        self.ending: AppError | Gone | None = None
        # The task that reads, for as long as the socket is open: this one.
        self.reader: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self.heard_at = time.monotonic()
        self.ping_at, self.seat_at = float("inf"), self.heard_at
        self.sending_since = float("inf")
        self._receive, self._send, self._on_idle = receive, send, on_idle
        self._queue: deque[str] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._window, self._count = self.heard_at, 0

    @property
    def busy(self) -> bool:
        """Whether something is still on its way to the client."""
        return self._pump is not None

    async def accept(self) -> None:
        """Raises Gone."""
        if (await self._receive())["type"] != "websocket.connect":
            raise Gone
        await self._send({"type": "websocket.accept", "subprotocol": None, "headers": []})

    async def read(self) -> Incoming:
        """The next message. Raises Gone, TooManyMessages, and what `decode` raises."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        self.heard_at = time.monotonic()
        self._count_message()
        return decode(message)

    def _count_message(self) -> None:
        if self.heard_at - self._window >= WINDOW_SECONDS:
            self._window, self._count = self.heard_at, 0
        self._count += 1
        if self._count > MOST_MESSAGES:
            raise TooManyMessages

    def say(self, *texts: str) -> None:
        """Send these, after what was said before; returns at once."""
        if self.ending is not None:
            return
        self._queue.extend(texts)
        if self._pump is None:
            self._pump = asyncio.create_task(self._send_all())

    def rewind(self, position: int) -> None:
        """Go on after `position`; what has not been sent yet will be read again."""
        self._queue.clear()
        self.position = position

    async def _send_all(self) -> None:
        try:
            while self._queue:
                self.sending_since = time.monotonic()
                await self._send({"type": "websocket.send", "text": self._queue.popleft()})
        except Exception:  # servers differ in what they raise when the client has gone
            self.end(Gone())
        finally:
            self._pump, self.sending_since = None, float("inf")
        self._on_idle(self)

    def end(self, error: AppError | Gone) -> None:
        """Close, for this reason; the first one counts. Returns at once."""
        if self.ending is None:
            self.ending = error
            self.reader.cancel()

    async def close(self, error: AppError, at: datetime) -> None:
        """Say why and close, within 2 s; to be called by the reading task, as its last act.

        When that task ends the server drops the connection, so nothing has to succeed.
        """
        self.ending = error
        self._queue.clear()
        why = {"errorCode": error.code, "message": error.message, "error": error.detail}
        text = Outgoing(None, "error", why, at).text()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._pump is not None:
                    await self._pump
                await self._send({"type": "websocket.send", "text": text})
                end = {"type": "websocket.close", "code": close_code(error), "reason": error.code}
                await self._send(end)
        except (Exception, asyncio.CancelledError):  # the client has gone, or does not read
            return
