"""A token outlives its account: the account is gone, and that is no failure of the server."""

import pytest

from tests.factories import Visitor, data, refusal
from zxo.context import Context

ROUTES = [
    ("GET", "/users/me", None),
    ("PUT", "/users/me", {}),
    ("PUT", "/users/me", {"nickname": "阿丽"}),
    ("PUT", "/users/me", {"province": "北京市"}),
    ("GET", "/users/me/settings", None),
    ("PUT", "/users/me/settings", {}),
    ("PUT", "/users/me/settings", {"dailyAmount": 5, "timezone": "UTC"}),
    ("GET", "/users/me/stats", None),
    ("GET", "/users/me/sessions", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize("gone", ["DELETE FROM users", "UPDATE users SET deleted_at = now()"])
async def test_an_account_that_is_gone_is_told_so(
    alice: Visitor, ctx: Context, method: str, path: str, body: object, gone: str
) -> None:
    await ctx.db.execute(gone)

    answer = await alice.request(method, path, json=body)
    assert refusal(answer, 401) == "account_gone"
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_logging_out_of_an_account_that_is_gone_is_fine(alice: Visitor, ctx: Context) -> None:
    await ctx.db.execute("DELETE FROM users")

    data(await alice.post("/auth/logout"))
