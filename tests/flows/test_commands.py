"""The command line: what it says, and how it ends, when things go well and when they do not.

Most of it runs `cli.main()` in this process: a Python that starts costs a second.
"""

import socket
from pathlib import Path

import pytest

from tests.flows.commands import Ended, Run, assert_one_line
from tests.processes import free_port, sql, value
from tests.processes import zxo as run_zxo
from zxo import embedded

COMMANDS = ["up", "api", "realtime", "worker", "migrate", "seed", "statistics", "doctor"]
COMMANDS += ["web-push-key", "rotate-keys"]


def test_help_names_every_command(run: Run) -> None:
    ended = run("--help")
    assert ended.status == 0
    for command in COMMANDS:
        assert f" {command} " in ended.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert ended.status == 0
    assert f"Usage: zxo {command}" in ended.out
    assert ended.err == ""


def test_without_a_command_help_is_shown_and_the_status_says_that_nothing_was_done(
    run: Run,
) -> None:
    ended = run()
    assert ended.status == 2
    assert "Usage: zxo" in ended.out


def test_version(run: Run) -> None:
    assert run("--version") == (0, "zxo 0.1.0\n", "")


def test_a_mistyped_command_line_is_one_line(run: Run) -> None:
    assert_one_line(run("frobnicate"), "frobnicate", status=2)
    assert_one_line(run("up", "--prot", "80"), "--prot", status=2)
    assert_one_line(run("up", "--port", "http"), "--port", "valid integer", status=2)
    assert_one_line(run("api", "--port", "70000"), "--port", status=2)
    assert_one_line(run("seed"), "--users", status=2)
    assert_one_line(run("seed", "--users", "0"), "--users", status=2)
    assert_one_line(run("statistics", "--from", "yesterday"), "--from", status=2)
    assert_one_line(run("statistics", "--to", "2025-02-29"), "--to", status=2)


def test_a_setting_that_cannot_be_used_is_one_line_that_names_it(run: Run) -> None:
    assert_one_line(run("api", "--modules", "checkins,nonsense"), "no such module: nonsense")
    assert_one_line(run("api", PORT="0"), "PORT")
    assert_one_line(run("worker", ZXO_CLOCK="yesterday"), "ZXO_CLOCK")
    assert_one_line(run("migrate", DATABASE_URL="mysql://localhost/zxo"), "DATABASE_URL")
    assert_one_line(run("api", APP_ENV="production"), "DATABASE_URL")
    assert_one_line(run("migrate", DATABASE_URL="postgresql://zxo@127.0.0.1:abc/zxo"), "abc")


def test_a_port_in_use_is_one_line_and_nothing_was_started(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("up", "api"):
            ended = run(command, "--port", port)
            assert_one_line(ended, f"Cannot listen on 127.0.0.1:{port}: Address already in use")
    assert_one_line(run("api", "--host", "192.0.2.1"), "Cannot listen on 192.0.2.1:3000")
    assert list(tmp_path.iterdir()) == []


def test_seed_refuses_production(run: Run, on: dict[str, str]) -> None:
    ended = run("seed", "--users", "5", **on, APP_ENV="production")
    assert_one_line(ended, "does not run in production")


def test_a_database_that_is_away_is_one_line(
    run: Run, services: embedded.Endpoints, tmp_path: Path
) -> None:
    nowhere = {
        "DATABASE_URL": f"postgresql://zxo:hush@127.0.0.1:{free_port()}/zxo",
        "REDIS_URL": services.redis_url,
    }
    for command in (("migrate",), ("seed", "--users", "1"), ("statistics",), ("rotate-keys",)):
        ended = run(*command, **nowhere)
        assert_one_line(ended, "PostgreSQL cannot be used", "Connect call failed")
        assert "hush" not in ended.err
    up = Ended(*run_zxo(tmp_path, "up", "--port", str(free_port()), **nowhere))
    assert_one_line(up, "PostgreSQL cannot be used", "Connect call failed")


def test_a_database_that_refuses_us_is_one_line(run: Run, services: embedded.Endpoints) -> None:
    strangers = {
        'role "nobody"': services.database_url.replace("zxo@", "nobody@"),
        'database "nowhere"': services.database_url.replace("/zxo?", "/nowhere?"),
    }
    for text, url in strangers.items():
        for command in ("migrate", "api", "worker"):
            port = {"PORT": str(free_port())}
            ended = run(command, **port, DATABASE_URL=url, REDIS_URL=services.redis_url)
            assert_one_line(ended, "PostgreSQL cannot be used", text, "does not exist")


def test_a_role_on_a_database_without_tables_says_what_to_do(run: Run, on: dict[str, str]) -> None:
    for role in ("api", "worker", "statistics", "rotate-keys"):
        ended = run(role, **on, PORT=str(free_port()))
        assert_one_line(ended, "no tables yet: run `zxo migrate` first")


def test_migrate_goes_up_down_and_up_again(run: Run, on: dict[str, str]) -> None:
    count = "SELECT count(*) FROM pg_class WHERE relname = 'check_in_records'"
    for words, revision, tables in (
        (("migrate",), "00", 1),
        (("migrate",), "00", 1),
        (("migrate", "--down", "base"), "base", 0),
        (("migrate",), "00", 1),
    ):
        ended = run(*words, **on)
        assert ended.status == 0, ended
        assert f"The schema is at {revision}" in ended.err
        assert value(on["DATABASE_URL"], count) == tables


def test_a_schema_that_the_code_does_not_know_is_one_line(run: Run, on: dict[str, str]) -> None:
    assert run("migrate", **on).status == 0
    sql(on["DATABASE_URL"], "UPDATE alembic_version SET version_num = 'from the future'")
    assert_one_line(run("migrate", **on), "from the future")
    assert_one_line(run("seed", "--users", "1", **on), "from the future")
    assert_one_line(run("migrate", "no-such-revision", **on), "revision")


def test_statistics_writes_yesterday_or_the_days_that_it_is_told(
    run: Run, on: dict[str, str]
) -> None:
    assert run("migrate", **on).status == 0
    at = {**on, "ZXO_CLOCK": "2028-03-01T00:30:00+08:00"}
    days = "SELECT array_agg(DISTINCT stat_date::text ORDER BY stat_date::text) FROM statistics"
    for words, said, last in (
        ((), "1 day written", ["2028-02-29"]),
        (("--to", "2028-02-27"), "1 day written", ["2028-02-27", "2028-02-29"]),
        (("--from", "2028-02-28"), "2 days written", ["2028-02-27", "2028-02-28", "2028-02-29"]),
    ):
        ended = run("statistics", *words, **at)
        assert (ended.status, ended.out) == (0, ""), ended
        assert said in ended.err
        assert "100%" in ended.err
        assert value(on["DATABASE_URL"], days) == last


def test_statistics_of_days_that_cannot_be_counted_is_one_line(
    run: Run, on: dict[str, str]
) -> None:
    assert run("migrate", **on).status == 0
    at = {**on, "ZXO_CLOCK": "2028-03-01T00:30:00+08:00"}
    for first, last, text in (
        ("2028-02-01", "2028-03-01", "2028-03-01 is not over in Shanghai"),
        ("2028-02-28", "2028-02-27", "is after the last"),
        ("2026-01-01", "2028-01-01", "731 days are too many at once"),
        ("0001-01-01", "0001-01-01", "before 2000-01-01"),
    ):
        assert_one_line(run("statistics", "--from", first, "--to", last, **at), text)
    assert value(on["DATABASE_URL"], "SELECT count(*) FROM statistics") == 0


def test_doctor_finds_a_healthy_site_healthy(run: Run, on: dict[str, str]) -> None:
    assert run("migrate", **on).status == 0
    ended = run("doctor", **on)
    assert (ended.status, ended.err) == (0, "")
    assert "✗" not in ended.out
    for check in ("Python", "PostgreSQL", "schema", "Valkey", "disk", "log-in"):
        assert f"✓ {check}" in ended.out


def test_doctor_says_what_is_missing_and_what_to_do(run: Run, on: dict[str, str]) -> None:
    ended = run("doctor", **on)
    assert ended.status == 1
    assert "✗ schema" in ended.out
    assert "run zxo migrate" in ended.out


def test_doctor_reports_servers_that_are_away(run: Run) -> None:
    port = free_port()
    away = {"DATABASE_URL": f"postgresql://zxo@127.0.0.1:{port}/zxo"}
    ended = run("doctor", **away, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    assert ended.status == 1
    for check in ("PostgreSQL", "schema", "Valkey"):
        assert f"✗ {check}" in ended.out
    assert "✓ disk" in ended.out


def test_doctor_reports_embedded_servers_that_cannot_start(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    ended = run("doctor", "--data-dir", str(tmp_path / "data"))
    assert ended.status == 1
    assert len(ended.err.splitlines()) == 1
    assert "✗ PostgreSQL" in ended.out
    assert "✗ Valkey" in ended.out
    assert "✓ Python" in ended.out


def test_python_m_zxo_and_its_exit_status(tmp_path: Path) -> None:
    status, out, err = run_zxo(tmp_path, "api", "--modules", "nonsense")
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert "no such module: nonsense" in err
