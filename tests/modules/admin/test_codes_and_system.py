"""Codes, statistics, jobs that failed, and settings."""

import csv
import io
from collections.abc import Awaitable, Callable

import pytest

from tests.factories import Visitor, data, refusal
from tests.modules.operators.conftest import SignIn
from zxo.context import Context

VIP = {"codeType": "vip", "durationDays": 30}


async def test_codes_are_told_once_and_redeem(sign_in: SignIn, alice: Visitor) -> None:
    operator = await sign_in("operator")
    made = data(await operator.post("/admin/redeem-codes", **VIP, count=3), 201)
    assert len(set(made["texts"])) == 3
    assert made["batch"]["createdBy"] == operator.user["id"]
    data(await alice.post("/redeem-codes/redeem", code=made["texts"][1].lower()))
    (batch,) = data(await operator.get("/admin/redeem-codes"))["batches"]
    assert (batch["codes"], batch["active"], batch["uses"]) == (3, 3, 1)
    listed = await operator.get(f"/admin/redeem-codes/{batch['id']}")
    assert [code["currentUses"] for code in data(listed)["codes"]] == [0, 1, 0]
    assert not [text for text in made["texts"] if text in listed.text]


async def test_codes_come_as_csv(sign_in: SignIn) -> None:
    operator = await sign_in("operator")
    answer = await operator.request(
        "POST", "/admin/redeem-codes", params={"format": "csv"}, json={**VIP, "count": 1000}
    )
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment;")
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert header == ["code"]
    assert len({row[0] for row in rows}) == 1000


async def test_a_batch_or_one_code_is_disabled(sign_in: SignIn, alice: Visitor) -> None:
    operator = await sign_in("operator")
    made = data(await operator.post("/admin/redeem-codes", **VIP, count=3), 201)
    path = f"/admin/redeem-codes/{made['batch']['id']}"
    number = data(await operator.get(path))["codes"][0]["id"]
    assert data(await operator.post(f"/admin/codes/{number}/disable")) == {"disabled": 1}
    assert data(await operator.post(f"{path}/disable")) == {"disabled": 2}
    assert data(await operator.post(f"{path}/disable")) == {"disabled": 0}
    refused = await alice.post("/redeem-codes/redeem", code=made["texts"][0])
    assert refusal(refused, 400) == "redeem_code_disabled"


@pytest.mark.parametrize(
    "body",
    [
        {"codeType": "vip"},
        {"codeType": "makeup_card", "durationDays": 3},
        {**VIP, "count": 2, "text": "SPRING2026"},
        {**VIP, "maxUses": 0},
        {**VIP, "validFrom": "2026-01-02T00:00:00Z", "validUntil": "2026-01-01T00:00:00Z"},
    ],
)
async def test_a_plan_that_makes_no_sense_is_refused_and_not_written_down(
    sign_in: SignIn, body: dict[str, object]
) -> None:
    operator = await sign_in("operator")
    answer = await operator.post("/admin/redeem-codes", **body)
    assert refusal(answer, 400) == "invalid_code_plan"
    assert len(data(await operator.get("/admin/audit"))["entries"]) == 2  # created, and log-in


async def test_a_chosen_text_serves_once(sign_in: SignIn) -> None:
    operator = await sign_in("operator")
    data(await operator.post("/admin/redeem-codes", **VIP, text="SPRING2026", maxUses=-1), 201)
    again = await operator.post("/admin/redeem-codes", **VIP, text="spring-2026")
    assert refusal(again, 409) == "redeem_code_exists"


async def test_statistics_of_a_span(ctx: Context, sign_in: SignIn) -> None:
    viewer = await sign_in("viewer")
    await ctx.db.execute(
        "INSERT INTO statistics VALUES ('check_ins', '2025-11-02', '{\"total\": 7}', $1)",
        ctx.clock.now(),
    )
    span = {"from": "2025-11-01", "to": "2025-11-30"}
    assert data(await viewer.get("/admin/statistics", **span))["statistics"] == [
        {"type": "check_ins", "date": "2025-11-02", "data": {"total": 7}}
    ]
    for wrong in (
        {"from": "2025-12-01", "to": "2025-11-30"},
        {"from": "2020-01-01", "to": "2025-01-01"},
    ):
        answer = await viewer.get("/admin/statistics", **wrong)
        assert refusal(answer, 400) == "invalid_date_span"


async def _failed(ctx: Context, status: str = "failed") -> int:
    return int(
        await ctx.db.fetchval(
            "INSERT INTO pgqueuer (priority, status, entrypoint, attempts)"
            " VALUES (0, $1::text::pgqueuer_status, 'rankings.rebuild', 5) RETURNING id",
            status,
        )
    )


async def test_jobs_that_failed_are_listed_run_again_and_given_up(
    ctx: Context, sign_in: SignIn
) -> None:
    operator = await sign_in("operator")
    one, two, running = await _failed(ctx), await _failed(ctx), await _failed(ctx, "queued")
    listed = data(await operator.get("/admin/jobs"))["jobs"]
    assert [(job["id"], job["name"]) for job in listed] == [
        (two, "rankings.rebuild"),
        (one, "rankings.rebuild"),
    ]
    data(await operator.post(f"/admin/jobs/{one}/retry"))
    row = await ctx.db.fetchrow("SELECT status::text, attempts FROM pgqueuer WHERE id = $1", one)
    assert tuple(row or ()) == ("queued", 0)
    data(await operator.delete(f"/admin/jobs/{two}"))
    for number in (one, two, running, 10**9):
        assert refusal(await operator.post(f"/admin/jobs/{number}/retry"), 404) == "job_not_found"
        assert refusal(await operator.delete(f"/admin/jobs/{number}"), 404) == "job_not_found"
    assert await ctx.db.fetchval("SELECT count(*) FROM pgqueuer") == 2


async def test_settings_are_shown_without_a_secret(ctx: Context, sign_in: SignIn) -> None:
    owner = await sign_in("owner")
    answer = await owner.get("/admin/settings")
    shown = data(answer)["settings"]
    assert shown["JWT_SECRET"] == shown["ZXO_INDEX_KEY"] == "********"
    assert shown["ZXO_ENCRYPTION_KEYS"] == ["********"]
    assert shown["DATABASE_URL"] == "********"  # there may be a password in it
    assert shown["LIMIT_CRAVINGS"] == [6, 3600]
    settings = ctx.settings
    for secret in (settings.tokens.secret, settings.keys.index, *settings.keys.encryption):
        assert secret.get_secret_value() not in answer.text


async def test_a_job_is_not_run_beside_one_of_its_name_and_stays_in_the_list(
    ctx: Context, sign_in: SignIn, drain: Callable[[], Awaitable[None]]
) -> None:
    """Scheduled work stands in line once; a night later the same job may have failed again."""
    operator, name = await sign_in("operator"), "operators.delete_old_sessions"
    sql = (
        "INSERT INTO pgqueuer (priority, status, entrypoint, attempts, dedupe_key)"
        " VALUES (0, 'failed', $1, 5, $1) RETURNING id"
    )
    one, two = await ctx.db.fetchval(sql, name), await ctx.db.fetchval(sql, name)
    data(await operator.post(f"/admin/jobs/{one}/retry"))
    again = await operator.post(f"/admin/jobs/{two}/retry")
    assert refusal(again, 409) == "job_already_waiting"
    await drain()
    listed = data(await operator.get("/admin/jobs"))["jobs"]
    assert [job["id"] for job in listed] == [two]
    data(await operator.post(f"/admin/jobs/{two}/retry"))
    await drain()
    assert await ctx.db.fetchval("SELECT count(*) FROM pgqueuer") == 0
