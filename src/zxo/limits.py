"""The limits: what is counted, by whom, and on which routes. How many: `settings/limits.py`."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import redis.asyncio as redis

from zxo.kit.crypto import BlindIndex
from zxo.kit.ratelimit import Limiter, LocalLimit, Spent, refused
from zxo.kit.values import Quota
from zxo.settings import LimitSettings

By = Literal["address", "user", "subject"]


class Limit(NamedTuple):
    """`keep`: while Valkey is away it is kept in shares, by process; else everything goes through.

    `only`: the one errorCode that counts; whatever else is answered is given back.
    """

    name: str
    by: By
    keep: bool
    routes: Sequence[str] = ()
    only: str | None = None


_REDEEM = "POST /v1/redeem-codes/redeem"

TABLE = (
    Limit("login", "address", True, ("POST /v1/auth/wechat/login", "POST /v1/auth/sms/login")),
    Limit("admin_login", "address", True, ("POST /v1/admin/login",)),
    # Only the record itself: a note that an urge has passed must never be refused.
    Limit("cravings", "user", False, ("POST /v1/cravings",)),
    # Pages of a board, counted together. One's own rank costs little and is not counted.
    Limit("boards", "user", False, ("GET /v1/rankings", "GET /v1/rankings/around")),
    Limit("redeem", "user", True, (_REDEEM,)),
    Limit("redeem_misses", "user", True, (_REDEEM,), only="redeem_code_not_found"),
    Limit("sms_address", "address", True, ("POST /v1/auth/sms/code",)),
    # What a body names: whoever handles it spends these.
    Limit("sms_number", "subject", True),
    Limit("sms_number_daily", "subject", True),
)

_BY_NAME: Mapping[str, Limit] = {limit.name: limit for limit in TABLE}


def of_route(method: str, path: str) -> list[Limit]:
    """The limits of a route, by its template."""
    return [limit for limit in TABLE if f"{method} {path}" in limit.routes]


class Limits:
    """The limits as they are configured. `processes` share them while Valkey is away."""

    def __init__(
        self, settings: LimitSettings, valkey: redis.Redis, index: BlindIndex, processes: int
    ) -> None:
        self.enabled = settings.enabled
        self.proxies = settings.proxies
        # Ceilings of this process, above everything that somebody does by hand.
        self.users = LocalLimit("user", settings.user)
        self.addresses = LocalLimit("address", settings.address)
        self.sockets = LocalLimit("sockets", settings.sockets)
        self._settings = settings
        self._index = index
        self._limiter = Limiter(valkey, processes)

    async def spend(self, name: str, subject: str) -> None:
        """One of what `subject` has left under a limit of the table. Raises RateLimited."""
        if not self.enabled:
            return
        spent = await self.count(_BY_NAME[name], subject)
        if spent is not None and not spent.passed:
            raise refused(spent)

    async def count(self, limit: Limit, subject: str) -> Spent | None:
        """Spend one, and say what is left; None where the limit is not kept now."""
        key = self._key(limit, subject)
        return await self._limiter.spend(limit.name, self._quota(limit), key, keep=limit.keep)

    async def give_back(self, limit: Limit, subject: str, spent: Spent) -> None:
        """Take back what `count` has spent."""
        await self._limiter.give_back(spent, self._key(limit, subject))

    def _quota(self, limit: Limit) -> Quota:
        quota: Quota = getattr(self._settings, limit.name)
        return quota

    def _key(self, limit: Limit, subject: str) -> str:
        """Addresses and numbers are nothing for Valkey to know."""
        if limit.by == "user":
            return subject
        return self._index.of("limits", subject).hex()[:32]
