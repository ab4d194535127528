"""What an answer says of limits, and which answers cost nothing."""

import pytest

from tests.conftest import client_of
from tests.factories import Visitor, refusal
from tests.limited import DAY, PHONE, Limited, limited, somebody
from zxo.kit.values import Quota
from zxo.modules.membership import service as membership_service

__all__ = ["limited"]  # a fixture


async def test_a_failure_of_ours_is_nobodys_miss(
    limited: Limited, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError

    async with limited(redeem_misses=Quota(2, DAY)) as app, client_of(app) as client:
        person = Visitor(client, await somebody(app))
        with monkeypatch.context() as broken:
            broken.setattr(membership_service, "redeem", fail)
            for _ in range(4):
                failed = await person.post("/redeem-codes/redeem", code="NOSUCHCODE12")
                assert failed.status_code >= 500
        for status in (404, 404, 429):
            answer = await person.post("/redeem-codes/redeem", code="NOSUCHCODE12")
            assert answer.status_code == status


async def test_a_refusal_for_what_a_body_names_says_so_beside_the_rest(limited: Limited) -> None:
    async with limited(sms_number=Quota(1, 60)) as app, client_of(app) as client:
        for _ in range(2):
            answer = await client.post("/v1/auth/sms/code", json={"phone": PHONE})
        assert refusal(answer, 429) == "too_many_requests"
        assert answer.headers["retry-after"] == "60"
        assert answer.headers["ratelimit-policy"].endswith(', "sms_number";q=1;w=60')
        assert answer.headers["ratelimit"].endswith(', "sms_number";r=0;t=60')


@pytest.mark.parametrize("name", ["user", "address"])
async def test_a_refusal_by_a_ceiling_says_what_the_ceiling_is(limited: Limited, name: str) -> None:
    async with limited() as wide:
        token = await somebody(wide)
    async with limited(**{name: Quota(2, 7200)}) as app, client_of(app) as client:
        headers = {"Authorization": f"Bearer {token}"}
        answers = [await client.get("/v1/users/me", headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert "ratelimit" not in answers[0].headers  # it is no limit to reckon with
        assert answers[2].headers["ratelimit-policy"] == f'"{name}";q=2;w=7200'
        assert answers[2].headers["ratelimit"] == f'"{name}";r=0;t=3600'
        assert answers[2].headers["retry-after"] == "3600"


async def test_the_documentation_names_the_headers_of_limited_routes(limited: Limited) -> None:
    async with limited() as app:
        paths = app.openapi()["paths"]
    assert "RateLimit" in paths["/v1/cravings"]["post"]["responses"]["200"]["headers"]
    assert "RateLimit" not in paths["/v1/cravings"]["get"]["responses"]["200"]["headers"]
    assert "RateLimit" in paths["/v1/cravings"]["get"]["responses"]["429"]["headers"]
