"""What providers of language models say, in the form that OpenAI began with: streamed, or whole.

https://platform.openai.com/docs/api-reference/chat-streaming
Others differ in small things, which are all allowed here: no blank after `data:`, comments to keep
the connection, chunks without choices, thoughts beside the text, an error in place of a chunk, no
[DONE], or the whole answer at once although a stream was asked for.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from zxo.kit.sse import LONGEST, Event, EventReader, TooLong

LONGEST_TEXT = 65_536  # bytes in UTF-8
MOST_BYTES = 8_388_608  # of a stream: a long text in short pieces, with thoughts

# No digits: a provider's message may repeat the key, its codes are words.
_CODE = re.compile(r"[A-Za-z_.-]{1,60}")

# How a call can end; a label of metrics.
Reason = Literal[
    "answered",
    "left",  # by us, or by the person
    "cut",  # the answer broke off after it had begun
    "empty",  # it ended without text
    "slow",  # no text in time
    "unreachable",
    "busy",  # 429, and what says of itself that it passes
    "refused",  # any other status
    "error",  # said in the stream
    "unreadable",
    "rested",  # not asked: the breaker is open, or no time was left
]


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the provider counts them."""

    prompt_tokens: int
    completion_tokens: int


class ProviderFailed(Exception):
    """A provider gave no answer, or did not end it.

    `counts`: it is the provider's fault, not that of what was asked. `again`: after so many seconds
    another try may help; None: none will.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, counts: bool = True, again: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail
        self.counts, self.again = counts, again


class Chunk(NamedTuple):
    """A piece of an answer. `thinking`: the model is at work, but wrote nothing to be read."""

    text: str = ""
    thinking: bool = False
    finish_reason: str | None = None
    usage: Usage | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # so called by Ollama and some gateways


class _Choice(msgspec.Struct):
    delta: _Delta | None = None  # of a stream
    message: _Delta | None = None  # of a whole answer
    finish_reason: str | None = None


class _Said(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    object: str | None = None


class AnswerReader:
    """Takes the bytes of one answer in order. Raises ProviderFailed."""

    def __init__(self) -> None:
        self._events = EventReader()
        self._whole: bytearray | None = None  # an answer that is no stream
        self._begun = self._finished = False
        self._bytes = self._text = self._chunks = 0
        self.done = False  # nothing that comes is of interest any more

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """What `data` completes, up to where something is wrong with it."""
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            raise ProviderFailed("unreadable", "too long")
        if not self._begun:
            data = data.lstrip()
            self._begun = bool(data)
            self._whole = bytearray() if data.startswith(b"{") else None
        if self._whole is None:
            yield from self._read(self._from_stream(data))
            return
        self._whole += data
        if len(self._whole) > LONGEST:
            raise ProviderFailed("unreadable", "too long")

    def end(self) -> Iterator[Chunk]:
        """What was left when the connection ended."""
        if self._whole is not None:
            yield self._measured(_chunk(self._whole.decode(errors="replace")))
            return
        yield from self._read(self._from_stream(None))
        if not (self.done or self._finished):
            raise ProviderFailed("cut" if self._chunks else "unreadable", "ended without an end")

    def _from_stream(self, data: bytes | None) -> list[Event]:
        try:
            return self._events.end() if data is None else self._events.feed(data)
        except TooLong:
            raise ProviderFailed("unreadable", "a line without end") from None

    def _read(self, events: list[Event]) -> Iterator[Chunk]:
        for name, data in events:
            if data.strip() == "[DONE]":
                self.done = True
                return
            if name == "error":
                raise _error(data)
            yield self._measured(_chunk(data))

    def _measured(self, chunk: Chunk) -> Chunk:
        self._finished = self._finished or chunk.finish_reason is not None
        self._chunks += 1
        self._text += len(chunk.text.encode())
        if self._text > LONGEST_TEXT:
            raise ProviderFailed("unreadable", "too much text")
        return chunk


def _chunk(data: str) -> Chunk:
    try:
        said = msgspec.json.decode(data, type=_Said)
    except (msgspec.DecodeError, UnicodeError):
        raise ProviderFailed("unreadable", "no JSON of this kind") from None
    if said.error or said.object == "error":
        raise _error(data)
    choice = said.choices[0] if said.choices else _Choice()
    delta = choice.delta or choice.message or _Delta()
    return Chunk(
        # PostgreSQL takes no NUL.
        text=(delta.content or "").replace("\0", ""),
        thinking=bool(delta.reasoning_content or delta.reasoning),
        finish_reason=choice.finish_reason or None,
        usage=_usage(said.usage),
    )


def _usage(said: Any) -> Usage | None:
    """None for what cannot be counted with: an answer is not lost for that."""
    try:
        usage = msgspec.convert(said, Usage)
    except msgspec.ValidationError:
        return None
    return usage if min(usage.prompt_tokens, usage.completion_tokens) >= 0 else None


def _error(data: str) -> ProviderFailed:
    return ProviderFailed("error", error_fields(data.encode()).get("code", ""))


def error_fields(body: bytes) -> dict[str, str]:
    """`code` and `param` of an error, where they are words; never its message."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError):
        return {}
    error = said.get("error", said) if isinstance(said, dict) else {}
    if not isinstance(error, dict):
        return {}
    given = {"code": error.get("code") or error.get("type"), "param": error.get("param")}
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, str) and _CODE.fullmatch(value)
    }
