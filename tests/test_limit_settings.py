"""The limits as they are configured: a number and a window each, and never off in production."""

import os

import pytest

from tests.test_settings import PRODUCTION, Load, refused
from zxo.kit.values import Quota
from zxo.limits import TABLE
from zxo.settings import LimitSettings, Settings, load

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.fixture
def load_from(monkeypatch: pytest.MonkeyPatch) -> Load:
    """The settings of a process whose whole environment is given."""

    def load_only(**variables: str) -> Settings:
        monkeypatch.setattr(os, "environ", dict(variables))
        return load()

    return load_only


def test_where_nothing_is_set_the_limits_are_those_that_are_documented(load_from: Load) -> None:
    limits = load_from().limits
    assert limits.enabled
    assert limits.proxies == 0
    assert {limit.name: getattr(limits, limit.name) for limit in TABLE} == {
        "login": Quota(10, MINUTE),
        "admin_login": Quota(10, MINUTE),
        "cravings": Quota(6, HOUR),
        "boards": Quota(10, MINUTE),
        "redeem": Quota(10, MINUTE),
        "redeem_misses": Quota(20, DAY),
        "sms_address": Quota(30, DAY),
        "sms_number": Quota(1, MINUTE),
        "sms_number_daily": Quota(10, DAY),
    }


@pytest.mark.parametrize("limit", [limit.name for limit in TABLE] + ["user", "address", "sockets"])
def test_every_limit_has_a_variable_of_its_own(load_from: Load, limit: str) -> None:
    limits = load_from(**{f"LIMIT_{limit.upper()}": "7/2h"}).limits
    defaults = LimitSettings()
    assert getattr(limits, limit) == Quota(7, 2 * HOUR)
    others = LimitSettings.model_fields.keys() - {limit}
    assert all(getattr(limits, other) == getattr(defaults, other) for other in others)


@pytest.mark.parametrize(
    ("text", "quota"),
    [("1/1s", Quota(1, 1)), (" 20/1d ", Quota(20, DAY)), ("9999999/15m", Quota(9_999_999, 900))],
)
def test_a_limit_is_a_number_and_a_window(load_from: Load, text: str, quota: Quota) -> None:
    assert load_from(LIMIT_LOGIN=text).limits.login == quota


@pytest.mark.parametrize(
    "text",
    [
        "10",
        "0/1m",
        "-1/1m",
        "10/0m",
        "10/m",
        "10/1",
        "10/1y",
        "1.5/1m",
        "10 / 1m",
        "10/1m/1m",
        "x",
        "10000000/1m",
        "１０/1m",
    ],
)
def test_a_limit_that_says_anything_else_is_refused(load_from: Load, text: str) -> None:
    said = refused(load_from, LIMIT_LOGIN=text)
    assert "LIMIT_LOGIN: write a number" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RATE_LIMITS", "sometimes"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "11"),
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
    ],
)
def test_a_switch_or_a_number_that_is_none_is_refused(
    load_from: Load, name: str, text: str
) -> None:
    assert name in refused(load_from, **{name: text})


def test_limits_are_off_for_load_tests_and_never_in_production(load_from: Load) -> None:
    assert not load_from(RATE_LIMITS="off").limits.enabled
    said = refused(load_from, **{**PRODUCTION, "RATE_LIMITS": "off"})
    assert "RATE_LIMITS=off is for load tests, not for production" in said
    assert load_from(**PRODUCTION).limits.enabled
