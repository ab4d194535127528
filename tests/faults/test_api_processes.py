"""The processes of `zxo api`: they count together, end together, and start or say why not."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes import api, eventually, free_port, running, still_alive

MEGABYTE = 2**20


def counted(client: httpx.Client) -> int:
    """How many answers of /health the metrics know of."""
    text = client.get("/metrics").text
    found = re.search(r'_count\{[^}]*route="/health"[^}]*\} (\d+)', text)
    return int(found[1]) if found else 0


def test_metrics_are_those_of_all_server_processes(site: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"left by a process of long ago")
    with api(tmp_path, "--workers", "2", **site, PROMETHEUS_MULTIPROC_DIR=str(folder)) as (
        process,
        client,
    ):
        eventually(lambda: len(process.family()) == 3)
        # A connection stays with one process: new ones until each has answered some.
        wrote: set[str] = set()
        sent = 0
        while len(wrote) < 2:
            assert sent < 1000, "one process answers everything"
            assert httpx.get(f"{client.base_url}/health").is_success
            sent += 1
            wrote = {file.name for file in folder.glob("histogram_*.db")}
        assert counted(client) == sent
        assert not (folder / "counter_1.db").exists()


@pytest.mark.slow
def test_without_a_configured_folder_two_processes_share_one_of_their_own(
    site: dict[str, str], tmp_path: Path
) -> None:
    with api(tmp_path, "--workers", "2", **site, TMPDIR=str(tmp_path)) as (process, client):
        for _ in range(40):
            assert httpx.get(f"{client.base_url}/health").is_success
        assert counted(client) == 40
        assert len(list(tmp_path.glob("zxo-metrics-*"))) == 1
        process.send(signal.SIGTERM)
        assert process.wait(30) == 0
    assert list(tmp_path.glob("zxo-metrics-*")) == []


def test_a_killed_main_process_leaves_no_server_behind(
    site: dict[str, str], tmp_path: Path
) -> None:
    with api(tmp_path, **site) as (process, client):
        servers = process.family()[1:]
        assert len(servers) == 1
        process.send(signal.SIGKILL)
        process.wait()
        eventually(lambda: still_alive(servers) == [])
        with pytest.raises(httpx.ConnectError):
            client.get("/health")


def test_an_application_that_cannot_start_ends_with_a_reason(
    site: dict[str, str], tmp_path: Path
) -> None:
    """What the checks before it did not foresee: here, a folder for metrics that is a file."""
    (tmp_path / "file").write_text("")
    variables = {**site, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "file")}
    with running(tmp_path, "api", "--port", str(free_port()), **variables) as process:
        assert process.wait(30) == 1
    assert len(process.said().splitlines()) == 1
    assert str(tmp_path / "file") in process.said()


BROKEN = """
from zxo import api, settings

def broken(*_, **__):
    raise RuntimeError("it is broken")

api.{name} = broken
api.serve(settings.load())
"""


@pytest.mark.parametrize("name", ["create_app", "open_context"])
def test_a_server_process_that_cannot_start_says_why_and_is_not_tried_for_ever(
    site: dict[str, str], tmp_path: Path, name: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN.format(name=name)],
        cwd=tmp_path,
        env={**os.environ, **site, "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert 1 <= done.stderr.count("RuntimeError: it is broken") <= 2, done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_an_idle_process_stays_within_its_memory(site: dict[str, str], tmp_path: Path) -> None:
    with api(tmp_path, **site) as (process, client):
        assert client.get("/v1/regions").is_success
        server = process.family()[1]
        assert server.memory_info().rss < 150 * MEGABYTE
    with running(tmp_path, "worker", **site) as worker:
        worker.wait_for("worker_started")
        assert psutil.Process(worker.pid).memory_info().rss < 150 * MEGABYTE
