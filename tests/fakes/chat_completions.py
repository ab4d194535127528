"""A provider of language models on loopback: OpenAI's chat completions, well-behaved and not.

A reply is a list of steps, taken one after the other, so that a test says byte by byte what comes
over the wire and when. Requests are recorded, also those that are answered badly.
"""

import json
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

from tests.fakes.loopback import Loopback

CUT: Literal["cut"] = "cut"  # close the connection without an end
RESET: Literal["reset"] = "reset"  # the same, as if the machine had died
HANG: Literal["hang"] = "hang"  # send nothing more until the client goes away
Step = bytes | float | Literal["cut", "reset", "hang"]  # a number: seconds to wait

PATH = "/v1/chat/completions"
USAGE = (21, 9)
LONGEST_HANG = 30.0


@dataclass
class Reply:
    """What one request is answered with."""

    steps: Sequence[Step] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    before: float = 0.0  # seconds until the status line


def event(**chunk: Any) -> bytes:
    """One chunk, with the blank line after it."""
    text = json.dumps({"id": "c-1", "object": "chat.completion.chunk", **chunk}, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish_reason}])


def piece(text: str) -> bytes:
    return delta(content=text)


def thought(text: str) -> bytes:
    return delta(content=None, reasoning_content=text)


def counted(usage: tuple[int, int]) -> bytes:
    prompt, answer = usage
    total = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    return event(choices=[], usage=total)


START = delta(role="assistant", content="")
STOP = delta("stop")
DONE = b"data: [DONE]\n\n"


def says(
    *pieces: str,
    after: float = 0.0,
    between: float = 0.0,
    usage: tuple[int, int] | None = USAGE,
    finish: str = "stop",
) -> Reply:
    """A stream as it should be. Seconds `after` which the first piece comes, and `between` them."""
    steps: list[Step] = [START, after]
    for text in pieces:
        steps += [piece(text), between]
    steps.append(delta(finish))
    return Reply([*steps, *([counted(usage)] if usage else []), DONE])


def breaks_off(*pieces: str, how: Literal["cut", "reset"] = CUT) -> Reply:
    return Reply([START, *map(piece, pieces), 0.02, how])


def hangs(*pieces: str) -> Reply:
    return Reply([START, *map(piece, pieces), HANG])


def refuses(
    status: int, code: str = "server_error", headers: dict[str, str] | None = None, **fields: Any
) -> Reply:
    """A refusal whose message repeats the key, as some do."""
    error = {"message": "Incorrect API key provided: {key}", "code": code, **fields}
    body = json.dumps({"error": error}).encode()
    return Reply([body], status, {"Content-Type": "application/json", **(headers or {})})


def error_in_stream(*pieces: str) -> Reply:
    error = {"message": "Incorrect API key provided: {key}", "code": "server_error"}
    return Reply([START, *map(piece, pieces), event(error=error), HANG])


def whole(text: str, usage: tuple[int, int] | None = USAGE) -> Reply:
    """An answer of a server that does not stream."""
    said: dict[str, Any] = {
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    }
    if usage:
        said["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return Reply([json.dumps(said).encode()], headers={"Content-Type": "application/json"})


def page() -> Reply:
    html = "<!doctype html><title>欢迎使用</title>".encode()
    return Reply([html], headers={"Content-Type": "text/html; charset=utf-8"})


def garbage() -> Reply:
    return Reply([b"\x00\xff\xfe" * 50, b"\n\ndata: {\n\n"])


@dataclass
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class ClientGone(Exception):
    """Nobody listens any more."""


class FakeChat(Loopback):
    """Answers with `replies`, one a request, then with `otherwise`.

    `key`: any other is refused. `sent`: when each step's bytes were sent (monotonic seconds).
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self.replies: list[Reply] = []
        self.hang_up = 0  # so many requests get no answer at all
        self.otherwise = says("深呼吸，", "喝一杯水。")
        self.asked: list[Asked] = []
        self.sent: list[tuple[bytes, float]] = []
        self.connections = 0
        self.open_now = self.most_at_once = 0
        self.gone: list[float] = []  # when a client went away in the middle
        self._turn = threading.Lock()
        super().__init__(type("Handler", (_Handler,), {"fake": self}))

    @property
    def url(self) -> str:
        """The base URL to configure."""
        return f"{self.origin}/v1"

    def reply_to(self, asked: Asked) -> Reply:
        with self._turn:
            self.asked.append(asked)
            if self.hang_up:
                self.hang_up -= 1
                raise ConnectionAbortedError
            if asked.path != PATH:
                return refuses(404, "not_found")
            if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
                return refuses(401, "invalid_api_key")
            if not asked.body["model"] or not asked.body["messages"]:
                return refuses(400, "invalid_request_error")
            return self.replies.pop(0) if self.replies else self.otherwise

    def begins(self) -> None:
        with self._turn:
            self.open_now += 1
            self.most_at_once = max(self.most_at_once, self.open_now)

    def ends(self, *, gone: bool) -> None:
        with self._turn:
            self.open_now -= 1
            if gone:
                self.gone.append(time.monotonic())


class _Handler(BaseHTTPRequestHandler):
    fake: FakeChat
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.fake.connections += 1

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.fake.begins()
        gone = False
        try:
            self._answer(self.fake.reply_to(Asked(self.path, headers, json.loads(raw))))
        except (ClientGone, ConnectionError):
            gone = self.close_connection = True
        finally:
            self.fake.ends(gone=gone)

    def _answer(self, reply: Reply) -> None:
        self._wait(reply.before)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for step in reply.steps:
            if isinstance(step, bytes):
                self._send(step.replace(b"{key}", self.fake.key.encode()))
            elif isinstance(step, str):
                return self._stop(step)
            else:
                self._wait(step)
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _send(self, data: bytes) -> None:
        if not data:
            return
        self.fake.sent.append((data, time.monotonic()))
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _stop(self, how: str) -> None:
        self.close_connection = True
        if how == HANG:
            self._wait(LONGEST_HANG)
        if how == RESET:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())  # without the farewell that the server would send

    def _wait(self, seconds: float) -> None:
        if seconds <= 0:
            return
        readable = select.poll()  # select() knows no more than 1024 files
        readable.register(self.connection, select.POLLIN)
        if readable.poll(seconds * 1000) and not self.connection.recv(1, socket.MSG_PEEK):
            raise ClientGone

    def log_message(self, *_: object) -> None:
        """Quiet."""
