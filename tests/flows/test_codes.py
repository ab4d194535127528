"""`zxo codes generate`: codes are told once, to whoever made them."""

import csv
import io
import stat
from pathlib import Path

import pytest

from tests.flows.commands import Run, assert_one_line
from tests.processes import sql, value
from tests.test_settings import PRODUCTION

VIP = ("codes", "generate", "--type", "vip", "--days", "30")


@pytest.fixture
def migrated(run: Run, on: dict[str, str]) -> dict[str, str]:
    assert run("migrate", **on).status == 0
    return on


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_codes_are_printed_as_csv_and_the_batch_is_recorded(
    run: Run, migrated: dict[str, str]
) -> None:
    ended = run(*VIP, "--count", "100", "--until", "2026-01-31", **migrated)
    assert ended.status == 0, ended.err
    made = rows(ended.out)
    assert len({row["code"] for row in made}) == 100
    assert {len(row["code"]) for row in made} == {12}
    assert {(row["type"], row["days"], row["max_uses"]) for row in made} == {("vip", "30", "1")}
    assert {row["valid_until"] for row in made} == {"2026-01-31T15:59:59.999999+00:00"}
    batch = made[0]["batch"]
    kept = "SELECT codes FROM redeem_batches WHERE id::text = $1 AND created_by IS NULL"
    assert value(migrated["DATABASE_URL"], kept, batch) == 100
    assert value(migrated["DATABASE_URL"], "SELECT count(*) FROM redeem_codes") == 100
    assert not [row for row in made if row["code"] in ended.err]


def test_a_file_is_for_its_owner_and_never_written_over(
    run: Run, migrated: dict[str, str], tmp_path: Path
) -> None:
    words = ("codes", "generate", "--type", "makeup_card", "--cards", "2", "--output", "codes.csv")
    ended = run(*words, "--text", "danke-2026", "--max-uses", "-1", **migrated)
    assert (ended.status, ended.out) == (0, "")
    file = tmp_path / "codes.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (made,) = rows(file.read_text())
    assert (made["code"], made["cards"], made["max_uses"]) == ("DANKE2026", "2", "-1")
    assert_one_line(run(*words, **migrated), "codes.csv")
    assert rows(file.read_text()) == [made]
    assert value(migrated["DATABASE_URL"], "SELECT count(*) FROM redeem_codes") == 1


def test_what_cannot_be_made_is_one_line_and_leaves_no_file(
    run: Run, migrated: dict[str, str], tmp_path: Path
) -> None:
    words = ("codes", "generate", "--output", "codes.csv", "--type")
    assert_one_line(run(*words, "vip", **migrated), "days: 1 to 3660")
    assert_one_line(run(*words, "ai", "--count", "10001", **migrated), "count: 1 to 10000")
    assert_one_line(run(*words, "ai", "--text", "ABC", **migrated), "text: 6 to 50")
    assert run("codes", "generate", "--type", "ai", "--text", "ABCDEF", **migrated).status == 0
    assert_one_line(run(*words, "ai", "--text", "abc def", **migrated), "reads the same")
    assert_one_line(run(*words, "gold", **migrated), "--type", status=2)
    assert not (tmp_path / "codes.csv").exists()
    assert sql(migrated["DATABASE_URL"], "SELECT codes FROM redeem_batches") == [(1,)]


def test_it_works_in_production(run: Run, migrated: dict[str, str]) -> None:
    ended = run(*VIP, **{**PRODUCTION, **migrated})
    assert ended.status == 0, ended.err
    assert len(rows(ended.out)) == 1
