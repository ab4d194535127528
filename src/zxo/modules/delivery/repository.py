"""SQL of wechat_credits, push_subscriptions and notification_deliveries."""

from collections.abc import Collection
from datetime import datetime

from zxo.kit.db import Connection
from zxo.modules.delivery.models import Browser, PushSubscription, Reachable, Subscriptions

REACHABLE = """
SELECT user_id FROM wechat_credits WHERE user_id = ANY ($1::bigint[]) AND credits > 0
UNION SELECT user_id FROM push_subscriptions WHERE user_id = ANY ($1::bigint[])
"""

ADD_CREDITS = """
INSERT INTO wechat_credits AS purse (user_id, template, credits, updated_at)
VALUES ($1, $2, least($3::int, $4::int), $5)
ON CONFLICT (user_id, template) DO UPDATE
SET credits = least(purse.credits + $3::int, $4::int), updated_at = excluded.updated_at
"""

# The claim and the credit together or neither. The user is held first, as by everybody who erases
# an account; the lock of the purse makes those who come at the same moment wait, and look again
# whether a credit is left.
CLAIM_FOR_WECHAT = """
WITH person AS MATERIALIZED (
    SELECT id, openid, timezone FROM users
    WHERE id = $1 AND openid IS NOT NULL AND deleted_at IS NULL
    FOR KEY SHARE
), purse AS MATERIALIZED (
    SELECT user_id, template, openid, timezone
    FROM wechat_credits JOIN person ON person.id = user_id
    WHERE template = $2 AND credits > 0
    FOR UPDATE OF wechat_credits
), claimed AS (
    INSERT INTO notification_deliveries (user_id, notification_id, channel, created_at)
    SELECT user_id, $3, 'wechat', $4 FROM purse
    ON CONFLICT (notification_id, channel) DO NOTHING
    RETURNING user_id
)
UPDATE wechat_credits SET credits = credits - 1, updated_at = $4
FROM purse JOIN claimed USING (user_id)
WHERE wechat_credits.user_id = purse.user_id AND wechat_credits.template = purse.template
RETURNING openid, timezone
"""

GIVE_CREDIT_BACK = """
UPDATE wechat_credits SET credits = credits + 1, updated_at = $3
WHERE user_id = $1 AND template = $2
"""

DROP_CREDITS = """
UPDATE wechat_credits SET credits = 0, updated_at = $3 WHERE user_id = $1 AND template = $2
"""

CLAIM_FOR_BROWSERS = """
WITH claimed AS (
    INSERT INTO notification_deliveries (user_id, notification_id, channel, created_at)
    SELECT id, $2, 'web_push', $3 FROM users
    WHERE id = $1 AND deleted_at IS NULL
      AND EXISTS (SELECT FROM push_subscriptions WHERE user_id = users.id)
    ON CONFLICT (notification_id, channel) DO NOTHING
    RETURNING user_id
)
SELECT id, endpoint, p256dh, auth FROM push_subscriptions JOIN claimed USING (user_id)
"""

# Whoever holds the browser now is who it belongs to.
PUT_BROWSER = """
INSERT INTO push_subscriptions (user_id, endpoint, p256dh, auth, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (endpoint) DO UPDATE SET user_id = excluded.user_id, p256dh = excluded.p256dh,
    auth = excluded.auth, created_at = excluded.created_at
RETURNING id, endpoint, created_at
"""

# $2 is the one that has just come.
DROP_OLDEST_BROWSERS = """
DELETE FROM push_subscriptions WHERE id IN (
    SELECT id FROM push_subscriptions WHERE user_id = $1 AND id <> $2
    ORDER BY created_at DESC, id DESC OFFSET $3
)
"""

DROP_BROWSER = "DELETE FROM push_subscriptions WHERE id = $1 AND user_id = $2 RETURNING id"

DROP_GONE_BROWSERS = "DELETE FROM push_subscriptions WHERE id = ANY ($1::bigint[])"

SELECT_CREDITS = "SELECT template, credits FROM wechat_credits WHERE user_id = $1"

SELECT_BROWSERS = """
SELECT id, endpoint, created_at FROM push_subscriptions WHERE user_id = $1 ORDER BY created_at, id
"""


async def reachable(connection: Connection, user_ids: Collection[int]) -> set[int]:
    """Who of them has a credit for a WeChat message, or a browser that wants to be told."""
    return {row[0] for row in await connection.fetch(REACHABLE, list(user_ids))}


async def subscriptions(connection: Connection, user_id: int) -> Subscriptions:
    credit = await connection.fetch(SELECT_CREDITS, user_id)
    browsers = await connection.fetch(SELECT_BROWSERS, user_id)
    return Subscriptions(
        {row[0]: row[1] for row in credit}, [PushSubscription(*row) for row in browsers]
    )


async def add_credits(
    connection: Connection, user_id: int, template: str, more: int, most: int, now: datetime
) -> None:
    """`more` consents, but never more than `most` in all."""
    await connection.execute(ADD_CREDITS, user_id, template, more, most, now)


async def claim_for_wechat(
    connection: Connection, user_id: int, template: str, notice_id: int, now: datetime
) -> Reachable | None:
    """Take a credit for this notice; None where none is left, or it was claimed before."""
    row = await connection.fetchrow(CLAIM_FOR_WECHAT, user_id, template, notice_id, now)
    return Reachable(*row) if row else None


async def give_credit_back(
    connection: Connection, user_id: int, template: str, now: datetime
) -> None:
    await connection.execute(GIVE_CREDIT_BACK, user_id, template, now)


async def drop_credits(connection: Connection, user_id: int, template: str, now: datetime) -> None:
    await connection.execute(DROP_CREDITS, user_id, template, now)


async def claim_for_browsers(
    connection: Connection, user_id: int, notice_id: int, now: datetime
) -> list[Browser]:
    """The user's browsers; none where the notice was claimed before."""
    rows = await connection.fetch(CLAIM_FOR_BROWSERS, user_id, notice_id, now)
    return [Browser(*row) for row in rows]


async def put_browser(
    connection: Connection,
    user_id: int,
    browser: tuple[str, bytes, bytes],
    most: int,
    now: datetime,
) -> PushSubscription:
    """`browser`: endpoint, p256dh, auth. Of more than `most` the oldest goes.

    To be called while holding the lock of the user's row.
    """
    row = await connection.fetchrow(PUT_BROWSER, user_id, *browser, now)
    assert row is not None, "an insert returns its row"
    added = PushSubscription(*row)
    await connection.execute(DROP_OLDEST_BROWSERS, user_id, added.id, most - 1)
    return added


async def drop_browser(connection: Connection, user_id: int, number: int) -> bool:
    """False where the user has no such browser."""
    return await connection.fetchval(DROP_BROWSER, number, user_id) is not None


async def drop_gone_browsers(connection: Connection, ids: Collection[int]) -> None:
    await connection.execute(DROP_GONE_BROWSERS, list(ids))
