"""Who owns the servers, and what a killed owner leaves: real servers, real kills."""

import fcntl
import os
import signal
import subprocess
import threading

import pytest

from tests.embedded.sites import FAST, ROOT, lives, owner, server_pids, sql, valkey
from zxo import embedded
from zxo.embedded import EmbeddedError, services


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
