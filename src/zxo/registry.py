"""The tables of the system: what answers, what reacts to what, and what runs when."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from fastapi import APIRouter

from zxo import housekeeping
from zxo.context import Context
from zxo.kit.jobs import Run, Scheduled
from zxo.kit.outbox import Event, Reactions, reaction_name
from zxo.modules.admin import routes as admin_routes
from zxo.modules.auth import handlers as auth_handlers
from zxo.modules.auth import routes as auth_routes
from zxo.modules.checkins import CheckedIn
from zxo.modules.checkins import routes as checkins_routes
from zxo.modules.coach import handlers as coach_handlers
from zxo.modules.coach import routes as coach_routes
from zxo.modules.cravings import routes as cravings_routes
from zxo.modules.delivery import handlers as delivery_handlers
from zxo.modules.delivery import routes as delivery_routes
from zxo.modules.membership import CardsAdded, MembershipChanged, MembershipEnds
from zxo.modules.membership import guards as membership_guards
from zxo.modules.membership import handlers as membership_handlers
from zxo.modules.membership import routes as membership_routes
from zxo.modules.notifications import Notified
from zxo.modules.notifications import handlers as notifications_handlers
from zxo.modules.notifications import routes as notifications_routes
from zxo.modules.notifications import sockets as notifications_sockets
from zxo.modules.operators import guards as operators_guards
from zxo.modules.operators import handlers as operators_handlers
from zxo.modules.operators import routes as operators_routes
from zxo.modules.phones import handlers as phones_handlers
from zxo.modules.phones import routes as phones_routes
from zxo.modules.rankings import BoardMissed, RankChanged
from zxo.modules.rankings import handlers as rankings_handlers
from zxo.modules.rankings import routes as rankings_routes
from zxo.modules.regions import routes as regions_routes
from zxo.modules.statistics import handlers as statistics_handlers
from zxo.modules.users import BanChanged, PhoneChanged, ProfileChanged, SettingsChanged
from zxo.modules.users import handlers as users_handlers
from zxo.modules.users import routes as users_routes

Job = Callable[[Context], Awaitable[None]]

# Which module answers under /v1. `--modules checkins,cravings` mounts only those.
# A request is matched from the top: what is asked for most stands first.
ROUTERS: Mapping[str, APIRouter] = {
    "users": users_routes.api,
    "checkins": checkins_routes.api,
    "rankings": rankings_routes.api,
    "cravings": cravings_routes.api,
    "coach": coach_routes.api,
    "notifications": notifications_routes.api,
    "delivery": delivery_routes.api,
    "membership": membership_routes.api,
    "auth": auth_routes.api,
    "phones": phones_routes.api,
    "regions": regions_routes.api,
    "operators": operators_routes.api,
    "admin": admin_routes.api,
    "realtime": notifications_sockets.api,
}

# Dependencies that ask for a token, beside that of every router.
GUARDS = (membership_guards.require_vip, membership_guards.require_ai)
OPERATOR_GUARDS = operators_guards.GUARDS

# What an API process that mounts the module runs beside requests, from its start to its end.
BESIDE: Mapping[str, Callable[[Context], AbstractAsyncContextManager[Any]]] = {
    "realtime": notifications_sockets.hub,
    "coach": coach_handlers.prepared,
}

# What happens after what. A reaction gets the context and a list of events, and may run twice.
REACTIONS: Reactions = {
    CheckedIn: (
        users_handlers.drop_cached,
        rankings_handlers.refresh,
        notifications_handlers.tell_of_days,
    ),
    ProfileChanged: (users_handlers.drop_cached, rankings_handlers.refresh),
    PhoneChanged: (users_handlers.drop_cached,),
    SettingsChanged: (
        users_handlers.drop_cached,
        rankings_handlers.refresh,
        rankings_handlers.forget_hidden,
    ),
    MembershipChanged: (users_handlers.drop_cached, notifications_handlers.tell_of_memberships),
    MembershipEnds: (notifications_handlers.tell_of_ends,),
    CardsAdded: (users_handlers.drop_cached,),
    BanChanged: (users_handlers.drop_cached, rankings_handlers.refresh),
    BoardMissed: (rankings_handlers.build_missing,),
    Notified: (delivery_handlers.deliver,),
    RankChanged: (notifications_handlers.tell_of_ranks,),
}

# What runs when: five cron fields, Shanghai time.
SCHEDULE: Mapping[Job, str] = {
    housekeeping.keep_partitions: "10 0 * * *",
    housekeeping.forget_idempotent_answers: "20 * * * *",
    housekeeping.prune_job_log: "40 3 * * *",
    membership_handlers.check_expiry: "0 0 * * *",
    coach_handlers.give_up: "* * * * *",
    notifications_handlers.remind: "* * * * *",
    notifications_handlers.prune: "50 3 * * *",
    rankings_handlers.look_after: "* * * * *",
    rankings_handlers.rebuild: "5 * * * *",
    rankings_handlers.take_snapshot: "2 0 * * *",
    auth_handlers.delete_expired_sessions: "30 3 * * *",
    phones_handlers.delete_expired_codes: "35 * * * *",
    operators_handlers.delete_old_sessions: "35 3 * * *",
    statistics_handlers.write_past_days: "15 1 * * *",
}


def jobs(ctx: Context, only: Collection[str] = ROUTERS) -> dict[str, Run]:
    """What the worker can run, by name: of the modules that have routes, `only` these.

    What has none (the housekeeping, statistics) cannot be named in `--modules`: it runs anywhere.
    """
    scheduled = {reaction_name(job): _scheduled(ctx, job) for job in SCHEDULE}
    reacting = {
        f"{reaction_name(reaction)}:{event.name()}": _reacting(ctx, reaction, event)
        for event, reactions in REACTIONS.items()
        for reaction in reactions
    }
    others = ROUTERS.keys() - set(only)
    return {name: run for name, run in (scheduled | reacting).items() if _owner(name) not in others}


def schedule() -> list[Scheduled]:
    """What the worker enqueues when."""
    return [Scheduled(cron, reaction_name(job)) for job, cron in SCHEDULE.items()]


def _owner(job_name: str) -> str:
    return job_name.partition(".")[0]


def _scheduled(ctx: Context, job: Job) -> Run:
    async def run(_: bytes) -> None:
        await job(ctx)

    return run


def _reacting(ctx: Context, reaction: Any, event: type[Event]) -> Run:
    decoder = msgspec.json.Decoder(list[event])  # type: ignore[valid-type]

    async def run(payload: bytes) -> None:
        await reaction(ctx, decoder.decode(payload))

    return run
