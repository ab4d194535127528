"""Every route of the documentation × everybody who might call it."""

import pytest
from fastapi import FastAPI

from tests.contract import snapshot
from tests.factories import refusal
from tests.security import rules
from tests.security.recipes import RECIPES, call_of
from tests.security.world import World

DOCUMENTED = {
    f"{method.upper()} {path}"
    for path, methods in snapshot.current()["paths"].items()
    for method in methods
}


def test_every_documented_route_has_a_rule_and_every_rule_a_route() -> None:
    assert {route.partition("?")[0] for route in rules.RULES} == DOCUMENTED
    assert rules.RULES.keys() == RECIPES.keys()


def test_a_route_is_documented_or_known_to_hold_nothing_of_anybody(whole_app: FastAPI) -> None:
    """Or a route that is left out of the documentation would need no rule."""
    found = {
        f"{method} {route.path}" if method else route.path
        for route in whole_app.routes
        for method in getattr(route, "methods", None) or {""}
    }
    assert found - DOCUMENTED == rules.UNDOCUMENTED


def test_a_thing_named_in_a_path_is_somebodys_own() -> None:
    """Or it is an operator's business."""
    for route, rule in rules.RULES.items():
        assert ("{" in route) <= (rule.startswith("own") or rule in rules.OPERATORS), route


@pytest.mark.parametrize("actor", rules.ACTORS)
@pytest.mark.parametrize("route", rules.RULES)
async def test_who_may_call_what(world: World, route: str, actor: str) -> None:
    person = await world.actor(actor)
    call = await call_of(route, world)
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
    if expected or actor not in {"alice", *rules.OPERATORS}:
        assert await look() == before
