"""What is left of answers that nobody gives any more: the process was killed."""

from zxo.context import Context
from zxo.modules.coach import repository
from zxo.modules.coach.turns import give_back, lease_time

AT_ONCE = 200


async def settle_given_up(ctx: Context) -> int:
    """Give back what they reserved, and free their conversations. How many there were."""
    now = ctx.clock.now()
    async with ctx.db.transaction() as connection:
        found = await repository.given_up(connection, now - lease_time(ctx), AT_ONCE)
        # In one order: another process may be giving up others of the same people.
        for held in sorted(found, key=lambda held: (held.user_id, str(held.reserved_on))):
            await give_back(connection, held)
            await repository.free(connection, held.id)
            await repository.drop_empty(connection, held.id)
    return len(found)
