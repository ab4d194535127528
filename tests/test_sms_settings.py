"""What the environment may say about messages to phones."""

import pytest

from tests.test_settings import PRODUCTION, Load, load_from, refused
from zxo.clients.sms import AliyunSms, LoggedSms
from zxo.context import sms_sender

__all__ = ["load_from"]

ACCOUNT = {
    "SMS_ACCESS_KEY_ID": "LTAI5tXyz",
    "SMS_ACCESS_KEY_SECRET": "k9-battle-staple",
    "SMS_SIGN_NAME": "戒烟勇士",
    "SMS_TEMPLATE_CODE": "SMS_1",
}


@pytest.mark.parametrize("missing", ACCOUNT)
def test_an_account_is_whole_or_absent(load_from: Load, missing: str) -> None:
    given = {name: value for name, value in ACCOUNT.items() if name != missing}
    assert missing in refused(load_from, **given)


async def test_who_sends_depends_on_the_account_and_on_production(load_from: Load) -> None:
    assert isinstance(sms_sender(load_from()), LoggedSms)
    assert sms_sender(load_from(**PRODUCTION)) is None
    for environment in ({}, PRODUCTION):
        sender = sms_sender(load_from(**environment, **ACCOUNT))
        assert isinstance(sender, AliyunSms)
        await sender.close()


def test_regions_are_codes_of_countries(load_from: Load) -> None:
    assert load_from().sms.regions == ("CN",)
    assert load_from(SMS_REGIONS="CN, HK").sms.regions == ("CN", "HK")
    for wrong in ("China", "cn", "ZZ", "CN;HK"):
        assert "no region" in refused(load_from, SMS_REGIONS=wrong)
    assert "SMS_REGIONS" in refused(load_from, SMS_REGIONS=",")


def test_production_sends_codes_over_tls_alone(load_from: Load) -> None:
    plain = {"SMS_BASE_URL": "http://127.0.0.1:8080"}
    assert load_from(**ACCOUNT, **plain).sms.base_url == plain["SMS_BASE_URL"]
    assert "https://" in refused(load_from, **PRODUCTION, **ACCOUNT, **plain)
    assert "SMS_BASE_URL" in refused(load_from, SMS_BASE_URL="dysmsapi.aliyuncs.com")


def test_an_error_shows_no_secret(load_from: Load) -> None:
    given = {name: value for name, value in ACCOUNT.items() if name != "SMS_SIGN_NAME"}
    assert ACCOUNT["SMS_ACCESS_KEY_SECRET"] not in refused(load_from, **given)
