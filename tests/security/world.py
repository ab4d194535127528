"""Alice, who has one of everything, and the others who come near it."""

from dataclasses import dataclass
from datetime import timedelta

import bcrypt

from tests.factories import Visitor, data
from tests.fakes.aliyun_sms import FakeAliyun
from tests.fakes.wechat import FakeWechat
from tests.modules.notifications.socket_client import tell
from tests.security.rules import OPERATORS
from zxo.context import Context
from zxo.modules import users

PHONE = "13987651234"  # alice's
REGION = {"province": "浙江省", "city": "杭州市", "district": "西湖区"}


@dataclass
class Outside:
    """Other people's services."""

    wechat: FakeWechat
    sms: FakeAliyun


@dataclass
class World:
    """The application, and what is alice's."""

    ctx: Context
    outside: Outside
    visitor: Visitor
    alice: Visitor
    session_id: str
    craving_id: int
    notice_id: int
    subscription_id: int
    conversation_id: str

    async def actor(self, name: str) -> Visitor:
        """Somebody of tests.security.rules.ACTORS."""
        if name == "anonymous":
            return self.visitor
        if name == "alice":
            return self.alice
        if name in OPERATORS:
            return Visitor(self.visitor.client, await signed_in(self.ctx, name))
        person = await log_in(self.visitor, self.outside, name)
        await settled(person)
        await _CHANGES.get(name, _nothing)(self.ctx, person)
        return person

    async def belongings(self) -> list[str]:
        """Every row that is alice's, of every table."""
        query = await _query(self.ctx, "WHERE user_id = $1", "WHERE id = $1")
        return [row[0] for row in await self.ctx.db.fetch(query, self.alice.user["id"])]

    async def everything(self) -> list[str]:
        """Every row of every table but the queue's."""
        return [row[0] for row in await self.ctx.db.fetch(await _query(self.ctx, "", ""))]


_tables: list[tuple[str, bool]] = []  # and whether it has a user_id: they stay as they are

TABLES = """
SELECT relname, EXISTS (SELECT FROM pg_attribute WHERE attrelid = oid AND attname = 'user_id')
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
  AND relname NOT LIKE 'pgqueuer%'
"""


async def _query(ctx: Context, condition: str, condition_of_users: str) -> str:
    """SQL for all rows of the tables with a user in them; of all tables without a condition."""
    if not _tables:
        _tables.extend(tuple(row) for row in await ctx.db.fetch(TABLES))
    parts = [
        f"SELECT '{table} ' || t::text FROM {table} t "
        + (condition_of_users if table == "users" else condition)
        for table, has_user in _tables
        if has_user or table == "users" or not condition
    ]
    return " UNION ALL ".join(parts) + " ORDER BY 1"


PASSWORD = "an operator's password"
CHEAP = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()  # to check, and no more


async def signed_in(ctx: Context, role: str) -> str:
    """The token of an operator of this role."""
    now, token = ctx.clock.now(), f"zxo_operator_{role}"
    number = await ctx.db.fetchval(
        "INSERT INTO operators (name, name_key, role, password_hash, created_at)"
        " VALUES ($1, $1, $1, $2, $3) RETURNING id",
        role,
        CHEAP,
        now,
    )
    await ctx.db.execute(
        "INSERT INTO operator_sessions (token_hash, operator_id, enrolling, created_at, used_at)"
        " VALUES ($1, $2, false, $3, $3)",
        ctx.index.of("operator-session", token),
        number,
        now,
    )
    return token


async def log_in(visitor: Visitor, outside: Outside, name: str) -> Visitor:
    """The person with the openid o<name>."""
    answer = data(await visitor.post("/auth/wechat/login", code=outside.wechat.issue(f"o{name}")))
    person = Visitor(visitor.client, answer["token"])
    person.user = answer["user"]
    return person


async def settled(person: Visitor) -> None:
    data(await person.put("/users/me", **REGION))


async def make_world(ctx: Context, outside: Outside, visitor: Visitor) -> World:
    alice = await log_in(visitor, outside, "alice")
    await log_in(visitor, outside, "alice")  # on a second device
    await settled(alice)
    await _bind(ctx, alice)
    sessions = data(await alice.get("/users/me/sessions"))["sessions"]
    await tell(ctx, alice, "one")
    return World(
        ctx=ctx,
        outside=outside,
        visitor=visitor,
        alice=alice,
        session_id=next(session["id"] for session in sessions if not session["current"]),
        craving_id=data(await alice.post("/cravings", triggerNote="只给自己看"))["id"],
        notice_id=data(await alice.get("/notifications"))["notifications"][0]["id"],
        subscription_id=await _subscription(ctx, alice),
        # What nobody needs a membership for.
        conversation_id=data(await alice.post("/ai/chat", message="我不想活了"))["conversationId"],
    )


async def _bind(ctx: Context, person: Visitor) -> None:
    async with ctx.db.transaction() as connection:
        user = await users.set_phone(ctx, connection, person.user["id"], f"+86{PHONE}")
    users.keep(ctx, user)


async def _subscription(ctx: Context, person: Visitor) -> int:
    """A browser of hers, as the route would store it."""
    return int(
        await ctx.db.fetchval(
            "INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, created_at)"
            " VALUES ($1, 'https://fcm.googleapis.com/fcm/send/hers', $2, $3, $4) RETURNING id",
            person.user["id"],
            b"\x04" + bytes(64),
            bytes(16),
            ctx.clock.now(),
        )
    )


async def _nothing(ctx: Context, person: Visitor) -> None:
    """Just somebody else."""


async def _make_member(ctx: Context, person: Visitor, ends_in: timedelta) -> None:
    end = ctx.clock.now() + ends_in
    await ctx.db.execute(
        "UPDATE users SET member_type = 'vip', member_expiry_at = $2, vip_activated_at = $3,"
        " version = version + 1 WHERE id = $1",
        person.user["id"],
        end,
        ctx.clock.now(),
    )
    ctx.caches._by_topic["users"].clear()


async def _expired(ctx: Context, person: Visitor) -> None:
    await _make_member(ctx, person, timedelta(seconds=-1))


async def _vip(ctx: Context, person: Visitor) -> None:
    await _make_member(ctx, person, timedelta(days=1))


async def _banned(ctx: Context, person: Visitor) -> None:
    session = ctx.tokens.verify(str(person.token))["sid"]
    await ctx.db.execute("DELETE FROM sessions WHERE id = $1::text::uuid", session)
    ctx.ended_sessions.add(session)


async def _gone(ctx: Context, person: Visitor) -> None:
    await ctx.db.execute("DELETE FROM users WHERE id = $1", person.user["id"])
    ctx.caches._by_topic["users"].clear()


_CHANGES = {"expired": _expired, "vip": _vip, "banned": _banned, "gone": _gone}
