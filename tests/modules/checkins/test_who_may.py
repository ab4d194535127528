"""Every route of check-ins and cravings asks who is calling."""

import pytest

from tests.factories import Visitor, data, refusal
from zxo.context import Context

ROUTES = [
    ("POST", "/check-in", {}),
    ("POST", "/check-in/makeup", {"json": {"checkInDate": "2025-11-30"}}),
    ("GET", "/check-in/today", {}),
    ("GET", "/check-in/records", {"params": {"year": 2025, "month": 12}}),
    ("GET", "/users/me/stats", {}),
    ("POST", "/cravings", {"json": {"intensity": 3}}),
    ("GET", "/cravings", {}),
    ("GET", "/cravings/stats", {}),
    ("DELETE", "/cravings/1", {}),
]
every_route = pytest.mark.parametrize(
    ("method", "path", "arguments"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES]
)


@every_route
async def test_without_a_token_nobody_gets_in(
    visitor: Visitor, method: str, path: str, arguments: dict
) -> None:
    assert refusal(await visitor.request(method, path, **arguments), 401) == "unauthorized"


@every_route
@pytest.mark.parametrize("erased", ["DELETE FROM users", "UPDATE users SET deleted_at = now()"])
async def test_an_account_that_is_gone_is_told_so(
    alice: Visitor, ctx: Context, method: str, path: str, arguments: dict, erased: str
) -> None:
    await ctx.db.execute(erased)
    for cache in ctx.caches._by_topic.values():
        cache.clear()  # as the announcement of the deletion does
    assert refusal(await alice.request(method, path, **arguments), 401) == "account_gone"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/check-in", {}),
        ("/check-in/makeup", {"checkInDate": "2025-11-30"}),
        ("/cravings", {"intensity": 3}),
    ],
)
async def test_an_account_that_goes_while_it_writes_is_told_so(
    alice: Visitor, ctx: Context, path: str, body: dict
) -> None:
    """The process still remembers the user when the row is already gone."""
    data(await alice.get("/users/me"))
    await ctx.db.execute("DELETE FROM users")
    assert refusal(await alice.post(path, **body), 401) == "account_gone"
