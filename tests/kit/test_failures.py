"""Every failure leaves in one form, says enough to mend it, and nothing about the inside."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from tests.conftest import client_of, running
from tests.factories import FrozenClock, Visitor, refusal
from tests.kit.captured import captured, lines
from zxo.context import Context
from zxo.kit.errors import AppError
from zxo.kit.failures import LONGEST_NAME, MOST_FIELDS
from zxo.modules.users import service
from zxo.settings import DatabaseSettings, Settings

SETTINGS = "/users/me/settings"
PROBLEM = "application/problem+json"
SECRET = "k7-battery-staple"


def subclasses(kind: type[AppError]) -> Iterator[type[AppError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from subclasses(inner)


@pytest_asyncio.fixture
async def without_database(
    ctx: Context, settings: Settings, clock: FrozenClock
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose database does not answer."""
    nowhere = DatabaseSettings(url="postgresql://zxo@127.0.0.1:1/zxo")
    broken = settings.model_copy(update={"database": nowhere})
    with captured():
        async with running(broken, clock) as app, client_of(app) as client:
            yield client


@pytest.fixture
def broken_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that fails in a way nobody foresaw."""

    async def fail(*_: object) -> None:
        raise RuntimeError(f'relation "users" {SECRET}')

    monkeypatch.setattr(service, "get_settings", fail)


def test_every_kind_of_failure_has_a_code_and_a_message_for_the_person(app: FastAPI) -> None:
    kinds = set(subclasses(AppError))
    assert len(kinds) > 20
    for kind in kinds:
        assert 400 <= kind.status <= 503, kind
        assert kind.code == kind.code.lower().replace("-", "_"), kind
        assert not kind.message.isascii(), kind
        assert kind.__doc__, kind


def test_a_code_means_one_status(app: FastAPI) -> None:
    by_code: dict[str, set[int]] = {}
    for kind in subclasses(AppError):
        by_code.setdefault(kind.code, set()).add(kind.status)
    assert not {code: found for code, found in by_code.items() if len(found) > 1}


async def test_a_refusal_names_the_field_and_the_reason(alice: Visitor) -> None:
    answer = await alice.put(SETTINGS, dailyAmount=0, unknown=1)
    assert refusal(answer, 400) == "invalid_request"
    envelope = answer.json()
    assert envelope["message"] == "请求参数错误"
    assert {field["field"] for field in envelope["data"]["fields"]} == {"dailyAmount", "unknown"}
    assert "dailyAmount: Input should be greater than or equal to 1" in envelope["error"]
    assert "unknown: unknown field" in envelope["error"]


async def test_a_missing_parameter_is_named(alice: Visitor) -> None:
    answer = await alice.get("/check-in/records", year=2025)
    assert refusal(answer, 400) == "invalid_request"
    assert answer.json()["error"] == "month: Field required"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/wechat/login", {"code": [SECRET]}),
        ("POST", "/auth/wechat/login", {"code": SECRET * 100}),
        ("PUT", SETTINGS, {"timezone": SECRET}),
        ("PUT", SETTINGS, {"smokingYears": SECRET}),
        ("PUT", SETTINGS, {"dailyAmount": SECRET}),
        ("PUT", SETTINGS, {"pricePerPack": SECRET}),
        ("PUT", SETTINGS, {"quitAt": SECRET}),
        ("PUT", SETTINGS, {"checkInReminderTime": SECRET}),
        ("PUT", SETTINGS, {"showInRanking": SECRET}),
        ("PUT", "/users/me", {"avatar": SECRET}),
        ("PUT", "/users/me", {"province": SECRET}),
        ("PUT", "/users/me", SECRET),
        ("POST", "/check-in/makeup", {"checkInDate": SECRET}),
        ("POST", "/cravings", {"triggerType": SECRET}),
        ("DELETE", f"/cravings/{SECRET}", None),
        ("DELETE", f"/users/me/sessions/{SECRET}", None),
        ("GET", f"/cravings?startDate={SECRET}", None),
        ("GET", f"/cravings?cursor={SECRET}", None),
        ("GET", f"/regions?parent={SECRET}", None),
        ("GET", f"/check-in/records?year={SECRET}&month={SECRET}", None),
    ],
)
async def test_what_was_refused_is_never_repeated(
    alice: Visitor, method: str, path: str, body: object
) -> None:
    content = {} if body is None else {"json": body}
    with captured() as stream:
        answer = await alice.request(method, path, **content)
    assert refusal(answer, 400)
    assert SECRET not in answer.text
    assert SECRET not in stream.getvalue()


async def test_a_body_of_nothing_but_mistakes_gets_a_short_answer(alice: Visitor) -> None:
    answer = await alice.put(SETTINGS, **{f"{number}{'x' * 500}": 1 for number in range(100)})
    fields = answer.json()["data"]["fields"]
    assert refusal(answer, 400) == "invalid_request"
    assert len(fields) == MOST_FIELDS
    assert all(len(field["field"]) == LONGEST_NAME for field in fields)


@pytest.mark.parametrize("accept", [PROBLEM, f"{PROBLEM}, application/json;q=0.5"])
async def test_who_asks_for_rfc_9457_gets_it(alice: Visitor, accept: str) -> None:
    headers = {"Accept": accept}
    answer = await alice.request("PUT", SETTINGS, json={"dailyAmount": 0}, headers=headers)
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem.pop("data") == {
        "fields": [{"field": "dailyAmount", "reason": "Input should be greater than or equal to 1"}]
    }
    assert problem == {
        "type": "about:blank",
        "title": "请求参数错误",
        "status": answer.status_code,
        "detail": "dailyAmount: Input should be greater than or equal to 1",
        "instance": f"/v1{SETTINGS}",
        "errorCode": "invalid_request",
        "requestId": answer.headers["x-request-id"],
    }
    assert answer.status_code == 400


async def test_failures_of_the_edge_come_as_rfc_9457_too(alice: Visitor) -> None:
    headers = {"Accept": PROBLEM, "Content-Type": "text/plain"}
    answer = await alice.request("PUT", SETTINGS, content=b"x", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (415, PROBLEM)
    missing = await alice.request("GET", "/nothing", headers={"Accept": PROBLEM})
    assert (missing.json()["status"], missing.headers["content-type"]) == (404, PROBLEM)


async def test_a_success_is_never_a_problem(alice: Visitor) -> None:
    answer = await alice.request("GET", SETTINGS, headers={"Accept": PROBLEM})
    assert answer.headers["content-type"] == "application/json"


async def test_who_is_not_signed_in_learns_how(visitor: Visitor) -> None:
    answer = await visitor.get("/users/me")
    assert refusal(answer, 401) == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.usefixtures("broken_settings")
async def test_an_unforeseen_error_is_a_500_that_says_nothing_about_the_inside(
    alice: Visitor,
) -> None:
    with captured() as stream:
        answer = await alice.get(SETTINGS)
    assert refusal(answer, 500) == "internal_error"
    for inside in (SECRET, "relation", "RuntimeError", "Traceback", ".py"):
        assert inside not in answer.text
    failures = [line for line in lines(stream) if line["level"] == "error"]
    (logged,) = failures
    assert logged["event"] == "unforeseen_error"
    assert logged["request_id"] == answer.headers["x-request-id"]
    assert "RuntimeError: relation" in logged["exception"]


@pytest.mark.usefixtures("broken_settings")
async def test_an_unforeseen_error_is_counted_under_its_route(alice: Visitor) -> None:
    with captured():
        await alice.get(SETTINGS)
    label = 'method="GET",route="/v1/users/me/settings",status_code="500"'
    assert label in (await alice.client.get("/metrics")).text


async def test_without_a_database_a_request_is_503_and_says_when_to_come_back(
    alice: Visitor, without_database: httpx.AsyncClient
) -> None:
    lost = Visitor(without_database, alice.token)
    for answer in (
        await lost.get(SETTINGS),
        await lost.post("/auth/wechat/login", code="dev:bob"),
        await lost.post("/check-in"),
    ):
        assert refusal(answer, 503) == "unavailable"
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert "127.0.0.1" not in answer.text


async def test_without_a_database_the_process_is_healthy_but_not_ready(
    without_database: httpx.AsyncClient,
) -> None:
    health = await without_database.get("/health")
    assert health.status_code == 200
    assert health.json()["status"] == "ok"
    ready = await without_database.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["status"] == "not ready"
    assert ready.json()["checks"]["valkey"] == "ok"
    assert ready.json()["checks"]["database"].startswith("failed: ")


async def test_with_everything_the_process_is_healthy_and_ready(
    client: httpx.AsyncClient, clock: FrozenClock
) -> None:
    health = (await client.get("/health")).json()
    assert health.pop("uptime") > 0
    assert health == {"status": "ok", "timestamp": clock.timestamp_ms()}
    ready = await client.get("/ready")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "checks": {"database": "ok", "valkey": "ok"}}
