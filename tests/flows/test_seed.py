"""`zxo seed`: made-up people whose history holds together."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from tests.processes import SECRET, api, sql, value, zxo
from zxo import embedded

USERS = 300
# Morning in Shanghai, so that neither run sees another day than the other.
MORNING = "2025-12-01T09:00:00+08:00"

# What may differ between two runs: the moment at which each was made.
STABLE = {
    "users": "id, openid, nickname, total_days, consecutive_days, makeup_cards,"
    " last_check_in_date, total_days_reached_at, province, city, district",
    "user_settings": "user_id, smoking_years, daily_amount",
    "sessions": "id, user_id, refresh_jti",
    "check_in_records": "user_id, check_in_date, is_makeup, rank_at_check_in, stars_at_check_in,"
    " made_on, created_at",
    "craving_records": "user_id, recorded_at, recorded_date, recorded_hour, intensity,"
    " trigger_type",
}


class Site:
    """A database of its own, and the variables that lead to it."""

    def __init__(self, services: embedded.Endpoints, name: str) -> None:
        self._admin, self._name = services.database_url, f"seed_{name}_{os.getpid()}"
        sql(self._admin, f"CREATE DATABASE {self._name}")
        self.url = services.database_url.replace("/zxo?", f"/{self._name}?")
        self.variables = {
            "DATABASE_URL": self.url,
            "REDIS_URL": services.redis_url,
            "JWT_SECRET": SECRET,
            "ZXO_CLOCK": MORNING,
        }

    def drop(self) -> None:
        sql(self._admin, f"DROP DATABASE {self._name} WITH (FORCE)")


@pytest.fixture(scope="module")
def site(services: embedded.Endpoints) -> Iterator[Site]:
    made = Site(services, "one")
    yield made
    made.drop()


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
    again = Site(services, "two")
    try:
        status, _, err = zxo(tmp_path, "seed", "--users", str(USERS), **again.variables)
        assert status == 0, err
        for table, columns in STABLE.items():
            query = f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3"
            assert sql(site.url, query) == sql(again.url, query), table
    finally:
        again.drop()


def test_people_who_are_there_already_are_left_alone(
    site: Site, tokens: Path, tmp_path: Path
) -> None:
    before = tokens.read_text()
    words = ("seed", "--users", "5", "--tokens", str(tokens))
    status, _, err = zxo(tmp_path, *words, **site.variables)
    assert status == 1
    assert err.splitlines()[-1] == "zxo The database already has users; seed needs an empty one."
    assert "Traceback" not in err
    assert tokens.read_text() == before
