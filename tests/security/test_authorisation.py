"""Every route of the documentation × everybody who might call it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, empty, make_settings, running
from tests.contract import snapshot
from tests.factories import FrozenClock, Visitor, refusal
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from tests.security import rules
from tests.security.recipes import RECIPES
from tests.security.world import World, make_world
from zxo import embedded
from zxo.clients.web_push_crypto import make_key
from zxo.context import Context
from zxo.settings import WebPushSettings, WechatSettings

DOCUMENTED = {
    f"{method.upper()} {path}"
    for path, methods in snapshot.current()["paths"].items()
    for method in methods
}


@pytest.fixture(scope="module")
def wechat() -> Iterator[FakeWechat]:
    with FakeWechat() as fake:
        yield fake


@pytest_asyncio.fixture(scope="module")
async def whole_app(
    services: embedded.Endpoints, session_clock: FrozenClock, wechat: FakeWechat
) -> AsyncIterator[FastAPI]:
    """An application where everything is configured that a route may need."""
    settings = make_settings(
        services,
        wechat=WechatSettings(
            app_id=APP_ID, app_secret=APP_SECRET, base_url=wechat.url, reminder="T-1"
        ),
        web_push=WebPushSettings(key=make_key(), subject="mailto:ops@zxo.test"),
    )
    async with running(settings, session_clock) as app:
        yield app


@pytest_asyncio.fixture
async def world(whole_app: FastAPI, clock: FrozenClock, wechat: FakeWechat) -> AsyncIterator[World]:
    """Over an empty database."""
    context: Context = whole_app.state.context
    await empty(context)
    async with client_of(whole_app) as client:
        yield await make_world(context, wechat, Visitor(client))


def test_every_documented_route_has_a_rule_and_every_rule_a_route() -> None:
    assert {route.partition("?")[0] for route in rules.RULES} == DOCUMENTED
    assert rules.RULES.keys() == RECIPES.keys()


def test_a_thing_named_in_a_path_is_somebodys_own() -> None:
    """Or it is an operator's business."""
    for route, rule in rules.RULES.items():
        assert ("{" in route) <= (rule.startswith("own") or rule in rules.OPERATORS), route


@pytest.mark.parametrize("actor", rules.ACTORS)
@pytest.mark.parametrize("route", rules.RULES)
async def test_who_may_call_what(world: World, route: str, actor: str) -> None:
    call = RECIPES[route](world)
    person = await world.actor(actor)
    expected = rules.refused(rules.RULES[route], actor)
    look = world.belongings if expected is None else world.everything
    before = await look()

    answer = await person.request(
        route.partition(" ")[0], call.path, json=call.body, params=call.query
    )

    if expected is None:
        assert answer.status_code == call.status, answer.text
    else:
        assert refusal(answer, expected[0]) == expected[1] or expected[1] == "*"
    if (actor, expected) != ("alice", None):
        assert await look() == before
