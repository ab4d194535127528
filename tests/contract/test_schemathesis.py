"""The running application against its own documentation, with data made from the schema."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract import snapshot
from tests.contract.conftest import Owner
from tests.factories import data

LOG_OUT = "/v1/auth/logout"  # ends the session that the other operations need
OPERATORS_LOG_OUT = "/v1/admin/logout"
# What nobody guesses: the old password, the code of a second factor.
NEVER_DONE = {("POST", "/v1/admin/password"), ("POST", "/v1/admin/totp/confirm")}
OF_OPERATORS = {
    (method.upper(), path)
    for path, methods in snapshot.current()["paths"].items()
    for method in methods
    if path.startswith("/v1/admin/") and path != OPERATORS_LOG_OUT
}
SUCCESS = re.compile(r'_ms_count\{method="([A-Z]+)",route="([^"]+)",status_code="2.."')
OPERATORS = ("--include-path-regex", "^/v1/admin/", "--exclude-path", OPERATORS_LOG_OUT)
TOO_LONG_SECONDS = 1200


def check(
    server: str,
    token: str,
    folder: Path,
    root: Path,
    *selection: str,
    examples: int,
    ids: dict[str, list[Any]] | None = None,
) -> None:
    """Run every check against the selected operations; fail with what schemathesis says.

    `ids`: of what there is, by the names in paths; `own` is the operator's whose the token is.
    """
    environment = {
        **os.environ,
        "CONTRACT_IDS": json.dumps(ids or {}),
        "SCHEMATHESIS_HOOKS": "tests.contract.schemathesis_hooks",
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
    }
    command: list[str | Path] = [
        Path(sys.executable).parent / "schemathesis",
        *("run", f"{server}/openapi.json", "--no-color", "--checks", "all"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--max-examples", str(examples), "--continue-on-failure", *selection),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TOO_LONG_SECONDS,
    )
    if done.returncode != 0:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    assert re.search(r"([0-9]+) generated, \1 passed", done.stdout), done.stdout


MANY = 100
FEW_UNSEEN = 4


def check_as(
    owner: Owner, server: str, folder: Path, root: Path, *selection: str, examples: int
) -> None:
    """The same with an operator's token, which has to be good to the end.

    Of many examples each route has answered one at least; of a few, nearly all have.
    """
    check(server, owner.token, folder, root, *selection, examples=examples, ids=owner.ids)
    me = httpx.get(f"{server}/v1/admin/me", headers=owner.headers, timeout=30)
    assert data(me)["role"] == "owner"
    done = set(SUCCESS.findall(httpx.get(f"{server}/metrics", timeout=30).text))
    unseen = OF_OPERATORS - done - NEVER_DONE
    assert len(unseen) <= (0 if examples >= MANY else FEW_UNSEEN), unseen


def test_every_operation_does_what_is_documented(
    server: str, token: str, tmp_path: Path, root: Path
) -> None:
    check(server, token, tmp_path, root, "--exclude-path", LOG_OUT, examples=15)


def test_logging_out_does_what_is_documented(
    server: str, token: str, tmp_path: Path, root: Path
) -> None:
    check(server, token, tmp_path, root, "--include-path", LOG_OUT, examples=5)


def test_an_owner_is_answered_as_documented(
    server: str, owner: Owner, tmp_path: Path, root: Path
) -> None:
    """The run above has a person's token: all that it sees of /admin are refusals."""
    check_as(owner, server, tmp_path, root, *OPERATORS, examples=5)
    log_out = "--include-path", OPERATORS_LOG_OUT
    check(server, owner.token, tmp_path, root, *log_out, examples=1)


@pytest.mark.slow
def test_every_operation_does_what_is_documented_in_depth(
    server: str, token: str, tmp_path: Path, root: Path
) -> None:
    check(server, token, tmp_path, root, "--exclude-path", LOG_OUT, examples=150)


@pytest.mark.slow
def test_an_owner_is_answered_as_documented_in_depth(
    server: str, owner: Owner, tmp_path: Path, root: Path
) -> None:
    check_as(owner, server, tmp_path, root, *OPERATORS, examples=60)
