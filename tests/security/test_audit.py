"""Whatever an operator changes is written down, by whichever route."""

import pytest

from tests.contract import snapshot
from tests.security import rules
from tests.security.recipes import call_of
from tests.security.world import World

CHANGES = [
    f"{method.upper()} {path}"
    for path, methods in snapshot.current()["paths"].items()
    for method in methods
    if path.startswith("/v1/admin/") and method != "get"
]
LINES = "SELECT count(*) FROM operator_audit"


@pytest.mark.parametrize("route", CHANGES)
async def test_a_change_leaves_a_line_and_one_that_is_refused_leaves_none(
    world: World, route: str
) -> None:
    viewer, owner = await world.actor("viewer"), await world.actor("owner")
    call, method = await call_of(route, world), route.partition(" ")[0]
    before = await world.ctx.db.fetchval(LINES)
    if rules.refused(rules.RULES[route], "viewer"):
        refused = await viewer.request(method, call.path, json=call.body, params=call.query)
        assert refused.status_code == 403
        assert await world.ctx.db.fetchval(LINES) == before
    done = await owner.request(method, call.path, json=call.body, params=call.query)
    assert done.status_code == call.status, done.text
    assert await world.ctx.db.fetchval(LINES) == before + 1
