"""The client of push services: what it sends, what it makes of answers, and whom it never asks."""

import socket
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import jwt
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.fakes.push_service import Browser, FakePushService
from zxo.clients import web_push as web_push_client
from zxo.clients.outcomes import Outcome
from zxo.clients.web_push import Subscription, WebPush
from zxo.clients.web_push_crypto import make_key

KEY, SUBJECT = make_key(), "mailto:ops@zxo.test"
TTL = timedelta(hours=6)


@pytest.fixture
def service() -> Iterator[FakePushService]:
    with FakePushService() as fake:
        yield fake


@pytest_asyncio.fixture
async def client(
    service: FakePushService, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WebPush]:
    monkeypatch.setattr(web_push_client, "PAUSES", (0.0, 0.01, 0.01))
    made = WebPush(KEY, SUBJECT, [service.url], timeout=0.5)
    yield made
    await made.close()


def address(browser: Browser) -> Subscription:
    return Subscription(browser.endpoint, browser.public, browser.auth)


async def send(client: WebPush, browser: Browser) -> Outcome:
    return await client.send(address(browser), '{"title": "嗨"}'.encode(), ttl=TTL)


async def test_a_message_reaches_its_browser_and_proves_whose_it_is(
    client: WebPush, service: FakePushService
) -> None:
    browser, other = service.browser(), service.browser()
    browser.server_key = client.public_key

    assert await send(client, browser) is Outcome.SENT

    [pushed] = service.pushed
    assert (pushed.browser, pushed.said) == (browser, {"title": "嗨"})
    assert pushed.headers["ttl"] == "21600"
    assert pushed.headers["urgency"] == "normal"
    assert "topic" not in pushed.headers
    assert other.endpoint not in service.tries


async def test_the_proof_is_for_one_service_for_half_a_day_and_used_again(
    client: WebPush, service: FakePushService
) -> None:
    browser = service.browser()
    for _ in range(2):
        await send(client, browser)

    first, second = (pushed.headers["authorization"] for pushed in service.pushed)
    assert first == second
    claims = jwt.decode(first[8:].split(",")[0], options={"verify_signature": False})
    assert claims["aud"] == service.url
    assert claims["sub"] == SUBJECT
    assert 0 < claims["exp"] - time.time() <= 12 * 3600


async def test_a_topic_is_told_to_the_service(client: WebPush, service: FakePushService) -> None:
    await client.send(address(service.browser()), b"{}", ttl=TTL, topic="reminder")
    assert service.pushed[0].headers["topic"] == "reminder"


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_what_a_service_takes_is_sent(
    client: WebPush, service: FakePushService, status: int
) -> None:
    service.failures = [status]
    assert await send(client, service.browser()) is Outcome.SENT


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_told_apart(
    client: WebPush, service: FakePushService, status: int
) -> None:
    browser = service.browser()
    browser.status = status
    assert await send(client, browser) is Outcome.GONE
    assert len(service.tries) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 413, 418])
async def test_a_refusal_is_logged_and_not_tried_again(
    client: WebPush, service: FakePushService, status: int
) -> None:
    service.failures = [status]
    with capture_logs() as logs:
        assert await send(client, service.browser()) is Outcome.NOT_SENT
    assert [(line["event"], line["status"]) for line in logs] == [("web_push_refused", status)]
    assert len(service.tries) == 1


async def test_a_browser_that_subscribed_to_another_key_is_a_refusal(
    client: WebPush, service: FakePushService
) -> None:
    browser = service.browser()
    browser.server_key = "another"
    assert await send(client, browser) is Outcome.NOT_SENT
    assert service.pushed == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_service_is_asked_again_and_given_up_after_three_tries(
    client: WebPush, service: FakePushService, status: int
) -> None:
    browser = service.browser()
    service.failures = [status, status]
    assert await send(client, browser) is Outcome.SENT

    service.failures = [status] * 9
    with capture_logs() as logs:
        assert await send(client, browser) is Outcome.NOT_SENT
    assert [line["event"] for line in logs] == ["web_push_given_up"]
    assert len(service.tries) == 3 + 3


async def test_a_service_is_left_alone_for_as_long_as_it_says(
    client: WebPush, service: FakePushService
) -> None:
    service.failures, service.headers = [429], {"Retry-After": "1"}
    began = time.monotonic()
    assert await send(client, service.browser()) is Outcome.SENT
    assert 1.0 <= time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    "wait", ["6", "86400", "9" * 30, "Wed, 25 Nov 2026 02:00:00 GMT", "-1", "x"]
)
async def test_nobody_waits_for_long(client: WebPush, service: FakePushService, wait: str) -> None:
    service.failures, service.headers = [429] * 9, {"Retry-After": wait}
    began = time.monotonic()
    assert await send(client, service.browser()) is Outcome.NOT_SENT
    assert time.monotonic() - began < 0.5
    assert len(service.tries) == 1


async def test_a_message_whose_answer_is_lost_is_not_sent_a_second_time(
    client: WebPush, service: FakePushService
) -> None:
    service.cut = True
    assert await send(client, service.browser()) is Outcome.UNCERTAIN
    assert len(service.tries) == 1


async def test_a_service_that_hangs_is_given_up(client: WebPush, service: FakePushService) -> None:
    service.delay = 0.8
    assert await send(client, service.browser()) is Outcome.UNCERTAIN


async def test_a_service_that_takes_no_connection_was_certainly_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web_push_client, "PAUSES", (0.0, 0.01, 0.01))
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = WebPush(KEY, SUBJECT, [url])
        assert await send(client, Browser(f"{url}/x")) is Outcome.NOT_SENT
        await client.close()


async def test_a_redirect_is_not_followed(client: WebPush, service: FakePushService) -> None:
    inside = service.browser()
    service.failures, service.headers = [307], {"Location": inside.endpoint}
    assert await send(client, service.browser()) is Outcome.NOT_SENT
    assert len(service.tries) == 1


async def test_no_proxy_of_the_environment_is_asked(
    service: FakePushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = WebPush(KEY, SUBJECT, [service.url])
    assert await send(client, service.browser()) is Outcome.SENT
    await client.close()


async def test_a_stored_address_that_is_no_longer_allowed_is_not_asked(
    service: FakePushService,
) -> None:
    client = WebPush(KEY, SUBJECT, ["fcm.googleapis.com"])
    assert await send(client, service.browser()) is Outcome.NOT_SENT
    assert service.tries == []
    await client.close()


async def test_the_address_and_the_text_are_never_logged(
    client: WebPush, service: FakePushService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    browser = service.browser()
    with capture_logs() as logs:
        for status in (201, 403, 410, 429, 429, 429, 307):
            service.failures.append(status)
            await send(client, browser)
        service.cut = True
        await send(client, browser)

    said = f"{logs} {caplog.text}"
    assert "web_push_uncertain" in said
    for private in ("secret-", KEY, "嗨", "vapid"):
        assert private not in said
