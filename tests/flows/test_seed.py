"""`zxo seed`: made-up people whose history holds together."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
from rich.console import Console

from tests.conftest import make_settings
from tests.processes import SECRET, api, eventually, running, sql, still_alive, value, zxo
from zxo import embedded, people, seed
from zxo.settings import DatabaseSettings

USERS = 300
CHUNKS = 3 * people.CHUNK - 500  # people who are more than one process makes
# Morning in Shanghai, so that neither run sees another day than the other.
MORNING = "2025-12-01T09:00:00+08:00"

OURS = " application_name = 'zxo-seed' AND datname = current_database()"

# What may differ between two runs: the moment at which each was made.
STABLE = {
    "users": "id, openid, nickname, member_type, member_expiry_at, vip_activated_at,"
    " ai_activated_at, total_days, consecutive_days, makeup_cards, last_check_in_date,"
    " total_days_reached_at, province, city, district, street, timezone",
    "user_settings": "user_id, smoking_years, daily_amount, check_in_reminder_time,"
    " show_in_ranking",
    "sessions": "id, user_id, refresh_jti",
    "check_in_records": "user_id, check_in_date, is_makeup, rank_at_check_in, stars_at_check_in,"
    " made_on, created_at",
    "craving_records": "id, user_id, recorded_at, recorded_date, recorded_hour, intensity,"
    " trigger_type",
}


class Site:
    """A database of its own, and the variables that lead to it."""

    def __init__(self, services: embedded.Endpoints, name: str) -> None:
        self._admin, self.name = services.database_url, f"seed_{name}_{os.getpid()}"
        sql(self._admin, f"CREATE DATABASE {self.name}")
        self.url = services.database_url.replace("/zxo?", f"/{self.name}?")
        self.variables = {
            "DATABASE_URL": self.url,
            "REDIS_URL": services.redis_url,
            "JWT_SECRET": SECRET,
            "ZXO_CLOCK": MORNING,
        }

    def drop(self) -> None:
        sql(self._admin, f"DROP DATABASE {self.name} WITH (FORCE)")

    def rows(self, table: str) -> list[object]:
        """What must be the same after every seeding on the same day."""
        return sql(self.url, f"SELECT {STABLE[table]} FROM {table} ORDER BY 1, 2, 3")


@contextmanager
def another_site(services: embedded.Endpoints, name: str) -> Iterator[Site]:
    made = Site(services, name)
    try:
        yield made
    finally:
        made.drop()


@pytest.fixture(scope="module")
def site(services: embedded.Endpoints) -> Iterator[Site]:
    with another_site(services, "one") as made:
        yield made


@pytest.fixture(scope="module")
def tokens(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokens of a site that was seeded; the file was there before, for everybody to read."""
    folder = tmp_path_factory.mktemp("seed")
    file = folder / "tokens"
    file.write_text("old\n")
    file.chmod(0o644)
    status, _, err = zxo(
        folder, "seed", "--users", str(USERS), "--tokens", str(file), **site.variables
    )
    assert status == 0, err
    return file


def test_ids_run_from_one_and_the_next_person_comes_after(site: Site, tokens: Path) -> None:
    assert sql(site.url, "SELECT min(id), max(id), count(*) FROM users") == [(1, USERS, USERS)]
    assert value(site.url, "SELECT nextval(pg_get_serial_sequence('users', 'id'))") > USERS


def test_totals_and_runs_are_those_of_the_records(site: Site, tokens: Path) -> None:
    people = sql(site.url, "SELECT id, total_days, consecutive_days, last_check_in_date FROM users")
    days: dict[int, list[date]] = {person[0]: [] for person in people}
    for user_id, day in sql(site.url, "SELECT user_id, check_in_date FROM check_in_records"):
        days[user_id].append(day)
    for user_id, total, run, last in people:
        mine = sorted(days[user_id], reverse=True)
        assert total == len(mine)
        assert last == (mine[0] if mine else None)
        assert run == next(
            (n for n, day in enumerate(mine) if day != mine[0] - timedelta(days=n)), len(mine)
        )
    assert max(person[1] for person in people) > 20
    assert max(person[2] for person in people) > 5


def test_nobody_has_checked_in_today_and_no_record_is_without_a_partition(
    site: Site, tokens: Path
) -> None:
    assert value(site.url, "SELECT max(check_in_date) FROM check_in_records") == date(2025, 11, 30)
    assert value(site.url, "SELECT max(recorded_date) FROM craving_records") < date(2025, 12, 1)
    assert value(site.url, "SELECT count(*) FROM check_in_records_default") == 0


def test_the_tokens_are_for_their_owner_alone_and_the_api_takes_them(
    site: Site, tokens: Path, tmp_path: Path
) -> None:
    assert tokens.stat().st_mode & 0o777 == 0o600
    lines = tokens.read_text().splitlines()
    assert len(lines) == USERS
    with api(tmp_path, "--modules", "users,checkins", **site.variables) as (_, client):
        for user_id in (1, 2, USERS):
            headers = {"Authorization": f"Bearer {lines[user_id - 1]}"}
            me = client.get("/v1/users/me", headers=headers).json()["data"]
            assert me["id"] == user_id
            today = client.get("/v1/check-in/today", headers=headers).json()["data"]
            assert today["hasCheckedIn"] is False
        assert_only_these_modules_answer(client, headers)


def assert_only_these_modules_answer(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.get("/v1/users/me/settings", headers=headers).status_code == 200
    assert client.get("/v1/cravings/today", headers=headers).status_code == 404
    assert client.get("/v1/regions").status_code == 404
    assert client.get("/health").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert {path.split("/")[2] for path in paths} == {"users", "check-in"}


def test_a_second_run_makes_the_same_people(
    services: embedded.Endpoints, site: Site, tokens: Path, tmp_path: Path
) -> None:
    with another_site(services, "two") as again:
        status, _, err = zxo(tmp_path, "seed", "--users", str(USERS), **again.variables)
        assert status == 0, err
        for table in STABLE:
            assert site.rows(table) == again.rows(table), table


@pytest.mark.slow
def test_the_people_do_not_depend_on_how_many_processes_make_them(
    services: embedded.Endpoints, site: Site, tokens: Path
) -> None:
    with another_site(services, "alone") as alone, another_site(services, "three") as three:
        for made, processes in ((alone, 1), (three, 3)):
            settings = make_settings(
                services,
                database=DatabaseSettings(url=made.url),
                clock=datetime(2025, 12, 1, 1, tzinfo=UTC),
            )
            seed.run(settings, CHUNKS, None, Console(quiet=True), processes)
        for table in STABLE:
            assert alone.rows(table) == three.rows(table), table
        assert value(three.url, "SELECT max(id) FROM users") == CHUNKS
        # Nor on how many there are: these are the first people of the smaller site.
        first = f"SELECT id, nickname, total_days, street FROM users WHERE id <= {USERS} ORDER BY 1"
        assert sql(three.url, first) == sql(site.url, first)


def test_days_were_reached_when_the_last_of_them_was_counted(site: Site, tokens: Path) -> None:
    wrong = """
    SELECT id FROM users LEFT JOIN check_in_records ON user_id = id AND check_in_date =
        last_check_in_date WHERE total_days_reached_at IS DISTINCT FROM check_in_records.created_at
    """
    assert sql(site.url, wrong) == []


def test_every_reference_is_right_and_every_constraint_is_in_force(
    site: Site, tokens: Path
) -> None:
    assert_constrained(site.url)


def test_a_role_that_may_not_go_without_checks_seeds_too(
    services: embedded.Endpoints, tmp_path: Path
) -> None:
    role = f"plain_{os.getpid()}"
    sql(services.database_url, f"CREATE ROLE {role} LOGIN")
    try:
        with another_site(services, "plain") as plain:
            sql(services.database_url, f"ALTER DATABASE {plain.name} OWNER TO {role}")
            url = plain.url.replace("zxo@", f"{role}@")
            status, _, err = zxo(
                tmp_path, "seed", "--users", "20", **{**plain.variables, "DATABASE_URL": url}
            )
            assert status == 0, err
            assert value(plain.url, "SELECT count(*) FROM users") == 20
            assert_constrained(plain.url)
    finally:
        sql(services.database_url, f"DROP ROLE {role}")


def assert_constrained(url: str) -> None:
    assert value(url, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0
    assert value(url, "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'") == 0
    for table in STABLE.keys() - {"users"}:
        lost = f"SELECT count(*) FROM {table} WHERE user_id NOT IN (SELECT id FROM users)"
        assert value(url, lost) == 0
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            sql(url, f"UPDATE {table} SET user_id = -user_id")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_seeding_that_was_cut_off_leaves_whole_people_and_the_next_one_says_so(
    services: embedded.Endpoints, tmp_path: Path, how: signal.Signals
) -> None:
    with another_site(services, "cut") as cut:
        with running(tmp_path, "seed", "--users", "900000", **cut.variables) as seeding:
            eventually(lambda: value(cut.url, "SELECT count(*) FROM users") > 0)
            family = seeding.family()
            seeding.send(how)
            assert seeding.wait() == (-9 if how == signal.SIGKILL else 1)
            assert "Traceback" not in seeding.said()
            eventually(lambda: not still_alive(family))
        eventually(lambda: not sql(cut.url, "SELECT FROM pg_stat_activity WHERE" + OURS))
        assert_constrained(cut.url)
        people_there = value(cut.url, "SELECT count(*) FROM users")
        assert people_there % people.CHUNK == 0
        assert value(cut.url, "SELECT sum(total_days) FROM users") == value(
            cut.url, "SELECT count(*) FROM check_in_records"
        )
        assert value(cut.url, "SELECT nextval(pg_get_serial_sequence('users', 'id'))") > 900_000
        status, _, err = zxo(tmp_path, "seed", "--users", "5", **cut.variables)
        assert (status, f"cut off after {people_there:,} users" in err) == (1, True), err
        assert zxo(tmp_path, "migrate", "--down", "base", **cut.variables)[0] == 0
        assert zxo(tmp_path, "seed", "--users", "5", **cut.variables)[0] == 0
        assert value(cut.url, "SELECT count(*) FROM users") == 5


def test_people_who_are_there_already_are_left_alone(
    site: Site, tokens: Path, tmp_path: Path
) -> None:
    before = tokens.read_text()
    words = ("seed", "--users", "5", "--tokens", str(tokens))
    status, _, err = zxo(tmp_path, *words, **site.variables)
    assert status == 1
    assert err.splitlines()[-1] == (
        f"zxo The database already has {USERS} users; seed needs an empty one."
    )
    assert "Traceback" not in err
    assert tokens.read_text() == before
