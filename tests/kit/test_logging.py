"""One JSON object a line, or text for a person; secrets in neither."""

import logging
from datetime import date
from typing import Any

import pytest
from structlog import get_logger
from structlog.contextvars import bound_contextvars

from tests.factories import Visitor
from tests.fakes.wechat import APP_ID, APP_SECRET
from tests.kit.captured import captured, lines

SECRET = "k7-battery-staple"


def fail(token: str) -> None:
    """`token` is a local variable, which a careless traceback would show."""
    raise RuntimeError("on purpose")


def test_a_line_is_one_object_that_says_when_who_and_what() -> None:
    with captured() as stream:
        get_logger("zxo.some.module").warning("it_happened", day=date(2025, 12, 1), name="戒烟")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "it_happened",
        "level": "warning",
        "logger": "zxo.some.module",
        "role": "test",
        "day": "2025-12-01",
        "name": "戒烟",
    }
    assert "戒烟" in stream.getvalue()


def test_the_request_id_is_on_every_line() -> None:
    with captured() as stream, bound_contextvars(request_id="r1"):
        get_logger("ours").info("ours")
        logging.getLogger("theirs").info("theirs")
    assert [line["request_id"] for line in lines(stream)] == ["r1", "r1"]


@pytest.mark.parametrize(
    "event",
    [
        {"token": SECRET},
        {"Authorization": SECRET},
        {"jwt_secret": SECRET},
        {"password": SECRET},
        {"phone": SECRET},
        {"openid": SECRET},
        {"session_key": SECRET},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"body": {"user": [{"wechatOpenId": SECRET}, {"phoneNumber": SECRET}]}},
        {"tokens": [SECRET]},
        {"pair": ({"refresh_token": SECRET}, 1)},
    ],
)
def test_secrets_are_blanked_however_deep(event: dict[str, Any]) -> None:
    with captured() as stream:
        get_logger("x").info("said", **event)
    assert SECRET not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()


def test_what_is_no_secret_stays() -> None:
    with captured() as stream:
        get_logger("x").info("said", user_id=7, session_id="s", parts=[1, {"days": 2}])
    (line,) = lines(stream)
    assert (line["user_id"], line["session_id"], line["parts"]) == (7, "s", [1, {"days": 2}])


@pytest.mark.parametrize("terminal", [False, True])
def test_an_exception_is_shown_without_its_variables(terminal: bool) -> None:
    with captured(terminal=terminal) as stream:
        try:
            fail(SECRET)
        except RuntimeError as error:
            get_logger("x").error("failed", exc_info=error)
    assert "RuntimeError: on purpose" in stream.getvalue()
    assert "in fail" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_an_exception_is_one_line_of_json() -> None:
    with captured() as stream:
        try:
            fail(SECRET)
        except RuntimeError:
            get_logger("x").exception("failed")
    (line,) = lines(stream)
    assert "Traceback" in line["exception"]


def test_the_standard_library_goes_the_same_way() -> None:
    with captured() as stream:
        logging.getLogger("theirs").warning("%d of %d", 1, 2, extra={"token": SECRET})
        try:
            fail(SECRET)
        except RuntimeError:
            logging.getLogger("theirs").exception("failed")
    first, second = lines(stream)
    assert (first["event"], first["level"], first["logger"]) == ("1 of 2", "warning", "theirs")
    assert first["role"] == "test"
    assert "RuntimeError: on purpose" in second["exception"]
    assert SECRET not in stream.getvalue()


def test_a_terminal_gets_text_for_a_person() -> None:
    with captured(terminal=True) as stream:
        get_logger("x").info("it_happened", token=SECRET, days=3)
    text = stream.getvalue()
    assert not text.startswith("{")
    assert "it_happened" in text
    assert "days" in text
    assert SECRET not in text


def test_lines_below_the_level_are_left_out() -> None:
    with captured("WARNING") as stream:
        get_logger("ours").info("quiet")
        logging.getLogger("theirs").info("quiet")
        get_logger("ours").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_the_http_client_never_logs_addresses_it_calls() -> None:
    """WeChat takes the app's secret in the address."""
    with captured("DEBUG") as stream:
        logging.getLogger("httpx").info("GET https://wechat/?secret=%s", SECRET)
    assert stream.getvalue() == ""


async def test_a_whole_log_in_leaves_no_secret_in_the_log(visitor: Visitor) -> None:
    with captured() as stream:
        alice = await visitor.log_in("k7alice")
        assert (await alice.get("/users/me")).status_code == 200
        assert (await alice.post("/auth/refresh")).status_code == 200
        assert (await alice.get("/users/me/nothing")).status_code == 404
        stranger = Visitor(alice.client, f"{alice.token}x")
        assert (await stranger.get("/users/me")).status_code == 401
        assert (await alice.post("/auth/logout")).status_code == 200
    text = stream.getvalue()
    assert "logged_in" in text
    assert alice.token
    for secret in (alice.token, alice.token.split(".")[2], "k7alice", APP_ID, APP_SECRET, "Bearer"):
        assert secret not in text
