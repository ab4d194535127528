"""`zxo admin create`: the first owner, made at the command line."""

import io
import sys
import unicodedata

import bcrypt
import pytest

from tests.flows.commands import Ended, Run, assert_one_line
from tests.processes import sql
from zxo.kit import passwords

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)


@pytest.fixture(autouse=True)
def tables(run: Run, on: dict[str, str]) -> None:
    assert run("migrate", **on).status == 0


def create(
    run: Run, on: dict[str, str], monkeypatch: pytest.MonkeyPatch, password: str, *words: str
) -> Ended:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    return run("admin", "create", *words, **on)


def test_an_owner_is_made_once_and_the_password_is_nowhere(
    run: Run, on: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--name", "the-first")
    ended = create(run, on, monkeypatch, PASSWORD, *words)
    assert ended.status == 0, ended.err
    assert "the-first, owner" in ended.err
    assert PASSWORD not in ended.err + ended.out
    again = create(run, on, monkeypatch, PASSWORD, "--name", "The-First")
    assert again.status == 1
    assert len(again.err.splitlines()) == 1


def test_a_weak_password_is_one_line(
    run: Run, on: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = create(run, on, monkeypatch, "short", "--name", "weak")
    assert ended.status == 1
    assert len(ended.err.splitlines()) == 1


def test_name_and_password_are_stored_as_a_log_in_sends_them(
    run: Run, on: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log-in brings NFC without invisible marks; a terminal may bring anything."""
    typed = unicodedata.normalize("NFD", "déjà vu à Paris") + "\u200b"
    ended = create(run, on, monkeypatch, typed, "--name", " Zoe\u0301 ")
    assert ended.status == 0, ended.err
    [(name, stored)] = sql(
        on["DATABASE_URL"], "SELECT name, password_hash FROM operators WHERE name LIKE 'Zo%'"
    )
    assert name == "Zoé"
    assert bcrypt.checkpw("déjà vu à Paris".encode(), stored.encode())


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "two\nlines", "bell\a"])
def test_a_name_that_nobody_can_sign_in_as_is_refused_in_one_line(
    run: Run, on: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ended = create(run, on, monkeypatch, PASSWORD, "--name", name)
    assert_one_line(ended, "name", status=2)
    assert PASSWORD not in ended.err
    assert sql(on["DATABASE_URL"], "SELECT FROM operators") == []
