"""`zxo up`: one command, everything runs; one Ctrl-C, everything has stopped."""

import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

import zxo
from tests.processes import Zxo, eventually, free_port, log_in, running, still_alive
from tests.processes import zxo as run_zxo

READY = "Ctrl-C stops everything"
ROOT = os.geteuid() == 0
log = logging.getLogger(__name__)


class Instance(Zxo):
    """`zxo up` on a port of its own."""

    def __init__(self, folder: Path, data: str = "data", **environment: str) -> None:
        self.port = free_port()
        self.data = folder / data
        arguments = ("--port", str(self.port), "--data-dir", str(self.data))
        super().__init__(folder, "up", *arguments, **environment)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)


@pytest.fixture
def instances() -> Iterator[list[Instance]]:
    """Those that a test has started; all gone when it ends."""
    started: list[Instance] = []
    yield started
    for instance in started:
        instance.discard()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One that is up, for tests that leave it so."""
    instance = Instance(tmp_path_factory.mktemp("shared"))
    try:
        instance.wait_for(READY)
        yield instance
    finally:
        instance.discard()


def test_what_was_done_before_ctrl_c_is_there_after_the_next_start(
    tmp_path: Path, instances: list[Instance]
) -> None:
    first = Instance(tmp_path)
    instances.append(first)
    first.wait_for(READY)
    assert f"ZXO listens at http://localhost:{first.port}" in first.said()
    assert f"The data are in {first.data}" in first.said()
    with first.client() as client:
        alice = log_in(client, "alice")
        assert client.post("/v1/check-in", headers=alice).json()["data"]["totalDays"] == 1
    family = first.family()
    names = " ".join(process.name() for process in family)
    assert "valkey" in names
    assert "postgres" in names
    began = time.monotonic()
    assert first.stop() == 0
    assert time.monotonic() - began < 30
    assert "Stopped. Everything is saved." in first.said()
    assert still_alive(family) == []

    began = time.monotonic()
    second = Instance(tmp_path)
    instances.append(second)
    second.wait_for(READY)
    took = time.monotonic() - began
    log.info("ready %.1f s after the second start", took)
    assert took < 15
    with second.client() as client:
        today = client.get("/v1/check-in/today", headers=alice)  # the old token, too, still counts
        assert today.json()["data"]["hasCheckedIn"] is True
    assert second.stop(signal.SIGTERM) == 0


@pytest.mark.slow
def test_a_second_instance_runs_on_another_port_and_folder(
    shared: Instance, tmp_path: Path, instances: list[Instance]
) -> None:
    other = Instance(tmp_path)
    instances.append(other)
    other.wait_for(READY)
    for instance, days in ((shared, 1), (other, 1)):
        with instance.client() as client:
            bob = log_in(client, "side-by-side")
            answer = client.post("/v1/check-in", headers=bob)
            assert answer.json()["data"]["totalDays"] == days
    assert other.stop() == 0
    assert still_alive(shared.family())


def test_a_second_up_on_the_same_data_is_one_line(shared: Instance, tmp_path: Path) -> None:
    options = ("--port", str(free_port()), "--data-dir", str(shared.data))
    status, out, err = run_zxo(tmp_path, "up", *options)
    assert (status, out, len(err.splitlines())) == (1, "", 1), err
    assert f"Another ZXO (process {shared.pid}) is using {shared.data}" in err


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_killed_role_is_started_again(shared: Instance, role: str) -> None:
    before = shared.child(role)
    os.killpg(before.pid, signal.SIGKILL)
    shared.wait_for(f"{role} ended unexpectedly (exit status -9); starting it again")
    after = eventually(lambda: shared.child(role))
    assert after.pid != before.pid
    with shared.client() as client:
        assert eventually(lambda: client.get("/ready").is_success)


def test_a_killed_server_process_is_replaced(shared: Instance) -> None:
    server = eventually(lambda: shared.child("api").children())[0]
    server.kill()
    replaced = eventually(lambda: set(shared.child("api").children()) - {server})
    assert len(replaced) == 1
    with shared.client() as client:
        assert eventually(lambda: client.get("/ready").is_success)


@pytest.mark.slow
def test_the_folder_of_a_killed_supervisor_is_taken_over(
    tmp_path: Path, instances: list[Instance]
) -> None:
    first = Instance(tmp_path)
    instances.append(first)
    first.wait_for(READY)
    with first.client() as client:
        carol = log_in(client, "carol")
        assert client.post("/v1/check-in", headers=carol).is_success
    roles = [p for name in ("api", "worker") for p in tree(first.child(name))]
    assert len(roles) == 3  # the API serves from a process of its own
    first.send(signal.SIGKILL)
    began = time.monotonic()
    eventually(lambda: still_alive(roles) == [])
    took = time.monotonic() - began
    log.info("the roles were gone %.1f s after the supervisor", took)
    assert took < 10

    second = Instance(tmp_path)
    instances.append(second)
    second.wait_for(READY)
    assert "a killed ZXO left running" in second.said()
    with second.client() as client:
        today = client.get("/v1/check-in/today", headers=carol)
        assert today.json()["data"]["hasCheckedIn"] is True
    assert second.stop() == 0


def tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


SLOW_MOMENTS = ["Valkey: starting", "preparing a new data folder"]
MOMENTS = [*(pytest.param(moment, marks=pytest.mark.slow) for moment in SLOW_MOMENTS)]


@pytest.mark.parametrize("moment", [*MOMENTS, "PostgreSQL: starting"])
def test_ctrl_c_while_the_services_start_leaves_nothing_behind(
    tmp_path: Path, moment: str, instances: list[Instance]
) -> None:
    instance = Instance(tmp_path)
    instances.append(instance)
    instance.wait_for(moment)
    assert_ends_at_once(instance)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.1, 1.4])
def test_ctrl_c_at_any_moment_of_the_start_leaves_nothing_behind(
    tmp_path: Path, delay: float, instances: list[Instance]
) -> None:
    instance = Instance(tmp_path)
    instances.append(instance)
    instance.wait_for("PostgreSQL: starting")
    time.sleep(delay)
    assert_ends_at_once(instance)


def assert_ends_at_once(instance: Instance) -> None:
    family = instance.family()
    began = time.monotonic()
    assert instance.stop() == 0, instance.said()
    assert time.monotonic() - began < 20
    assert "Traceback" not in instance.said()
    assert still_alive(family) == []
    assert using(instance.data) == []


def using(data: Path) -> list[psutil.Process]:
    """The processes with the folder in their environment, arguments, or as working folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        text = " ".join([*(process.info["cmdline"] or ()), process.info["cwd"] or ""])
        if str(data) in text:
            found.append(process)
    return found


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait_and_leaves_nothing_behind(
    tmp_path: Path, instances: list[Instance]
) -> None:
    instance = Instance(tmp_path)
    instances.append(instance)
    instance.wait_for(READY)
    family = instance.family()
    instance.child("worker").suspend()  # it will not stop when asked
    instance.send(signal.SIGINT)
    instance.wait_for("Stopping …")
    time.sleep(0.3)
    assert instance.process.poll() is None
    instance.send(signal.SIGINT)
    assert instance.wait(20) == 0
    assert still_alive(family) == []


def interpreter_for_anybody() -> str | None:
    """A Python of this version that an account without rights may run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for program in filter(None, (sys.executable, shutil.which(version, path="/usr/bin:/bin"))):
        folders = Path(program).resolve().parents
        if all(folder.stat().st_mode & 0o001 for folder in folders):
            return program
    return None


@pytest.mark.slow
@pytest.mark.skipif(not ROOT, reason="the other tests already run as an ordinary user")
def test_an_ordinary_user_needs_no_root() -> None:
    program = interpreter_for_anybody()
    if program is None:
        pytest.skip("no Python here that an ordinary user may run")
    source = Path(zxo.__file__).parents[1]
    packages = Path(psutil.__file__).parents[1]
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        # Below 3.11.3 the Valkey client wants this package, which a newer Python need not have.
        Path(home, "async_timeout.py").write_text("from asyncio import timeout\n")
        port = free_port()
        process = subprocess.Popen(
            [program, "-m", "zxo", "up", "--port", str(port), "--data-dir", f"{home}/data"],
            cwd=home,
            env={"PYTHONPATH": f"{source}:{packages}:{home}", "HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user="nobody",
            group=nobody.pw_gid,
            extra_groups=[],
        )
        try:
            ready = f"http://127.0.0.1:{port}/ready"
            assert eventually(lambda: process.poll() is None and httpx.get(ready).is_success)
            family = tree(psutil.Process(process.pid))
            assert {member.uids().real for member in family} == {nobody.pw_uid}
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(40) == 0
        assert still_alive(family) == []


@pytest.mark.slow
def test_where_the_folder_cannot_be_used_up_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    options = ("--port", str(free_port()), "--data-dir", str(tmp_path / "data"))
    with running(tmp_path, "up", *options) as instance:
        assert instance.wait() == 1
    assert len(instance.said().splitlines()) == 1
    assert str(tmp_path / "data") in instance.said()
