"""Operators, made through the front door, and signed in over HTTP."""

from collections.abc import Awaitable, Callable

import bcrypt
import httpx
import pytest

from tests.factories import Visitor, data
from zxo.context import Context
from zxo.kit import passwords
from zxo.modules import operators
from zxo.modules.operators import Acting, Role

PASSWORD = "correct horse battery"
COMMAND_LINE = Acting(None, "tests", "owner", "local", "")
SignIn = Callable[..., Awaitable[Visitor]]


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the least cost: a quarter of a second each would be minutes here."""
    monkeypatch.setattr(passwords, "COST", 4)
    monkeypatch.setattr(passwords, "NOBODY", bcrypt.hashpw(b"nobody", bcrypt.gensalt(4)).decode())


async def try_log_in(client: httpx.AsyncClient, name: str, **body: str) -> httpx.Response:
    return await Visitor(client).post("/admin/login", name=name, **{"password": PASSWORD, **body})


@pytest.fixture
def sign_in(ctx: Context, client: httpx.AsyncClient) -> SignIn:
    """Somebody of this role, new and signed in."""

    async def make(role: Role, name: str | None = None) -> Visitor:
        operator = await operators.create(ctx, COMMAND_LINE, name or role, role, PASSWORD)
        answer = data(await try_log_in(client, operator.name))
        person = Visitor(client, answer["token"])
        person.user = answer["operator"]
        return person

    return make
