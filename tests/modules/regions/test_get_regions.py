"""GET /v1/regions, without a token."""

from typing import Any

import httpx
import pytest


async def get(client: httpx.AsyncClient, query: str = "") -> dict[str, Any]:
    response = await client.get(f"/v1/regions{query}")
    assert response.status_code == 200
    data: dict[str, Any] = response.json()["data"]
    return data


@pytest.mark.parametrize("query", ["", "?parent="])
async def test_without_a_parent_the_provinces_are_listed(
    client: httpx.AsyncClient, query: str
) -> None:
    data = await get(client, query)
    assert data["parent"] is None
    assert len(data["regions"]) == 34
    assert data["regions"][0] == {"code": "11", "name": "北京市", "hasChildren": True}


async def test_the_source_is_named(client: httpx.AsyncClient) -> None:
    source = (await get(client))["source"]
    assert source["publisher"] == "国家统计局"
    assert (source["asOf"], source["published"]) == ("2023-06-30", "2023-09-11")


async def test_codes_lead_down_to_the_district(client: httpx.AsyncClient) -> None:
    assert (await get(client, "?parent=11"))["regions"] == [
        {"code": "1101", "name": "北京市", "hasChildren": True}
    ]
    districts = await get(client, "?parent=1101")
    assert districts["parent"] == "1101"
    assert {"code": "110105", "name": "朝阳区", "hasChildren": False} in districts["regions"]
    assert (await get(client, "?parent=110105"))["regions"] == []


async def test_every_division_is_reached_by_walking_down(client: httpx.AsyncClient) -> None:
    counts: list[int] = []
    waiting = [""]
    while waiting:
        found = [r for code in waiting for r in (await get(client, f"?parent={code}"))["regions"]]
        counts.append(len(found))
        waiting = [region["code"] for region in found if region["hasChildren"]]
    assert counts == [34, 392, 3412]


async def test_a_city_without_districts_says_so(client: httpx.AsyncClient) -> None:
    hubei = {region["name"]: region for region in (await get(client, "?parent=42"))["regions"]}
    assert hubei["仙桃市"] == {"code": "429004", "name": "仙桃市", "hasChildren": False}


@pytest.mark.parametrize("parent", ["99", "4290", "110199"])
async def test_an_unknown_parent_is_not_found(client: httpx.AsyncClient, parent: str) -> None:
    response = await client.get("/v1/regions", params={"parent": parent})
    assert response.status_code == 404
    assert response.json()["errorCode"] == "division_not_found"


@pytest.mark.parametrize("parent", ["北京市", "11 ", "1" * 10, "11;--"])
async def test_a_parent_that_is_no_code_is_a_bad_request(
    client: httpx.AsyncClient, parent: str
) -> None:
    response = await client.get("/v1/regions", params={"parent": parent})
    assert response.status_code == 400
    assert response.json()["errorCode"] == "invalid_request"
    assert parent not in response.json()["error"]


async def test_the_answer_is_documented(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]["/v1/regions"]["get"]["responses"]) >= {"200", "400", "404"}
    assert set(document["components"]["schemas"]["Region"]["properties"]) == {
        "code",
        "name",
        "hasChildren",
    }
