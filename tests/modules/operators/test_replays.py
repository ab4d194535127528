"""Idempotency-Key: an answer is replayed to the operator that it was given, and to nobody else."""

import httpx

from tests.factories import Visitor, data, refusal
from tests.modules.operators.conftest import SignIn, try_log_in

KEY = {"Idempotency-Key": "spring"}
BODY = {"codeType": "vip", "durationDays": 7}


async def make_codes(operator: Visitor) -> httpx.Response:
    return await operator.request("POST", "/admin/redeem-codes", json=BODY, headers=KEY)


async def test_an_operator_who_asks_again_gets_the_same_codes_also_after_a_new_log_in(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    operator = await sign_in("operator")
    made = data(await make_codes(operator), 201)
    later = Visitor(client, data(await try_log_in(client, "operator"))["token"])
    for person in (operator, later):
        again = await make_codes(person)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert data(again, 201) == made


async def test_codes_are_not_told_again_to_a_session_that_is_over(sign_in: SignIn) -> None:
    operator = await sign_in("operator")
    data(await make_codes(operator), 201)
    data(await operator.post("/admin/logout"))
    assert refusal(await make_codes(operator), 401) == "operator_session_ended"


async def test_codes_are_not_told_again_to_somebody_whose_role_is_too_low_by_now(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    owner, operator = await sign_in("owner"), await sign_in("operator")
    data(await make_codes(operator), 201)
    data(await owner.put(f"/admin/operators/{operator.user['id']}", role="viewer"))
    viewer = Visitor(client, data(await try_log_in(client, "operator"))["token"])
    assert refusal(await make_codes(viewer), 403) == "role_too_low"


async def test_another_operator_with_the_same_key_gets_codes_of_their_own(
    sign_in: SignIn,
) -> None:
    one, two = await sign_in("operator"), await sign_in("operator", "two")
    first, second = data(await make_codes(one), 201), data(await make_codes(two), 201)
    assert first["texts"] != second["texts"]
