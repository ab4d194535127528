"""The application as a process of its own, on a port of this machine."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories import data
from tests.fakes.wechat import APP_ID, APP_SECRET, FakeWechat
from tests.processes import sql
from zxo import embedded

PASSWORD = "correct horse battery"
# Some to run again, and some to give up.
PARKED = """
INSERT INTO pgqueuer (priority, status, entrypoint, attempts)
SELECT 0, 'failed', 'rankings.rebuild', 5 FROM generate_series(1, 40) RETURNING id
"""
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


@dataclass(frozen=True)
class Owner:
    """An operator who may do everything, signed in; `ids` of what there is, by name in a path."""

    token: str
    ids: dict[str, list[Any]]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def owner(server: str, environment: dict[str, str], token: str) -> Owner:
    name = f"owner-{secrets.token_hex(4)}"
    command = [sys.executable, "-m", "zxo", "admin", "create", "--name", name]
    subprocess.run(command, env=environment, input=f"{PASSWORD}\n", text=True, check=True)
    body = {"name": name, "password": PASSWORD}
    signed_in = data(httpx.post(f"{server}/v1/admin/login", json=body, timeout=30))
    made = Owner(signed_in["token"], {"own": [signed_in["operator"]["id"]]})
    jobs = [row[0] for row in sql(environment["DATABASE_URL"], PARKED)]
    with httpx.Client(base_url=f"{server}/v1", headers=made.headers, timeout=30) as client:
        made.ids.update(_something_of_everything(client), job_id=jobs)
    return made


def _something_of_everything(client: httpx.Client) -> dict[str, list[Any]]:
    """A person, another operator, and codes."""
    body = {"name": f"viewer-{secrets.token_hex(4)}", "password": PASSWORD, "role": "viewer"}
    other = data(client.post("/admin/operators", json=body), 201)
    codes = {"codeType": "vip", "durationDays": 30, "count": 20}
    batch = data(client.post("/admin/redeem-codes", json=codes), 201)["batch"]["id"]
    listed = data(client.get(f"/admin/redeem-codes/{batch}"))["codes"]
    found = data(client.post("/admin/search/users", json={"text": "戒烟"}))["users"]
    assert found
    return {
        "operator_id": [other["id"]],
        "batch_id": [batch],
        "code_id": [code["id"] for code in listed],
        "user_id": [person["id"] for person in found],
    }


@pytest.fixture(scope="session")
def environment(
    services: embedded.Endpoints, wechat: FakeWechat, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What the server and the command line run with."""
    return {
        **os.environ,
        "APP_ENV": "test",
        "PORT": str(_free_port()),
        "ZXO_DATA_DIR": str(tmp_path_factory.mktemp("server")),
        "DATABASE_URL": services.database_url,
        "REDIS_URL": services.redis_url,
        "JWT_SECRET": "only-for-the-contract-tests-0123456789",
        "RATE_LIMITS": "off",  # or most answers would be 429
        "WECHAT_APP_ID": APP_ID,
        "WECHAT_APP_SECRET": APP_SECRET,
        "WECHAT_BASE_URL": wechat.url,
        **{f"WECHAT_TEMPLATE_{name}": "T-1" for name in ("REMINDER", "MILESTONE", "MEMBERSHIP")},
    }


@pytest.fixture(scope="session")
def server(environment: dict[str, str]) -> Iterator[str]:
    """The URL of a `zxo api` that serves until the tests end."""
    folder = Path(environment["ZXO_DATA_DIR"])
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "zxo", "api"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{environment['PORT']}"
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)
