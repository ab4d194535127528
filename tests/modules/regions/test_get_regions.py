"""GET /v1/regions, without a token."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from zxo.kit import failures, openapi
from zxo.kit.clock import Clock
from zxo.modules.regions import routes

Get = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def http_get() -> Get:
    """GET against an application that has this module's route only, and no database."""
    app = FastAPI()
    app.state.clock = Clock()
    app.state.context = SimpleNamespace(clock=app.state.clock)
    app.include_router(routes.api)
    failures.install(app)
    openapi.install(app)

    async def fetch(path: str, params: dict[str, str] | None) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://zxo.test") as client:
            return await client.get(path, params=params)

    return lambda path, params=None: asyncio.run(fetch(path, params))


def get(http_get: Get, query: str = "") -> dict[str, Any]:
    response = http_get(f"/v1/regions{query}")
    assert response.status_code == 200
    data: dict[str, Any] = response.json()["data"]
    return data


@pytest.mark.parametrize("query", ["", "?parent="])
def test_without_a_parent_the_provinces_are_listed(http_get: Get, query: str) -> None:
    data = get(http_get, query)
    assert data["parent"] is None
    assert len(data["regions"]) == 34
    assert data["regions"][0] == {"code": "11", "name": "北京市", "hasChildren": True}


def test_the_source_is_named(http_get: Get) -> None:
    source = get(http_get)["source"]
    assert source["publisher"] == "国家统计局"
    assert (source["asOf"], source["published"]) == ("2023-06-30", "2023-09-11")


def test_codes_lead_down_to_the_district(http_get: Get) -> None:
    assert get(http_get, "?parent=11")["regions"] == [
        {"code": "1101", "name": "北京市", "hasChildren": True}
    ]
    districts = get(http_get, "?parent=1101")
    assert districts["parent"] == "1101"
    assert {"code": "110105", "name": "朝阳区", "hasChildren": False} in districts["regions"]
    assert get(http_get, "?parent=110105")["regions"] == []


def test_every_division_is_reached_by_walking_down(http_get: Get) -> None:
    counts: list[int] = []
    waiting = [""]
    while waiting:
        found = [r for code in waiting for r in get(http_get, f"?parent={code}")["regions"]]
        counts.append(len(found))
        waiting = [region["code"] for region in found if region["hasChildren"]]
    assert counts == [34, 392, 3412]


def test_a_city_without_districts_says_so(http_get: Get) -> None:
    hubei = {region["name"]: region for region in get(http_get, "?parent=42")["regions"]}
    assert hubei["仙桃市"] == {"code": "429004", "name": "仙桃市", "hasChildren": False}


@pytest.mark.parametrize("parent", ["99", "4290", "110199"])
def test_an_unknown_parent_is_not_found(http_get: Get, parent: str) -> None:
    response = http_get("/v1/regions", params={"parent": parent})
    assert response.status_code == 404
    assert response.json()["errorCode"] == "division_not_found"


@pytest.mark.parametrize("parent", ["北京市", "11 ", "1" * 10, "11;--"])
def test_a_parent_that_is_no_code_is_a_bad_request(http_get: Get, parent: str) -> None:
    response = http_get("/v1/regions", params={"parent": parent})
    assert response.status_code == 400
    assert response.json()["errorCode"] == "invalid_request"
    assert parent not in response.json()["error"]


def test_the_answer_is_documented(http_get: Get) -> None:
    document = http_get("/openapi.json").json()
    assert set(document["paths"]["/v1/regions"]["get"]["responses"]) == {"200", "400", "404"}
    assert set(document["components"]["schemas"]["Region"]["properties"]) == {
        "code",
        "name",
        "hasChildren",
    }
