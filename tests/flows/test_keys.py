"""Keys: those that cannot be read, and those that are made."""

import os
from pathlib import Path

import pytest

from tests.flows.commands import Run, assert_one_line
from tests.processes import free_port
from zxo import context, keyring
from zxo.clients.web_push_crypto import private_key
from zxo.settings import Settings


def test_a_key_that_cannot_be_read_is_one_line(run: Run, on: dict[str, str]) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----"
    for role in ("api", "worker"):
        port = {"PORT": str(free_port())}
        ended = run(role, **{**on, **port, "JWT_ALGORITHM": "EdDSA", "JWT_SECRET": key})
        assert_one_line(ended, "settings cannot be used")
        assert "nonsense" not in ended.err


@pytest.mark.parametrize("key", ["nonsense", "AAAA"])
def test_a_key_for_web_push_that_cannot_be_read_is_one_line(
    run: Run, on: dict[str, str], key: str
) -> None:
    push = {"WEB_PUSH_VAPID_KEY": key, "WEB_PUSH_SUBJECT": "mailto:ops@zxo.test"}
    ended = run("worker", **on, **push)
    assert_one_line(ended, "settings cannot be used", "Web Push")
    assert key not in ended.err


def test_a_key_for_web_push_is_made_and_can_be_used(run: Run) -> None:
    first, second = run("web-push-key"), run("web-push-key")
    assert (first.status, first.err) == (0, "")
    assert first.out != second.out
    assert private_key(first.out).curve.name == "secp256r1"


def test_outside_production_a_key_for_web_push_is_made_once_and_kept(tmp_path: Path) -> None:
    environment = dict(os.environ)
    try:
        first = keyring.with_secrets(Settings(data_dir=tmp_path, env="test"))
        os.environ.clear()
        os.environ.update(environment)
        second = keyring.with_secrets(Settings(data_dir=tmp_path, env="test"))
    finally:
        os.environ.clear()
        os.environ.update(environment)
    assert first.web_push.key.get_secret_value() == second.web_push.key.get_secret_value()
    assert context.web_push(first) is not None
    assert (tmp_path / "web-push-key").stat().st_mode & 0o777 == 0o600
