"""The running application against its own documentation, with data made from the schema."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LOG_OUT = "/v1/auth/logout"  # ends the session that the other operations need
TOO_LONG_SECONDS = 1200


def check(
    server: str, token: str, folder: Path, root: Path, *selection: str, examples: int
) -> None:
    """Run every check against the selected operations; fail with what schemathesis says."""
    environment = {
        **os.environ,
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


def test_every_operation_does_what_is_documented(
    server: str, token: str, tmp_path: Path, root: Path
) -> None:
    check(server, token, tmp_path, root, "--exclude-path", LOG_OUT, examples=15)


def test_logging_out_does_what_is_documented(
    server: str, token: str, tmp_path: Path, root: Path
) -> None:
    check(server, token, tmp_path, root, "--include-path", LOG_OUT, examples=5)


@pytest.mark.slow
def test_every_operation_does_what_is_documented_in_depth(
    server: str, token: str, tmp_path: Path, root: Path
) -> None:
    check(server, token, tmp_path, root, "--exclude-path", LOG_OUT, examples=150)
