"""One provider of language models that speaks OpenAI's protocol.

https://platform.openai.com/docs/api-reference/chat/create
"""

import asyncio
import logging
import random
import re
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Container, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Literal, cast

import httpx
import msgspec
from structlog import get_logger

from zxo.clients.chat_answers import AnswerReader, Chunk, Message, ProviderFailed, error_fields

log = get_logger(__name__)
# The library logs every URL, and a gateway's may be nobody's business.
logging.getLogger("httpx").setLevel(logging.WARNING)

CONNECT_SECONDS = 3.0
PAUSES = (0.25, 0.75)  # seconds before each further try, more or less
LONGEST_WAIT = 2.0  # a provider that wants us to wait longer is given up
KEPT_SECONDS = 30.0  # an idle connection
TEMPERATURE = 0.7
ERROR_BYTES, ERROR_SECONDS = 4096, 1.0  # of a refusal, to read why
DRAIN_SECONDS = 0.05

PASSING = {429, 500, 502, 503, 504, 529}
# Of the request, and so of what somebody wrote: they say nothing about the provider.
OF_THE_REQUEST = {400, 413, 422}

LimitName = Literal["max_tokens", "max_completion_tokens"]
# What a model may not know, and what it knows instead.
OPTIONAL: dict[str, str | None] = {
    "temperature": None,
    "stream_options": None,
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}

_SECONDS = re.compile(r"[0-9]{1,5}(\.[0-9]{1,6})?")


class ChatProvider:
    """`key` may be empty; it has to fit into a header. Proxies of the environment are not asked."""

    def __init__(
        self,
        name: str,
        base_url: str,
        key: str,
        model: str,
        *,
        limit_name: LimitName = "max_tokens",
        connect: float = CONNECT_SECONDS,
    ) -> None:
        self.name, self.model = name, model
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._limit_name: str = limit_name
        self._unknown: set[str] = set()  # of OPTIONAL: refused by this model
        # What comes is bounded by its size as sent: nothing may unfold here.
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx.AsyncClient(
            headers=headers,
            # Whoever waits for the answer sets the time for all but the connection.
            timeout=httpx.Timeout(None, connect=connect),
            # How many ask at once is bounded by whoever asks: nobody waits for a connection.
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEPT_SECONDS
            ),
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    @asynccontextmanager
    async def ask(
        self, messages: Sequence[Message], max_tokens: int
    ) -> AsyncIterator[AsyncGenerator[Chunk, None]]:
        """The pieces of one answer, as they come; to leave hangs up. Raises ProviderFailed.

        Tried again where that may help, before anything was answered. Knows no time-out but that of
        the connection.
        """
        response = await self._open(messages, max_tokens)
        try:
            async with aclosing(_chunks(response)) as chunks:
                yield chunks
        finally:
            await response.aclose()

    async def _open(self, messages: Sequence[Message], max_tokens: int) -> httpx.Response:
        for pause in PAUSES:
            try:
                return await self._post(messages, max_tokens)
            except ProviderFailed as failed:
                if failed.again is None:
                    raise
                spread = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                await sleep(max(failed.again, pause * spread))
        return await self._post(messages, max_tokens)

    async def _post(self, messages: Sequence[Message], max_tokens: int) -> httpx.Response:
        """One answer with status 200, not yet read. Raises ProviderFailed."""
        body = self._body(messages, max_tokens)
        response = await self._send(msgspec.json.encode(body))
        try:
            if response.status_code != 200:
                await self._refuse(response, sent=body)
            _look_at(response.headers)
        # CancelledError among them: nobody else has hold of the response yet.
        except BaseException:
            await response.aclose()
            raise
        return response

    async def _send(self, body: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        request = self._http.build_request("POST", self._url, content=body, headers=headers)
        try:
            return await self._http.send(request, stream=True)
        # Not the errors' text, nor the errors: they hold the request, and so the key.
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            # Also a connection kept from before, which the other side has given up meanwhile.
            raise ProviderFailed("unreachable", type(error).__name__, again=0.0) from None
        except httpx.HTTPError as error:
            # ConnectTimeout among them: who does not answer the door will not do so now.
            raise ProviderFailed("unreachable", type(error).__name__) from None

    def _body(self, messages: Sequence[Message], max_tokens: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": TEMPERATURE,
            self._limit_name: max_tokens,
        }
        return {name: value for name, value in body.items() if name not in self._unknown}

    async def _refuse(self, response: httpx.Response, sent: Container[str]) -> None:
        """Raises what a status other than 200 means."""
        status = response.status_code
        said = error_fields(await _beginning(response))
        detail = " ".join(filter(None, (str(status), said.get("code"))))
        if status == 400 and self._does_without(said.get("param", ""), sent):
            raise ProviderFailed("refused", detail, counts=False, again=0.0)
        if status in PASSING:
            raise ProviderFailed("busy", detail, again=_wait(response.headers))
        raise ProviderFailed("refused", detail, counts=status not in OF_THE_REQUEST)

    def _does_without(self, param: str, sent: Container[str]) -> bool:
        """Whether another try leaves out what this model does not know, as all later calls do."""
        if param not in OPTIONAL or param not in sent:
            return False
        instead = OPTIONAL[param]
        if instead in self._unknown:
            return False
        if param not in self._unknown:  # else another call has found that out meanwhile
            log.warning("model_does_without", provider=self.name, model=self.model, field=param)
            self._unknown.add(param)
            self._limit_name = instead or self._limit_name
        return True


def _look_at(headers: httpx.Headers) -> None:
    """Raises ProviderFailed for a page, and for what is packed although we asked for it plain."""
    if headers.get("Content-Type", "").startswith("text/html"):
        raise ProviderFailed("unreadable", "a page")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise ProviderFailed("unreadable", "packed")


async def _chunks(response: httpx.Response) -> AsyncGenerator[Chunk, None]:
    reader = AnswerReader()
    try:
        async with aclosing(_raw(response)) as parts:
            async for part in parts:
                for chunk in reader.feed(part):
                    yield chunk
                if reader.done:
                    await _drain(parts)
                    return
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise ProviderFailed("cut", type(error).__name__) from None
    for chunk in reader.end():
        yield chunk


async def _drain(parts: AsyncGenerator[bytes, None]) -> None:
    """Read what ends the answer, so that its connection can serve the next one."""
    with suppress(httpx.HTTPError, httpx.StreamError, TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in parts:
                pass


async def _beginning(response: httpx.Response) -> bytes:
    """As much of a refusal as is worth reading; what there is of it where it breaks off."""
    body = bytearray()
    with suppress(httpx.HTTPError, httpx.StreamError, TimeoutError):
        async with asyncio.timeout(ERROR_SECONDS), aclosing(_raw(response)) as parts:
            async for part in parts:
                body += part
                if len(body) > ERROR_BYTES:
                    break
    return bytes(body)


def _raw(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """As they come, and to be closed: the library's type does not say that it can be."""
    return cast("AsyncGenerator[bytes, None]", response.aiter_raw())


def _wait(headers: httpx.Headers) -> float | None:
    """Seconds until another try; None where that is too far away, or a date."""
    said = headers.get("Retry-After", "0")
    seconds = float(said) if _SECONDS.fullmatch(said) else LONGEST_WAIT + 1
    return seconds if seconds <= LONGEST_WAIT else None
