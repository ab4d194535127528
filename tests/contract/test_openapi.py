"""What the documentation promises."""

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis

from tests.contract import snapshot
from tests.factories import Visitor

DOCUMENT = snapshot.current()
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method.upper()} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
# Whoever has no token yet, and a list that holds nothing of anybody.
OPEN = {
    ("post", "/v1/auth/wechat/login"),
    ("post", "/v1/auth/sms/login"),
    ("post", "/v1/auth/sms/code"),  # of its purposes, one needs a token
    ("get", "/v1/regions"),
    ("post", "/v1/admin/login"),
}

every_operation = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
Operation = dict[str, Any]


def references(node: Any) -> Iterator[str]:
    """Every $ref of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def found(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_the_documentation_is_the_one_agreed_on() -> None:
    agreed, now = snapshot.PATH.read_text(), snapshot.as_text(DOCUMENT)
    difference = difflib.unified_diff(
        agreed.splitlines(), now.splitlines(), "agreed", "now", lineterm="", n=5
    )
    if changed := "\n".join(difference):
        pytest.fail(f"{changed}\n\nIs it meant? {snapshot.__doc__}", pytrace=False)


async def test_the_agreed_documentation_is_served(client: httpx.AsyncClient) -> None:
    served = (await client.get("/openapi.json")).json()
    assert served.pop("info").pop("version")
    assert served == {name: part for name, part in DOCUMENT.items() if name != "info"}


def test_the_document_is_valid() -> None:
    schemathesis.openapi.from_dict(json.loads(snapshot.as_text(DOCUMENT))).validate()


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    used = set(references(DOCUMENT))
    assert all(found(reference) for reference in used)
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in named
    }
    assert components == used


@every_operation
def test_an_operation_has_a_tag_and_a_summary_for_people(
    path: str, method: str, operation: Operation
) -> None:
    assert len(operation["tags"]) == 1
    assert not operation["summary"].isascii()
    assert operation["operationId"]


@every_operation
async def test_an_operation_needs_a_token_exactly_where_it_says_so(
    client: httpx.AsyncClient, path: str, method: str, operation: Operation
) -> None:
    secured = operation.get("security") in ([{"bearer": []}], [{"operator": []}])
    assert ("operator" in str(operation.get("security"))) <= path.startswith("/v1/admin/")
    assert secured == ((method, path) not in OPEN)
    filled = path.replace("{session_id}", "12345678-1234-1234-1234-123456789012")
    filled = filled.replace("{batch_id}", "12345678-1234-1234-1234-123456789012")
    filled = re.sub(r"\{[a-z]+_id\}", "1", filled)
    answer = await client.request(method, filled, params={"year": 2025, "month": 12})
    assert (answer.status_code == 401) == secured
    assert ("401" in operation["responses"]) or not secured


@every_operation
def test_what_is_refused_before_the_route_is_documented(
    path: str, method: str, operation: Operation
) -> None:
    documented = set(operation["responses"])
    assert {"400", "503"} <= documented
    assert "422" not in documented
    assert ({"408", "413", "415"} <= documented) == (method != "get")
    assert ("409" in documented) or method != "post"


@every_operation
def test_an_idempotency_key_is_documented_on_every_post(
    path: str, method: str, operation: Operation
) -> None:
    headers = [
        given["name"] for given in operation.get("parameters", ()) if given["in"] == "header"
    ]
    assert headers == (["Idempotency-Key"] if method == "post" else [])


@every_operation
def test_every_answer_has_a_schema_and_a_request_id(
    path: str, method: str, operation: Operation
) -> None:
    for status, response in operation["responses"].items():
        assert response["description"]
        assert "X-Request-Id" in response["headers"]
        if set(response["content"]) == {"text/event-stream"}:
            continue  # its events have no form that OpenAPI 3.1 could tell
        schema = response["content"]["application/json"]["schema"]
        if int(status) < 300:
            assert schema["properties"]["code"] == {"const": int(status)}
            assert set(schema["required"]) == {"code", "message", "data", "timestamp"}
        else:
            assert schema == {"$ref": "#/components/schemas/Failure"}
            assert "application/problem+json" in response["content"]
    assert ("Retry-After" in operation["responses"]["503"]["headers"]) is True


def test_a_request_body_refuses_unknown_fields_and_has_bounds() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    bodies = {name: schema for name, schema in schemas.items() if name.endswith("Body")}
    assert len(bodies) >= 5
    for name, schema in bodies.items():
        assert schema["additionalProperties"] is False, name
    price = schemas["SettingsBody"]["properties"]["pricePerPack"]
    assert (price["exclusiveMinimum"], price["maximum"], price["multipleOf"]) == (0, 9999, 0.01)
    assert price["default"] == 20.0


def test_money_is_a_number() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["StatsReply"]["properties"]["moneySaved"] == {"type": "number"}


async def test_the_documentation_page_needs_nothing_from_elsewhere(visitor: Visitor) -> None:
    page = await visitor.client.get("/docs")
    assert page.status_code == 200
    assert "swagger-ui" in page.text
    assert "//" not in page.text.replace("http://www.w3.org", "").replace("</", "")
