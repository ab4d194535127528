"""Secrets are planted through every route, and looked for everywhere: they are nowhere."""

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import asyncpg
import httpx
import pytest
import pytest_asyncio
from structlog import get_logger

from tests.contract import snapshot
from tests.factories import data
from tests.kit.captured import captured
from tests.security import places
from tests.security.canaries import found, shapes
from tests.security.recipes import NEW_PHONE, call_of
from tests.security.rules import RULES
from tests.security.world import PHONE, World, log_in
from zxo import registry
from zxo.kit.jobs import build_queue, enqueue_each, run_to_idle, run_until
from zxo.kit.outbox import relay
from zxo.modules import membership
from zxo.modules.membership import Plan

CODE = "7QK3M9XW2VTP"
NOTE = "canary: 昨晚和老王喝酒，忍不住想抽"
DOCUMENT = snapshot.current()
JSON = {"Content-Type": "application/json"}
FIELDS = sorted(
    name
    for schema in DOCUMENT["components"]["schemas"].values()
    if schema.get("additionalProperties") is False
    for name in schema["properties"]
    # What these hold is kept as it is typed, and shown to others.
    if name not in {"nickname", "avatar", "street", "triggerNote"}
)
TYPED = {  # what somebody types where it does not belong
    "phone": PHONE,
    "phone in full": f"+86{PHONE}",
    "new phone": NEW_PHONE,
    "code": CODE,
    "SMS code": "8140527396",
    "password": "canary-staple-8140",
    "note": NOTE,
}


SIGNS = {  # what is found there where something was done
    "database": b"INSERT INTO public.users",
    "queue": b"user_id",
    "valkey": b"sms_number",
    "log": b'"event": "request"',
    "metrics": b"http_request_duration_ms_bucket",
    "replies": b"invalid_request",
}


@dataclass
class Traces:
    """What was left behind, by place."""

    secrets: dict[str, str]
    places: dict[str, bytes] = field(default_factory=dict)

    def of(self, name: str) -> list[str]:
        """Where the secret is, and in which shape."""
        return [
            f"{place}: {shape}"
            for place, content in self.places.items()
            for shape in found(self.secrets[name], content)
        ]


@pytest_asyncio.fixture
async def traces(world: World) -> Traces:
    """What is left when everything has been used, rightly and wrongly, and the jobs have run."""
    with captured("DEBUG") as log:
        tokens = await by_the_way(world)
        answers = await on_purpose(world)
        answers += await against_the_rules(world, list(TYPED.values()))
        queued = await run_jobs(world)
    settings, sent = world.ctx.settings, world.outside.sms.sent
    refused = [answer for answer in answers if answer.status_code >= 400]
    left = Traces({**TYPED, **{f"token {n}": token for n, token in enumerate(tokens)}})
    left.secrets |= {f"SMS code {code}": code for codes in sent.values() for code in codes}
    left.places = {
        # Notes are kept as they are written: in their own table, and nowhere else.
        "database": await places.dump(settings, "--exclude-table=craving_records*"),
        "queue": queued,
        "valkey": await places.valkey(world.ctx),
        "log": log.getvalue().encode(),
        "metrics": (await world.visitor.client.get("/metrics")).content,
        "replies": b"\n".join(answer.content + str(answer.headers).encode() for answer in refused),
    }
    return left


async def run_jobs(world: World) -> bytes:
    """Run the outbox and the jobs to idle; what went through the queue."""
    ctx, seen = world.ctx, [await places.queue(world.ctx)]
    async with asyncpg.create_pool(ctx.settings.database.dsn(), min_size=0, max_size=2) as pool:
        while await relay(ctx.db, registry.REACTIONS):
            seen.append(await places.queue(ctx))
        await run_to_idle(pool, registry.jobs(ctx))
    return b"\n".join([*seen, await places.queue(ctx)])


async def by_the_way(world: World) -> list[str]:
    """Call every route as alice, each with a log-in of its own; the tokens."""
    tokens = [str(world.alice.token)]
    for number, route in enumerate(RULES):
        person = await log_in(world.visitor, world.outside, "alice")
        call = await call_of(route, world)
        key = {"Idempotency-Key": f"canary-{number}"}
        answer = await person.request(
            route.partition(" ")[0], call.path, json=call.body, params=call.query, headers=key
        )
        tokens.append(str(person.token))
        if "json" in answer.headers["content-type"] and "token" in (
            answer.json().get("data") or {}
        ):
            tokens.append(answer.json()["data"]["token"])
    return tokens


async def on_purpose(world: World) -> list[httpx.Response]:
    """Use phone and code as they are meant, and let other people's services fail; the answers."""
    person = await log_in(world.visitor, world.outside, "alice")
    await membership.create_batch(
        world.ctx, Plan(code_type="vip", duration_days=30, text=CODE, max_uses=-1), None
    )
    sms = world.outside.sms
    answers = [
        await person.post("/redeem-codes/redeem", code=CODE),
        await person.post("/redeem-codes/redeem", code=CODE.lower()),
        await person.post("/redeem-codes/redeem", code=f"{CODE}0"),
        await person.post("/auth/sms/code", phone=PHONE, purpose="bind"),
        await person.post("/users/me/phone", phone=PHONE, code="000000"),
        await person.post("/users/me/phone", phone=PHONE, code=sms.last(PHONE)),
        await world.visitor.post("/auth/sms/code", phone=PHONE),
        await world.visitor.post("/auth/sms/login", phone=PHONE, code=sms.last(PHONE)),
        await world.visitor.post("/auth/sms/login", phone=PHONE, code=sms.last(PHONE)),
    ]
    assert {answer.status_code for answer in answers} == {200, 400, 404, 409}
    sms.failures.append((200, "isv.MOBILE_NUMBER_ILLEGAL", f"{PHONE}invalid mobile number"))
    answers.append(await world.visitor.post("/auth/sms/code", phone=PHONE))
    sms.failures += [(500, "InternalError", f"no luck with {PHONE}")] * 3
    answers.append(await world.visitor.post("/auth/sms/code", phone=PHONE))
    assert [answer.status_code for answer in answers[-2:]] == [400, 503]
    sms.failures.clear()
    return answers


async def against_the_rules(world: World, secrets: list[str]) -> list[httpx.Response]:
    """Send each secret to each route where it does not belong; the answers."""
    person = await log_in(world.visitor, world.outside, "alice")
    answers = []
    for route in RULES:
        method, _, path = route.partition("?")[0].partition(" ")
        for secret in secrets:
            filled = re.sub(r"\{[a-z_]+\}", secret, path.removeprefix("/v1"))
            answers += [
                await person.request(method, filled, **arguments)
                for arguments in _misuses(method, path, secret)
            ]
    return answers


def _misuses(method: str, path: str, secret: str) -> Iterator[dict[str, object]]:
    operation = DOCUMENT["paths"][path][method.lower()]
    names = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
    yield {"params": {"q": secret, **dict.fromkeys(names, secret)}}
    yield {"headers": {"Authorization": f"Bearer {secret}".encode()}}
    if method in {"POST", "PUT"}:
        yield {"json": {"extra": secret}}
        yield {"json": secret}
        yield {"json": dict.fromkeys(FIELDS, secret)}
        yield {"json": {name: [{"inner": secret}] for name in FIELDS}}
        yield {"content": f'{{"broken": "{secret}"'.encode(), "headers": JSON}
        yield {"content": secret.encode(), "headers": {"Content-Type": "text/plain"}}
        yield {"headers": {"Idempotency-Key": f"{secret}\x7f".encode()}}


async def test_no_secret_is_left_anywhere(traces: Traces) -> None:
    for place, sign in SIGNS.items():
        assert sign in traces.places[place], f"nothing to search: {place}"
    assert {secret: where for secret in traces.secrets if (where := traces.of(secret))} == {}


async def test_a_body_sent_under_a_key_leaves_no_digest_that_can_be_guessed(world: World) -> None:
    """There are so few phone numbers that who has the digest of a body has the number."""
    path, body = "/auth/sms/code", b'{"phone":"%s"}' % PHONE.encode()
    headers = {**JSON, "Idempotency-Key": "k"}
    for person in (world.visitor, world.alice):
        data(await person.request("POST", path, headers=headers, content=body))
    dumped = await places.dump(world.ctx.settings, "--table=idempotency_keys")
    assert dumped.count(b"INSERT INTO") == 2
    token = f"Bearer {world.alice.token}".encode()
    for content in (body, b"POST /v1/auth/sms/code\n" + body, b"|" + body, token + b"|" + body):
        assert not found(content.decode(), dumped)


async def test_a_note_is_kept_where_notes_are_kept(world: World) -> None:
    data(await world.alice.post("/cravings", triggerNote=NOTE))
    assert found(NOTE, await places.dump(world.ctx.settings, "--table=craving_records*"))


@pytest.mark.parametrize("name", list(dict(shapes(PHONE))))
async def test_the_search_finds_what_is_planted(world: World, name: str) -> None:
    """In any shape, in the middle of something else, wherever it is looked for."""
    ctx, planted = world.ctx, [shape for known, shape in shapes(PHONE) if known == name]
    for shape in planted:
        await ctx.valkey.hset("zxo:planted", "x", b"<" + shape + b">")
        await ctx.db.execute("UPDATE users SET nickname = $1", shape.decode()[:200])
        await ctx.db.execute("INSERT INTO outbox (event, payload) VALUES ('e', $1)", shape.decode())
        with captured() as log:
            get_logger("x").debug("planted", value=shape.decode())
        for place in (
            await places.valkey(ctx),
            await places.dump(ctx.settings, "--table=users"),
            await places.queue(ctx),
            log.getvalue().encode(),
        ):
            assert found(PHONE, place)


async def test_a_failure_of_the_database_tells_the_log_nothing_of_the_row(world: World) -> None:
    """PostgreSQL names the whole row in the DETAIL of such an error."""
    ctx = world.ctx
    await ctx.db.execute(
        "ALTER TABLE craving_records ADD CONSTRAINT never CHECK (id < 0) NOT VALID"
    )
    try:
        with captured() as log:
            answer = await world.alice.post("/cravings", triggerNote=NOTE)
    finally:
        await ctx.db.execute("ALTER TABLE craving_records DROP CONSTRAINT never")
    assert answer.status_code == 500
    assert "CheckViolationError" in log.getvalue()
    assert not found(NOTE, log.getvalue().encode() + answer.content)


async def test_a_value_that_cannot_be_sent_to_the_database_is_not_logged(world: World) -> None:
    with captured() as log:
        try:
            await world.ctx.db.fetch("SELECT $1::int", PHONE)
        except asyncpg.DataError:
            get_logger("x").exception("not_sent")
            logging.getLogger("y").exception("not sent")
    assert log.getvalue().count("invalid input for query argument $1") == 2
    assert not found(PHONE, log.getvalue().encode())


async def test_a_job_that_fails_keeps_nothing_of_the_row(world: World) -> None:
    """The library stores the traceback of every failure."""
    ctx = world.ctx

    async def fail(_: bytes) -> None:
        await ctx.db.execute("UPDATE users SET nickname = $1, total_days = -1", PHONE)

    async with asyncpg.create_pool(ctx.settings.database.dsn(), min_size=0, max_size=2) as pool:
        queue = build_queue(pool, {"canary": fail})
        await enqueue_each(pool, [("canary", b"")])
        with captured() as log:
            running = asyncio.create_task(run_until(queue, stop := asyncio.Event()))
            while b"CheckViolation" not in (kept := await places.queue(ctx)):
                await asyncio.sleep(0.05)
            stop.set()
            await running
    assert not found(PHONE, kept + log.getvalue().encode())
