"""The short way to an endpoint behaves as the framework's long way does."""

from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from zxo import registry
from zxo.kit import failures
from zxo.kit.clock import Clock
from zxo.kit.edge import Edge
from zxo.kit.headers import SecurityHeaders
from zxo.kit.lean import lean_handler
from zxo.kit.web import Body


class Note(Body):
    text: str
    stars: int = 1


async def caller(request: Request) -> str:
    return request.headers["x-caller"]


Caller = Annotated[str, Depends(caller)]


async def write(caller: Caller, body: Note) -> Response:
    return Response(f"{caller} {body.text} {body.stars}")


async def maybe_write(body: Note | None = None) -> Response:
    return Response("nothing" if body is None else body.text)


async def search(caller: Caller, words: Annotated[str, Query()]) -> Response:
    return Response(words)


class Lean(APIRoute):
    def get_route_handler(self):
        return lean_handler(self.endpoint) or super().get_route_handler()


def client_for(route_class: type[APIRoute]) -> httpx.AsyncClient:
    app = FastAPI()
    for path, endpoint in (("/write", write), ("/maybe", maybe_write)):
        app.router.routes.append(route_class(path, endpoint, methods=["POST"]))
    failures.install(app, Clock())
    transport = httpx.ASGITransport(Edge(app, Clock(), 65_536, SecurityHeaders(behind_tls=False)))
    return httpx.AsyncClient(transport=transport, base_url="http://t")


BODIES = [
    '{"text": "a"}',
    '{"text": "a", "stars": 3}',
    '{"text": 1}',
    '{"stars": "x"}',
    '{"text": "a", "other": 1}',
    '{"text": "a\\u0000"}',
    "{}",
    "[]",
    "null",
    '"text"',
    "{not json",
    "",
]


@pytest.mark.parametrize("path", ["/write", "/maybe"])
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_is_answered_as_on_the_long_way(path: str, body: str) -> None:
    headers = {"content-type": "application/json", "x-caller": "alice"}
    seen = []
    for route_class in (Lean, APIRoute):
        async with client_for(route_class) as client:
            answer = await client.post(path, content=body, headers=headers)
        told = answer.text if answer.is_success else answer.json().get("data", {}).get("fields")
        seen.append((answer.status_code, told))
    assert seen[0] == seen[1]


def test_an_endpoint_with_a_query_keeps_the_long_way() -> None:
    assert lean_handler(search) is None


@pytest.mark.parametrize("name", ["check_in", "get_profile", "today", "record", "make_up"])
def test_the_hot_routes_take_the_short_way(name: str) -> None:
    endpoints = {
        route.endpoint.__name__: route.endpoint
        for router in registry.ROUTERS.values()
        for route in router.routes
        if isinstance(route, APIRoute)
    }
    assert lean_handler(endpoints[name]) is not None


async def test_who_is_calling_is_settled_before_the_body_is_read(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    answer = await client.post("/v1/cravings", content="{broken", headers=headers)
    assert answer.status_code == 401
