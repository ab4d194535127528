"""The application as a process of its own, on a port of this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from zxo import embedded

START_SECONDS = 60
STOP_SECONDS = 40


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"not ready after {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def wechat() -> Iterator[FakeWechat]:
    """WeChat as the server knows it: with credentials, an unknown code is a 401."""
    with FakeWechat() as fake:
        yield fake


@pytest.fixture
def token(server: str, wechat: FakeWechat, request: pytest.FixtureRequest) -> str:
    """The token of somebody who has just logged in."""
    code = f"code of {request.node.name}"
    wechat.codes[code] = f"openid-of-{request.node.name}"
    answer = httpx.post(f"{server}/v1/auth/wechat/login", json={"code": code}, timeout=30)
    return str(answer.json()["data"]["token"])


@pytest.fixture(scope="session")
def server(
    services: embedded.Endpoints, wechat: FakeWechat, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a `zxo api` that serves until the tests end."""
    folder = tmp_path_factory.mktemp("server")
    log, port = folder / "log", _free_port()
    environment = {
        **os.environ,
        "APP_ENV": "test",
        "PORT": str(port),
        "DATABASE_URL": services.database_url,
        "REDIS_URL": services.redis_url,
        "JWT_SECRET": "only-for-the-contract-tests-0123456789",
        "RATE_LIMITS": "off",  # or most answers would be 429
        "WECHAT_APP_ID": APP_ID,
        "WECHAT_APP_SECRET": APP_SECRET,
        "WECHAT_BASE_URL": wechat.url,
        **{f"WECHAT_TEMPLATE_{name}": "T-1" for name in ("REMINDER", "MILESTONE", "MEMBERSHIP")},
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "zxo", "api"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)
