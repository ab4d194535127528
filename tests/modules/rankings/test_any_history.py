"""Boards in Valkey, in PostgreSQL and over HTTP against the plain model, whatever came before."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import empty
from tests.factories import FrozenClock, Visitor, data
from tests.modules.rankings.conftest import Drain
from tests.modules.rankings.plain_model import LEVELS, Person, PlainBoards
from zxo.context import Context
from zxo.kit import outbox
from zxo.modules.rankings import boards, rebuild, repository, service
from zxo.modules.rankings.rules import Board, Region, board_of
from zxo.modules.users import ProfileChanged

PEOPLE = 5
REGIONS: tuple[tuple[str | None, ...], ...] = (
    (None, None, None, None),
    ("广东省", None, None, None),
    ("广东省", "深圳市", "南山区", "粤海街道"),
    ("广东省", "深圳市", "南山区", "蛇口/招商}街道"),
    ("广东省", "深圳市", "福田区", None),
    ("湖北省", "仙桃市", None, "沙嘴街道"),
)

who = st.integers(0, PEOPLE - 1)
common = (
    st.tuples(st.just("check_in"), who),
    st.tuples(st.just("move"), who, st.integers(0, len(REGIONS) - 1)),
    st.tuples(st.just("make_up"), who, st.integers(1, 3)),
    st.tuples(st.just("hide"), who, st.booleans()),
    st.tuples(st.just("wait"), st.integers(0, 2)),
    st.tuples(st.just("day"), st.permutations(range(PEOPLE)), st.integers(0, 1)),
    st.just(("react",)),
)
rare = (
    st.tuples(st.just("delete"), who, st.booleans()),
    st.just(("rebuild",)),
    st.just(("lose",)),
)
steps = st.one_of(*common, *common, *common, *rare)


class World:
    """People at the API, and the model that goes along."""

    def __init__(self, ctx: Context, clock: FrozenClock, visitor: Visitor, drain: Drain) -> None:
        self.ctx, self.clock, self.visitor, self.react = ctx, clock, visitor, drain
        self.model = PlainBoards()
        self.visitors: list[Visitor] = []
        self.whole = False  # whether Valkey has been told of everybody since it lost its memory

    async def begin(self) -> None:
        for _ in range(PEOPLE):
            person = await self.visitor.log_in(uuid4().hex[:20])
            self.visitors.append(person)
            self.model.people.append(Person(person.user["id"]))
        for number in range(PEOPLE):
            await self.move(number, 2 + number % 3)
        self.whole = True

    def _count(self, person: Person) -> None:
        person.days += 1
        person.reached = int(self.clock.now().timestamp())

    async def check_in(self, number: int) -> None:
        if (await self.visitors[number].post("/check-in")).status_code == 200:
            self._count(self.model.people[number])

    async def make_up(self, number: int, ago: int) -> None:
        day = self.clock.today() - timedelta(days=ago)
        answer = await self.visitors[number].post("/check-in/makeup", checkInDate=str(day))
        if answer.status_code == 200:
            self._count(self.model.people[number])

    async def move(self, number: int, region: int) -> None:
        path = dict(zip(Region._fields, REGIONS[region], strict=True))
        if (await self.visitors[number].put("/users/me", **path)).status_code == 200:
            self.model.people[number].region = REGIONS[region]

    async def hide(self, number: int, hidden: bool) -> None:
        settings = {"showInRanking": not hidden}
        answer = await self.visitors[number].put("/users/me/settings", **settings)
        if answer.status_code == 200:
            self.model.people[number].hidden = hidden

    async def delete(self, number: int, deleted: bool) -> None:
        """As the routes for it will."""
        person = self.model.people[number]
        async with self.ctx.db.transaction() as connection:
            version = await connection.fetchval(
                "UPDATE users SET deleted_at = $2, version = version + 1 WHERE id = $1"
                " RETURNING version",
                person.id,
                self.clock.now() if deleted else None,
            )
            await outbox.publish(connection, ProfileChanged(person.id, version))
        for cache in self.ctx.caches._by_topic.values():
            cache.clear()
        person.deleted = deleted

    async def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    async def day(self, order: list[int], pause: int) -> None:
        """The next day, on which everybody checks in, `pause` seconds after each other."""
        self.clock.advance(days=1)
        for visitor in self.visitors:  # tokens last seven days
            if (answer := await visitor.post("/auth/refresh")).status_code == 200:
                visitor.token = data(answer)["token"]
        for number in order:
            await self.check_in(number)
            await self.wait(pause)

    async def rebuild(self) -> None:
        await rebuild.rebuild(self.ctx)
        self.whole = True

    async def lose(self) -> None:
        await self.ctx.valkey.flushall()
        self.whole = False

    async def agrees(self) -> None:
        """To be called when every reaction has run."""
        for (kind, path), expected in self.model.all().items():
            board = _board(kind, path)
            async with self.ctx.db.connection() as connection:
                places = await repository.page(connection, board, 1, 100)
                assert places == expected, f"{board} in PostgreSQL"
            assert await self._in_valkey(board, expected)
            rows = (await service.lines(self.ctx, board, 1, 100, list)).rendered
            assert [row.place for row in rows] == expected
            assert [row.rank for row in rows] == list(range(1, len(rows) + 1))

    async def _in_valkey(self, board: Board, expected: list[tuple[int, int]]) -> bool:
        if not self.whole:
            return True
        name = boards.key(board)
        found = await self.ctx.valkey.zrange(name, 0, -1, desc=True, withscores=True)
        people = [(int(member), int(score) // 10**10) for member, score in found if score >= 0]
        return people == expected

    async def everybody_agrees(self) -> None:
        """What people are told of themselves."""
        for visitor, person in zip(self.visitors, self.model.people, strict=True):
            answer = await visitor.get("/rankings/me", type="city")
            if person.deleted:
                assert answer.status_code == 401
                continue
            told = data(answer)
            mine = {kind: self.model.standing(kind, path) for kind, path in person.boards()}
            for kind in LEVELS:
                assert told[kind] == self._expected(person, kind, mine.get(kind))

    @staticmethod
    def _expected(person: Person, kind: str, standing: list[tuple[int, int]] | None) -> Any:
        if kind == "national":
            return {"locked": True}
        if standing is None:
            return None
        if person.hidden:
            return {"hidden": True}
        if not person.days:
            return None
        rank = standing.index((person.id, person.days)) + 1
        share = round((1 - rank / len(standing)) * 100, 2)
        return {"rank": rank, "totalUsers": len(standing), "percentile": share}


def _board(kind: str, path: tuple[str | None, ...]) -> Board:
    board = board_of(kind, Region(*path))  # type: ignore[arg-type]
    assert board is not None
    return board


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(steps, min_size=8, max_size=40))
async def test_boards_are_what_the_model_says(
    ctx: Context, visitor: Visitor, clock: FrozenClock, drain: Drain, history: list[Any]
) -> None:
    clock.reset()
    await empty(ctx)
    world = World(ctx, clock, visitor, drain)
    await world.begin()
    for what, *arguments in history:
        await getattr(world, what)(*arguments)
    await world.react()
    await world.agrees()
    await world.everybody_agrees()
    await world.react()  # boards that were lost have been asked for
    await world.everybody_agrees()
    expected_drift = 0 if world.whole else None
    assert expected_drift in (None, await rebuild.rebuild(ctx))
    world.whole = True
    await world.agrees()
    await world.everybody_agrees()
