"""What browsers are told by every answer, be it a refusal."""

import httpx
import pytest
from fastapi import FastAPI

from tests.factories import Visitor
from zxo import api
from zxo.kit.headers import SecurityHeaders
from zxo.settings import Settings

JSON = {"Content-Type": "application/json"}


async def answers(alice: Visitor) -> dict[str, httpx.Response]:
    """One of each kind: of a route, of the framework, of the edge."""
    return {
        "ok": await alice.get("/users/me"),
        "not signed in": await Visitor(alice.client).get("/users/me"),
        "unknown": await alice.get("/nothing"),
        "method": await alice.request("PATCH", "/users/me"),
        "form": await alice.put("/users/me", nickname=7),
        "too large": await alice.request("PUT", "/users/me", content=b" " * 70_000, headers=JSON),
        "not json": await alice.request("PUT", "/users/me", content=b"x"),
        "conflict": [await alice.post("/check-in") for _ in range(2)][1],
        "health": await alice.client.get("/health"),
        "openapi": await alice.client.get("/openapi.json"),
    }


async def test_every_answer_lets_a_browser_load_frame_and_keep_nothing(alice: Visitor) -> None:
    found = await answers(alice)
    assert {answer.status_code for answer in found.values()} == {
        200,
        400,
        401,
        404,
        405,
        409,
        413,
        415,
    }
    for name, answer in found.items():
        assert answer.headers["cache-control"] == "no-store", name
        assert answer.headers["content-security-policy"].startswith("default-src 'none'"), name
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "strict-transport-security" not in answer.headers


async def test_the_docs_may_run_what_they_bring_along(visitor: Visitor) -> None:
    page = await visitor.client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-inline'" in policy
    assert "http" not in policy
    script = await visitor.client.get("/docs/static/swagger-ui-bundle.js")
    assert script.headers["x-content-type-options"] == "nosniff"
    assert "javascript" in script.headers["content-type"]


def test_behind_tls_browsers_come_back_by_tls() -> None:
    for path in ("/v1/users/me", "/docs"):
        named = dict(SecurityHeaders(behind_tls=True).of(path))
        assert named[b"strict-transport-security"] == b"max-age=31536000; includeSubDomains"


MINE, OTHERS = "https://www.zxo.test", "https://elsewhere.test"


@pytest.fixture
def browser(app: FastAPI, settings: Settings, visitor: Visitor) -> httpx.AsyncClient:
    """A page of another origin, where the service lets those of MINE in."""
    allowing = settings.model_copy(update={"cors_origins": (MINE,)})
    transport = httpx.ASGITransport(api.wrap(app, allowing), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://zxo.test")


def preflight(origin: str, method: str = "PUT", headers: str = "authorization") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


async def test_a_page_of_an_origin_that_is_named_may_call_and_read(
    browser: httpx.AsyncClient,
) -> None:
    asked = preflight(MINE, headers="authorization, content-type, idempotency-key, x-request-id")
    answer = await browser.options("/v1/users/me", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == MINE
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-credentials" not in answer.headers
    refused = await browser.get("/v1/users/me", headers={"Origin": MINE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == MINE
    assert "X-Request-Id" in refused.headers["access-control-expose-headers"]
    assert "Retry-After" in refused.headers["access-control-expose-headers"]
    large = await browser.post(
        "/v1/cravings", content=b" " * 70_000, headers={"Origin": MINE, **JSON}
    )
    assert (large.status_code, large.headers["access-control-allow-origin"]) == (413, MINE)


@pytest.mark.parametrize("origin", [OTHERS, "null", f"{MINE}.evil.test", MINE.upper()])
async def test_a_page_of_any_other_origin_may_not(browser: httpx.AsyncClient, origin: str) -> None:
    assert (await browser.options("/v1/users/me", headers=preflight(origin))).status_code == 400
    answer = await browser.get("/health", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers


async def test_a_header_or_method_that_the_api_does_not_know_is_refused(
    browser: httpx.AsyncClient,
) -> None:
    for asked in (preflight(MINE, method="PATCH"), preflight(MINE, headers="x-forwarded-for")):
        assert (await browser.options("/v1/users/me", headers=asked)).status_code == 400


async def test_by_default_no_page_of_another_origin_may_call(visitor: Visitor) -> None:
    answer = await visitor.client.options("/v1/users/me", headers=preflight(MINE))
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers
