"""Commands that run in this process, and an empty database for them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.commands import Ended, Run
from tests.processes import SECRET, sql
from zxo import cli, embedded


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty folder: variables first, then the words of the command line."""
    environment = dict(os.environ)

    def main(*words: str, **variables: str) -> Ended:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["zxo", *words])
        os.environ.update({"COLUMNS": "200", "JWT_SECRET": SECRET, **variables})
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as ending:
                cli.main()
        finally:
            os.environ.clear()
            os.environ.update(environment)
        status = ending.value.code or 0
        assert isinstance(status, int)
        return Ended(status, *capfd.readouterr())

    return main


@pytest.fixture
def database(services: embedded.Endpoints, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, without tables."""
    name = f"commands_{os.getpid()}_{abs(hash(tmp_path))}"
    sql(services.database_url, f"CREATE DATABASE {name}")
    yield services.database_url.replace("/zxo?", f"/{name}?")
    sql(services.database_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def on(database: str, services: embedded.Endpoints) -> dict[str, str]:
    """The variables that lead to the empty database."""
    return {"DATABASE_URL": database, "REDIS_URL": services.redis_url}
