"""Server-sent events, read from bytes that were cut anywhere.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

import re
from typing import NamedTuple

LONGEST = 262_144  # bytes of a line, and of one event's data

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TooLong(Exception):
    """A line or an event beyond the bound."""


class Event(NamedTuple):
    """`name` is "message" where the stream gives none."""

    name: str
    data: str


class EventReader:
    """Takes the bytes of one stream in order. Holds at most about twice `longest` bytes."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = bytearray()  # the line that has not ended
        self._after_cr = False  # a line feed that comes next belongs to that line's end
        self._begun = False
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end in `chunk`. Raises TooLong."""
        if not chunk:
            return []
        text = chunk.removeprefix(b"\n") if self._after_cr else chunk
        self._after_cr = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(text)
        events = [event for part in ended if (event := self._line_ends(part))]
        self._grow(rest)
        return events

    def end(self) -> list[Event]:
        """The event that the stream ended in, without the blank line. Raises TooLong."""
        events = (self._line_ends(b""), self._line_ends(b""))
        return [event for event in events if event]

    def _grow(self, part: bytes) -> None:
        self._rest += part
        if len(self._rest) > self._longest:
            raise TooLong

    def _line_ends(self, part: bytes) -> Event | None:
        self._grow(part)
        line = bytes(self._rest)
        self._rest.clear()
        if not self._begun:
            line, self._begun = line.removeprefix(_BYTE_ORDER_MARK), True
        if not line:
            return self._dispatched()
        field, _, value = line.partition(b":")
        self._take(field, value.removeprefix(b" "))
        return None

    def _take(self, field: bytes, value: bytes) -> None:
        """Comments (an empty field), `id`, `retry` and what nobody knows are passed over."""
        if field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"data":
            self._size += len(value) + 1
            if self._size > self._longest:
                raise TooLong
            self._data.append(value.decode(errors="replace"))

    def _dispatched(self) -> Event | None:
        event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "", [], 0
        return event
