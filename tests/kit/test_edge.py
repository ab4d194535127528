"""What no route should see is refused at the edge, and every answer carries its request's id."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from tests.factories import FrozenClock, Visitor, data, refusal
from tests.kit.captured import captured, lines
from zxo.kit.edge import Edge
from zxo.kit.headers import SecurityHeaders
from zxo.settings import Settings

JSON = {"Content-Type": "application/json"}
SETTINGS, CHECK_IN = "/users/me/settings", "/check-in"
HEADERS = SecurityHeaders(behind_tls=False)
MADE_ID = re.compile("[0-9a-f]{32}")


async def put(person: Visitor, body: bytes | AsyncIterator[bytes]) -> httpx.Response:
    """The settings' answer to exactly these bytes."""
    return await person.request("PUT", SETTINGS, content=body, headers=JSON)


@pytest.mark.parametrize("given", ["a", "2025-12-01_req.7", "A" * 64])
async def test_a_request_id_is_kept(visitor: Visitor, given: str) -> None:
    answer = await visitor.request("GET", "/regions", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "A" * 65, "a b", "a\tb", "a,b", "é", "a\x00", "<script>"])
async def test_a_malformed_request_id_is_replaced(visitor: Visitor, given: str) -> None:
    headers = {"X-Request-Id": given.encode("latin-1")}
    answer = await visitor.request("GET", "/regions", headers=headers)
    assert MADE_ID.fullmatch(answer.headers["x-request-id"])


async def test_every_request_without_an_id_gets_one_of_its_own(visitor: Visitor) -> None:
    ids = [(await visitor.get("/regions")).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(MADE_ID.fullmatch(made) for made in ids)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/openapi.json", "/docs", "/no"])
async def test_answers_outside_the_api_carry_an_id_too(visitor: Visitor, path: str) -> None:
    answer = await visitor.client.get(path, headers={"X-Request-Id": "mine"})
    assert answer.headers.get_list("x-request-id") == ["mine"]


@pytest.mark.parametrize("path", ["/nothing", "/users/me/", "/USERS/me", "/cravings/1/2", ""])
async def test_an_unknown_path_is_404(alice: Visitor, path: str) -> None:
    assert refusal(await alice.get(path), 404) == "not_found"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/users/me", "GET, PUT"),
        (SETTINGS, "GET, PUT"),
        ("/cravings", "GET, POST"),
        ("/cravings/7", "DELETE"),
        (CHECK_IN, "POST"),
    ],
)
async def test_a_wrong_method_is_405_and_allow_names_every_right_one(
    alice: Visitor, path: str, methods: str
) -> None:
    answer = await alice.request("PATCH", path)
    assert refusal(answer, 405) == "method_not_allowed"
    assert answer.headers.get_list("allow") == [methods]


async def test_a_body_that_says_it_is_too_large_is_413(alice: Visitor, settings: Settings) -> None:
    answer = await put(alice, b"{" + b" " * settings.max_body)
    assert refusal(answer, 413) == "payload_too_large"


async def test_a_chunked_body_is_413_as_soon_as_it_is_too_large(
    alice: Visitor, settings: Settings
) -> None:
    read = 0

    async def much() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 2**20:
            read += 1024
            yield b" " * 1024

    answer = await put(alice, much())
    assert refusal(answer, 413) == "payload_too_large"
    assert read < settings.max_body + 8192


async def test_the_largest_body_that_is_allowed_is_read(alice: Visitor, settings: Settings) -> None:
    body = b'{"dailyAmount":7'.ljust(settings.max_body - 1) + b"}"
    assert data(await put(alice, body))["dailyAmount"] == 7
    split = (body[place : place + 4096] for place in range(0, len(body), 4096))

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in split:
            yield chunk

    assert data(await put(alice, chunks()))["dailyAmount"] == 7


@pytest.mark.parametrize("length", [b"abc", b"-1", b"1_000", b"0x10", b" 5", b"", "٣".encode()])
async def test_a_length_that_is_no_number_is_400(alice: Visitor, length: bytes) -> None:
    headers = {**JSON, "Content-Length": length}
    answer = await alice.request("PUT", SETTINGS, content=b"{}", headers=headers)
    assert refusal(answer, 400) == "bad_request"


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/xml", "application/jsonp", "application/problem+json", "json", ""),
    ],
)
async def test_a_body_of_another_kind_is_415(alice: Visitor, kind: str) -> None:
    for method, path in (("PUT", SETTINGS), ("POST", CHECK_IN), ("DELETE", "/cravings/1")):
        headers = {"Content-Type": kind}
        answer = await alice.request(method, path, content=b"{}", headers=headers)
        assert refusal(answer, 415) == "unsupported_media_type"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON", "application/json; charset=utf-8"]
)
async def test_json_may_be_announced_in_more_than_one_way(alice: Visitor, kind: str) -> None:
    headers = {"Content-Type": kind}
    body = b'{"dailyAmount":7}'
    answer = await alice.request("PUT", SETTINGS, content=body, headers=headers)
    assert data(answer)["dailyAmount"] == 7


async def test_where_the_body_may_be_left_out_none_and_null_are_as_good(alice: Visitor) -> None:
    assert data(await alice.request("POST", "/cravings"))["intensity"] is None
    answer = await alice.request("POST", "/cravings", content=b"null", headers=JSON)
    assert data(answer)["intensity"] is None


NESTED = {f"nested {depth}": b"[" * depth + b"]" * depth for depth in (33, 450, 900, 30_000)}
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "blank": b" ",
    "null": b"null",
    "list": b"[]",
    "text": b'"dailyAmount"',
    "number": b"7",
    "cut off": b'{"dailyAmount":',
    "single quotes": b"{'dailyAmount': 7}",
    "comma": b'{"dailyAmount": 7,}',
    "two documents": b"{}{}",
    "NUL byte": b'{"timezone":"\x00"}',
    "NUL": b'{"timezone":"Asia/\\u0000Shanghai"}',
    "NUL in a name": b'{"\\u0000":1}',
    "lone surrogate": b'{"timezone":"\\ud800"}',
    "surrogate in UTF-8": b'{"timezone":"\xed\xa0\x80"}',
    "not UTF-8": b'{"timezone":"\xff"}',
    "GBK": '{"smokingYears":"1年以下"}'.encode("gbk"),
    "NaN": b'{"dailyAmount":NaN}',
    "NaN price": b'{"pricePerPack":NaN}',
    "Infinity": b'{"pricePerPack":Infinity}',
    "1e999": b'{"pricePerPack":1e999}',
    "1e-400": b'{"pricePerPack":1e-400}',
    "huge number": b'{"dailyAmount":%s}' % (b"9" * 4000),
    "huger number": b'{"dailyAmount":%s}' % (b"9" * 5000),
    "huge price": b'{"pricePerPack":%s}' % (b"9" * 4000),
    "true as a number": b'{"dailyAmount":true}',
    "text as a number": b'{"dailyAmount":"7"}',
    "unknown field": b'{"daily":7}',
    "name of the inside": b'{"daily_amount":7}',
    "nested objects": b'{"a":' * 450 + b"1" + b"}" * 450,
    "nested in a field": b'{"timezone":' + b"[" * 450 + b"]" * 450 + b"}",
    **NESTED,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_body_is_400(alice: Visitor, body: bytes) -> None:
    before = data(await alice.get(SETTINGS))
    with captured():  # should it be a 500, its traceback is endless
        answer = await put(alice, body)
    assert refusal(answer, 400) in {"invalid_request", "bad_request"}
    assert data(await alice.get(SETTINGS)) == before


async def test_the_last_of_two_equal_names_counts(alice: Visitor) -> None:
    answer = await put(alice, b'{"dailyAmount":5,"dailyAmount":6}')
    assert data(answer)["dailyAmount"] == 6


async def test_a_byte_order_mark_is_skipped(alice: Visitor) -> None:
    answer = await put(alice, b'\xef\xbb\xbf{"dailyAmount":5}')
    assert data(answer)["dailyAmount"] == 5


@pytest.mark.parametrize(
    "address",
    [
        *("/v1/users%00me", "/v1/cravings/%ff", "/v1/cravings/%ed%a0%80", "/v1/%c0%af", "/%00"),
        *("/v1/regions?parent=%00", "/v1/regions?parent=%ff", "/v1/regions?%ed%a0%80=1"),
    ],
)
async def test_an_address_that_is_no_text_is_400(alice: Visitor, address: str) -> None:
    assert refusal(await alice.client.get(address), 400) == "bad_request"


@pytest.mark.parametrize("craving_id", ["0", "-1", "x", "1.5", "1e3", "９", str(2**63), "9" * 5000])
async def test_an_id_that_cannot_be_one_is_400(alice: Visitor, craving_id: str) -> None:
    assert refusal(await alice.delete(f"/cravings/{craving_id}"), 400) == "invalid_request"


async def test_slow_and_failed_requests_are_logged_and_the_rest_only_for_debugging(
    alice: Visitor,
) -> None:
    with captured("INFO") as stream:
        await alice.get("/users/me")
        missing = await alice.get("/nothing")
    (line,) = lines(stream)
    assert line["request_id"] == missing.headers["x-request-id"]
    assert (line["event"], line["status"], line["route"]) == ("request", 404, "unmatched")


def scope_of(method: str = "POST", **changes: Any) -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        **changes,
    }


async def run(edge: Edge, scope: Scope, *messages: Message) -> list[Message]:
    """What the edge sends when it receives these messages."""
    sent: list[Message] = []
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    async def send(message: Message) -> None:
        sent.append(message)

    await edge(scope, receive, send)
    return sent


async def test_a_client_that_hangs_up_gets_no_answer(clock: FrozenClock) -> None:
    async def never(_: Scope, __: Receive, ___: Send) -> None:
        raise AssertionError("was asked")

    begun = {"type": "http.request", "body": b"{", "more_body": True}
    sent = await run(
        Edge(never, clock, 100, HEADERS), scope_of(), begun, {"type": "http.disconnect"}
    )
    assert sent == []


async def test_an_answer_that_breaks_off_is_not_answered_twice(clock: FrozenClock) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("on purpose")

    app = FastAPI()

    @app.get("/")
    async def broken() -> StreamingResponse:
        return StreamingResponse(parts())

    edge = Edge(app, clock, 100, HEADERS)
    with captured(), pytest.raises(RuntimeError, match="on purpose"):
        await run(edge, scope_of("GET"), {"type": "http.request"}, {"type": "http.disconnect"})


async def test_what_is_no_http_passes_through(clock: FrozenClock) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope)

    await run(Edge(app, clock, 100, HEADERS), {"type": "lifespan"})
    assert seen == [{"type": "lifespan"}]
