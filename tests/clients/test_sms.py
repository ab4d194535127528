"""Codes by SMS, against a service that checks the signature by itself."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from tests.fakes.aliyun_sms import KEY_ID, KEY_SECRET, SIGN_NAME, TEMPLATE, FakeAliyun
from tests.kit.captured import captured, lines
from tests.processes import free_port
from zxo.clients import sms
from zxo.clients.aliyun_signature import Signer
from zxo.clients.sms import API_VERSION, AliyunSms, SmsNumberRefused, SmsTooOften, SmsUnavailable
from zxo.kit.errors import AppError

NUMBER, MASKED, CODE = "+8613800138000", "138****8000", "012345"


@pytest.fixture
def aliyun(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAliyun]:
    monkeypatch.setattr(sms, "PAUSES", (0.0, 0.0, 0.0))
    with FakeAliyun() as fake:
        yield fake


def sender(url: str, **changes: object) -> AliyunSms:
    given: dict[str, str] = {"key": KEY_ID, "secret": KEY_SECRET, "sign": SIGN_NAME}
    given |= {"template": TEMPLATE, **{k: str(v) for k, v in changes.items() if k != "options"}}
    signer = Signer(given["key"], given["secret"], API_VERSION)
    options: dict[str, object] = changes.get("options", {})  # type: ignore[assignment]
    return AliyunSms(signer, given["sign"], given["template"], url, **options)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def client(aliyun: FakeAliyun) -> AsyncIterator[AliyunSms]:
    made = sender(aliyun.url)
    yield made
    await made.close()


def test_the_signature_is_that_of_the_example_in_the_documentation() -> None:
    """Signature method V3, "fixed parameters": the vector that Aliyun publishes."""
    signer = Signer("YourAccessKeyId", "YourAccessKeySecret", "2014-05-26")
    query = {
        "RegionId": "cn-shanghai",
        "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
    }
    at = datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC)
    nonce = "3156853299f313e23d1673dc12e1703d"

    signed = signer.sign("ecs.cn-shanghai.aliyuncs.com", "RunInstances", query, at, nonce)

    assert signed.headers["Authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;"
        "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


async def test_a_code_reaches_the_phone(client: AliyunSms, aliyun: FakeAliyun) -> None:
    await client.send_code(NUMBER, MASKED, CODE)

    assert aliyun.sent == {"13800138000": [CODE]}


async def test_a_number_from_abroad_keeps_its_country(
    client: AliyunSms, aliyun: FakeAliyun
) -> None:
    await client.send_code("+85291234567", "+85****67", CODE)

    assert aliyun.sent == {"85291234567": [CODE]}


async def test_every_request_has_a_nonce_of_its_own(client: AliyunSms, aliyun: FakeAliyun) -> None:
    for _ in range(3):
        await client.send_code(NUMBER, MASKED, CODE)

    assert len(aliyun.sent["13800138000"]) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": "another"}, "InvalidAccessKeyId.NotFound"),
        ({"secret": "another"}, "SignatureDoesNotMatch"),
        ({"sign": "别家"}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ({"template": "SMS_1"}, "isv.SMS_TEMPLATE_ILLEGAL"),
        (
            {"options": {"now": lambda: datetime.now(UTC) - timedelta(minutes=16)}},
            "InvalidTimeStamp.Expired",
        ),
    ],
)
async def test_what_is_set_up_wrongly_is_told_to_operators_and_not_to_people(
    aliyun: FakeAliyun, changes: dict[str, object], reason: str
) -> None:
    client = sender(aliyun.url, **changes)
    with captured() as log, pytest.raises(SmsUnavailable) as caught:
        await client.send_code(NUMBER, MASKED, CODE)
    await client.close()

    assert aliyun.sent == {}
    assert [(line["event"], line["level"], line["reason"]) for line in lines(log)] == [
        ("sms_failed", "error", reason)
    ]
    assert caught.value.headers["Retry-After"] == "60"


REFUSALS = [
    ("isv.MOBILE_NUMBER_ILLEGAL", "13800138000invalid mobile number", SmsNumberRefused, None),
    ("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1", SmsTooOften, "60"),
    ("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", SmsTooOften, "3600"),
    ("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10", SmsTooOften, "86400"),
    ("isv.BUSINESS_LIMIT_CONTROL", "触发号码天级流控", SmsTooOften, "86400"),
    ("isv.BUSINESS_LIMIT_CONTROL", "other words", SmsTooOften, "60"),
    ("isv.AMOUNT_NOT_ENOUGH", "账户余额不足", SmsUnavailable, "60"),
    ("isv.OUT_OF_SERVICE", "业务停机", SmsUnavailable, "60"),
    ("isp.RAM_PERMISSION_DENY", "RAM权限DENY", SmsUnavailable, "60"),
    ("isp.SYSTEM_ERROR", "system", SmsUnavailable, "60"),
    ("13800138000 <b>\n", "x", SmsUnavailable, "60"),
    ("", "", SmsUnavailable, "60"),
]


@pytest.mark.parametrize(("code", "message", "error", "wait"), REFUSALS)
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_refusal_is_told_by_its_kind_and_repeats_nothing(
    client: AliyunSms,
    aliyun: FakeAliyun,
    status: int,
    code: str,
    message: str,
    error: type[AppError],
    wait: str | None,
) -> None:
    aliyun.failures = [(status, code, message)]
    with captured() as log, pytest.raises(AppError) as caught:
        await client.send_code(NUMBER, MASKED, CODE)

    assert type(caught.value) is error
    assert caught.value.headers.get("Retry-After") == wait
    assert aliyun.requests == 1
    for text in (str(caught.value), log.getvalue()):
        assert not any(secret in text for secret in ("13800138000", CODE, KEY_SECRET))


async def test_throttling_is_tried_again(client: AliyunSms, aliyun: FakeAliyun) -> None:
    aliyun.failures = [(400, "Throttling.User", "x"), (503, "ServiceUnavailable", "x")]

    await client.send_code(NUMBER, MASKED, CODE)

    assert (aliyun.requests, aliyun.sent) == (3, {"13800138000": [CODE]})


async def test_throttling_without_end_is_unavailable(client: AliyunSms, aliyun: FakeAliyun) -> None:
    aliyun.failures = [(400, "Throttling", "x")] * 9
    with pytest.raises(SmsUnavailable):
        await client.send_code(NUMBER, MASKED, CODE)

    assert aliyun.requests == 3


async def test_a_lost_answer_is_not_tried_again_for_it_may_have_been_sent(
    client: AliyunSms, aliyun: FakeAliyun
) -> None:
    aliyun.cut = True
    with captured() as log, pytest.raises(SmsUnavailable):
        await client.send_code(NUMBER, MASKED, CODE)

    assert aliyun.sent == {"13800138000": [CODE]}
    assert [line["event"] for line in lines(log)] == ["sms_uncertain"]


async def test_what_is_no_answer_is_unavailable(client: AliyunSms, aliyun: FakeAliyun) -> None:
    for raw in (b"<html>", b"[]", b"\xff", b""):
        aliyun.raw = raw
        with pytest.raises(SmsUnavailable):
            await client.send_code(NUMBER, MASKED, CODE)


async def test_a_slow_service_is_given_up(aliyun: FakeAliyun) -> None:
    aliyun.delay = 1.0
    client = sender(aliyun.url, options={"timeout": 0.2})
    began = time.monotonic()
    with pytest.raises(SmsUnavailable):
        await client.send_code(NUMBER, MASKED, CODE)
    await client.close()

    assert time.monotonic() - began < 0.9


async def test_nobody_there_is_unavailable_after_three_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sms, "PAUSES", (0.0, 0.0, 0.0))
    client = sender(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SmsUnavailable) as caught:
        await client.send_code(NUMBER, MASKED, CODE)
    await client.close()

    assert "13800138000" not in str(caught.value)


async def test_in_development_the_code_is_in_the_log_and_the_number_is_not() -> None:
    with captured() as log:
        await sms.LoggedSms().send_code(NUMBER, MASKED, CODE)

    [line] = lines(log)
    assert (line["event"], line["to"], line["code"]) == ("sms_code", MASKED, CODE)
    assert "13800138000" not in log.getvalue()
