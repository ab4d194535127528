"""Starting, stopping, and what may be wrong with the place. `fsync` is off where it only costs."""

import errno
import importlib.util
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from tests.embedded.sites import FAST, lives, owner, run_folder, server_pids, sql, valkey
from zxo.embedded import EmbeddedError, services


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
        assert sql(ends, "SELECT current_user") == "zxo"


def test_two_sites_run_side_by_side(tmp_path):
    with (
        services(tmp_path / "a", postgres=False) as a,
        services(tmp_path / "b", postgres=False) as b,
    ):
        valkey(a, "SET", "site", "a")
        valkey(b, "SET", "site", "b")
        assert (valkey(a, "GET", "site"), valkey(b, "GET", "site")) == ("a", "b")
        assert a.database_url == ""


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
